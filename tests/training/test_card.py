"""Exported weights: codewords on their points, the card's levels and name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_runs import recipe, trainer

from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import TrainingError, WeightsError
from sdrjscc.evaluation import card as card_module
from sdrjscc.evaluation.card import export
from sdrjscc.images.io import write_png
from sdrjscc.mapping._assignment import detection_noise_var, distortion, transition
from sdrjscc.mapping._constellation import constellation

PHASES = [{"steps": 3, "crop": 16, "batch": 2, "modes": [0, 1, 2, 3, 4]}]
RUN = {
    "codec": {"name": "ujscc", "weights": "untrained"},
    "mapping": {"name": "vq"},
    "terms": {"codebook": 1.0},
    "run_phases": PHASES,
    "run_snr_db": (-5, 30),
    "run_snr_by_mode": True,
}


@pytest.fixture(scope="module")
def exported(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict]:
    """Run, target folder and card."""
    run, target = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("weights")
    list(trainer(pictures, run, recipe(**RUN, channel={"name": "fading"})).run())
    test = tmp_path_factory.mktemp("test")
    for path in sorted(pictures.iterdir())[:2]:
        (test / path.name).write_bytes(path.read_bytes())
    return run, target, export(run, test, target, data="gradients", terms="none", name="tiny")


def test_the_name_is_the_files(exported: tuple[Path, Path, dict]) -> None:
    _, target, card = exported
    assert sorted(path.name for path in target.iterdir()) == ["tiny.json", "tiny.safetensors"]
    assert card["file"] == "tiny.safetensors"
    assert json.loads((target / "tiny.json").read_text()) == json.loads(json.dumps(card))


def test_levels_reach_as_high_as_the_training(exported: tuple[Path, Path, dict]) -> None:
    _, _, card = exported
    assert list(card["psnr_db"]) == ["1", "4", "7", "10", "13", "19", "25"]
    assert list(card["psnr_db_own_channel"]) == list(card["psnr_db"])
    assert card["psnr_db_own_channel"] != card["psnr_db"]
    assert card["psnr_db_full"] == card["psnr_db"], "no picture is larger than a crop"


@pytest.mark.parametrize("mode", range(5))
def test_codewords_are_the_same_on_better_points(exported: tuple[Path, Path, dict], mode: int) -> None:
    run, target, _ = exported
    key = f"codebooks.{mode}"
    before, after = (
        load_file(path)[key].float() for path in (run / "best.safetensors", target / "tiny.safetensors")
    )
    found = torch.cdist(after, before).argmin(1)
    assert sorted(found.tolist()) == list(range(len(before))), "a permutation"
    torch.testing.assert_close(after, before[found], rtol=2e-3, atol=1e-3)
    points = constellation(len(before), "snake")
    channel = transition(points, detection_noise_var(points.order, 0.1))
    cost = distortion(before.double(), channel)
    better = distortion(after.double(), channel)
    assert better <= cost * 1.001
    assert mode < 2 or better < 0.9 * cost, "random codewords can be placed much better"


@pytest.mark.parametrize("name", ["../escaped", "", "a/b", "untrained", "bundled", ".hidden"])
def test_a_name_is_a_name(exported: tuple[Path, Path, dict], tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match="a name of weights must be letters"):
        export(exported[0], tmp_path, tmp_path, data="", terms="", name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_codec_is_exported_and_loaded(pictures: Path, tmp_path: Path) -> None:
    own = "training_codec:build_linear"
    list(trainer(pictures, tmp_path / "run", recipe(codec={"name": own})).run())
    card = export(tmp_path / "run", pictures, tmp_path, data="gradients", terms="none")
    assert (card["file"], card["variant"]) == ("training_codec_build_linear.safetensors", None)
    trained, fresh = (load_codec(own, **kept) for kept in ({"weights": str(tmp_path / card["file"])}, {}))
    assert isinstance(trained, torch.nn.Module)
    assert isinstance(fresh, torch.nn.Module)
    stored = load_file(tmp_path / card["file"])
    assert all(torch.equal(value, stored[name].float()) for name, value in trained.state_dict().items())
    assert trained.fingerprint != fresh.fingerprint
    with pytest.raises(WeightsError, match="there is no file"):
        load_codec(own, weights="absent.safetensors")


def test_measuring_is_reported_to_the_end(exported: tuple[Path, Path, dict], tmp_path: Path) -> None:
    run, _, _ = exported
    write_png(tmp_path / "test" / "wide.png", torch.zeros(3, 16, 300, dtype=torch.uint8))
    seen: list[tuple[int, int]] = []
    export(
        run,
        tmp_path / "test",
        tmp_path,
        data="",
        terms="",
        name="told",
        progress=lambda done, total: seen.append((done, total)),
    )
    done, total = [one for one, _ in seen], {one for _, one in seen}
    assert total == {7 * 16 * (256 + 300 + 256)}  # crops, whole pictures, the recipe's own channel
    assert done == sorted(done)
    assert (done[0], {done[-1]}) == (0, total)


@pytest.mark.parametrize("moment", ["measuring", "weights", "card"])
def test_an_interrupted_export_leaves_nothing(
    exported: tuple[Path, Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run, _, _ = exported
    write_png(tmp_path / "test" / "small.png", torch.zeros(3, 16, 16, dtype=torch.uint8))
    target = tmp_path / "weights"

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if moment == "weights":
        monkeypatch.setattr(card_module.shutil, "copyfile", interrupted)
    elif moment == "card":
        monkeypatch.setattr(card_module.json, "dumps", interrupted)
    progress = {"progress": interrupted} if moment == "measuring" else {}
    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "test", target, data="", terms="", name="tiny", **progress)
    assert not target.exists() or list(target.iterdir()) == []
