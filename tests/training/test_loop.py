"""The training loop: it learns, it stops and goes on exactly, it says what is wrong."""

import math
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from training_runs import make_pictures, recipe, state, trainer

from sdrjscc.cli import _training
from sdrjscc.codecs.base import build_codec, load_codec
from sdrjscc.errors import SdrJsccError, TrainingError
from sdrjscc.files import write_atomic
from sdrjscc.training import checkpoint as checkpoint_module
from sdrjscc.training.losses import LOSSES
from sdrjscc.training.recipe import Recipe


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run of 90 steps."""
    out = tmp_path_factory.mktemp("whole")
    list(trainer(pictures, out).run())
    return out


def assert_same_state(one: Path, other: Path) -> None:
    first, second = state(one), state(other)
    assert first.keys() == second.keys()
    assert len(first) > 100
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_a_killed_run_goes_on_exactly(pictures: Path, whole: Path, tmp_path: Path) -> None:
    """Killed somewhere after step 8 to 30; at least 50 steps later all tensors are equal, bit for bit."""
    program = Path(__file__).parent / "training_runs.py"
    last, seconds = random.randint(8, 30), random.uniform(1e-3, 2e-2)
    arguments = [str(program), str(pictures), str(tmp_path), str(last), str(seconds)]
    process = subprocess.run([sys.executable, *arguments], check=False)
    assert process.returncode == -signal.SIGPROF
    resumed = trainer(pictures, tmp_path, resume=True)
    assert last - 7 < resumed.step <= 40, (last, seconds)
    list(resumed.run())
    assert_same_state(whole, tmp_path)
    best, again = (load_file(folder / "best.safetensors") for folder in (whole, tmp_path))
    assert all(torch.equal(best[name], again[name]) for name in best.keys() | again.keys())


@pytest.mark.parametrize("step", [1, 29, 30, 31, 89])
def test_a_stopped_run_goes_on_exactly(pictures: Path, whole: Path, tmp_path: Path, step: int) -> None:
    """Stops around the warm-up, the change of phase and the end; and twice in one run."""
    for stop_at in (step, min(step + 3, 89)):
        one = trainer(pictures, tmp_path, resume=(tmp_path / "checkpoint.pt").exists())
        list(one.run(lambda one=one, stop_at=stop_at: one.step >= stop_at))
        assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == stop_at
    resumed = trainer(pictures, tmp_path, resume=True)
    assert resumed.best_db == one.best_db
    list(resumed.run())
    assert_same_state(whole, tmp_path)


def test_a_finished_run_resumes_to_nothing(pictures: Path, whole: Path) -> None:
    before = (whole / "checkpoint.pt").read_bytes()
    assert list(trainer(pictures, whole, resume=True).run()) == []
    assert (whole / "checkpoint.pt").read_bytes() == before


def test_the_loop_learns(pictures: Path, tmp_path: Path) -> None:
    """A linear autoencoder at 20 dB; what it cannot send is left, and that is little."""
    made = recipe(
        codec={"name": "training_codec:build_linear"},
        run_phases=[{"steps": 150, "crop": 32, "batch": 4}],
        run_validate_every=10,
        run_snr_db=(20, 20),
    )
    one = trainer(pictures, tmp_path, made)
    reports = list(one.run())
    losses = [report.loss for report in reports]
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
    validated = [report.validation_db[10.0] for report in reports if report.validation_db]
    assert len(validated) == 15
    assert validated[-1] > validated[0] + 5.0
    assert one.best_db == max(validated)


def test_best_weights_are_the_averaged_ones_and_load_as_a_codec(pictures: Path, tmp_path: Path) -> None:
    one = trainer(pictures, tmp_path, recipe(run_phases=[{"steps": 25, "crop": 16, "batch": 2}]))
    list(one.run())
    loaded = build_codec({**one.recipe.codec, "weights": str(tmp_path / "best.safetensors")})
    assert isinstance(loaded, nn.Module)
    for (name, value), mine in zip(
        one.average.state_dict().items(), loaded.state_dict().values(), strict=True
    ):
        assert torch.equal(value, mine), name


def test_average_is_an_exponential_one_with_warm_up(pictures: Path, tmp_path: Path) -> None:
    one = trainer(pictures, tmp_path, recipe(optimizer_ema=0.3))
    expected = {key: value.clone() for key, value in one.network.state_dict().items()}
    steps = iter(one.run())
    for step in range(5):
        next(steps)
        decay = min(0.3, (1 + step) / (10 + step))
        for key, value in one.network.state_dict().items():
            expected[key] = decay * expected[key] + (1 - decay) * value
    for key, value in one.average.state_dict().items():
        torch.testing.assert_close(value, expected[key])


def test_gradients_reach_every_weight_and_are_clipped_at_the_scheduled_rate(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(pictures, tmp_path, recipe(optimizer_clip_norm=1e-3))
    norms: list[float] = []
    rates: list[float] = []
    step = one.optimizer.step

    def measured() -> object:
        gradients = [weight.grad for weight in one.network.parameters()]
        assert all(gradient is not None and bool((gradient != 0).any()) for gradient in gradients)
        rates.append(one.optimizer.param_groups[0]["lr"])
        norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        return step()

    monkeypatch.setattr(one.optimizer, "step", measured)
    steps = iter(one.run())
    for _ in range(3):
        next(steps)
    assert norms == pytest.approx([1e-3] * 3, rel=1e-3)
    assert rates == pytest.approx([5e-4, 1e-3, 1.5e-3])


@pytest.mark.parametrize("channel", [{"name": "awgn"}, {"name": "fading"}])
def test_one_seed_gives_one_run(pictures: Path, tmp_path: Path, channel: dict) -> None:
    losses = []
    for number, seed in enumerate((1, 1, 2)):
        made = recipe(channel=channel, run_seed=seed, run_phases=[{"steps": 4, "crop": 16, "batch": 2}])
        losses.append([report.loss for report in trainer(pictures, tmp_path / str(number), made).run()])
    assert losses[0] == losses[1] != losses[2]
    assert all(math.isfinite(loss) for run in losses for loss in run)


def test_training_leaves_the_global_random_state_alone(pictures: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    list(trainer(pictures, tmp_path, recipe(run_phases=[{"steps": 3, "crop": 16, "batch": 2}])).run())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_that_is_no_number_stops_the_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(pictures, tmp_path)
    batch = one.train_source.batch

    def broken(first: int, size: int, crop: int) -> torch.Tensor:
        return batch(first, size, crop) * (math.nan if one.step == 10 else 1.0)

    monkeypatch.setattr(one.train_source, "batch", broken)
    with pytest.raises(TrainingError, match=r"loss must stay finite \(got nan in step 11\); a lower"):
        list(one.run())
    assert all(bool(value.isfinite().all()) for value in one.network.state_dict().values())
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 7


def test_a_gradient_that_is_no_number_stops_the_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cusp(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return (decoded - decoded.detach()).square().sum().sqrt()

    monkeypatch.setitem(LOSSES, "mse", cusp)
    one = trainer(pictures, tmp_path)
    with pytest.raises(TrainingError, match=r"gradient must stay finite \(got nan in step 1\)"):
        list(one.run())
    assert all(bool(value.isfinite().all()) for value in one.network.state_dict().values())


def test_a_checkpoint_is_written_whole_or_not(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(pictures, tmp_path)
    one.save()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(content: object, part: Path) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        one.save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def refusal(data: Path, out: Path, made: Recipe | None = None, *, resume: bool = False) -> str:
    with pytest.raises(TrainingError) as caught:
        trainer(data, out, made, resume=resume)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_with_a_run_is_not_overwritten(pictures: Path, whole: Path) -> None:
    assert refusal(pictures, whole) == (
        f"{whole} holds a run already; add --resume to go on, or choose another --out"
    )


def test_there_must_be_something_to_resume(pictures: Path, tmp_path: Path) -> None:
    assert "must hold a checkpoint to go on from" in refusal(pictures, tmp_path, resume=True)


def test_a_run_resumes_with_its_own_recipe_only(pictures: Path, whole: Path) -> None:
    said = refusal(pictures, whole, recipe(optimizer_ema=0.9), resume=True)
    assert said == "a run goes on with its own recipe: optimizer.ema must be 0.95 (got 0.9)"
    said = refusal(pictures, whole, recipe(codec={"name": "dsc_jscc", "weights": "untrained"}), resume=True)
    assert said == "a run goes on with its own recipe: codec.variant must be 60-E2D2 (it is left out)"
    said = refusal(pictures, whole, recipe(start="weights.safetensors"), resume=True)
    assert said == "a run goes on with its own recipe: start must be left out (got weights.safetensors)"
    phases = [{"steps": 30, "crop": 16, "batch": 3}, {"steps": 6, "crop": 32, "batch": 2}]
    said = refusal(pictures, whole, recipe(run_phases=phases), resume=True)
    assert said == "a run goes on with its own recipe: run.phases.1.steps must be 60 (got 6)"


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "list", "key", "shape"])
def test_broken_checkpoints_are_refused(pictures: Path, whole: Path, tmp_path: Path, damage: str) -> None:
    good, path = (whole / "checkpoint.pt").read_bytes(), tmp_path / "checkpoint.pt"
    content = torch.load(whole / "checkpoint.pt", weights_only=True)
    if damage in ("cut", "empty", "text"):
        path.write_bytes({"cut": good[: len(good) // 2], "empty": b"", "text": b"no checkpoint"}[damage])
    elif damage == "list":
        torch.save([1, 2], path)
    elif damage == "key":
        del content["average"]
        torch.save(content, path)
    else:
        content["network"] = {key: value[:1] for key, value in content["network"].items()}
        torch.save(content, path)
    said = refusal(pictures, tmp_path, resume=True)
    assert str(path) in said
    assert "must be a whole checkpoint of a training run" in said or "must fit the recipe's codec" in said


def test_data_that_cannot_be_used_is_named_at_the_start(tmp_path: Path) -> None:
    folder, out = tmp_path / "data", tmp_path / "out"
    assert refusal(folder, out) == f"data must be a folder of pictures (got {folder})"
    folder.mkdir()
    assert "data folder must hold pictures" in refusal(folder, out)
    make_pictures(folder)
    said = refusal(folder, out, recipe(run_phases=[{"steps": 1, "crop": 48, "batch": 1}]))
    assert said.startswith("training pictures must be at least 48 px a side (got 48x40: ")
    (folder / "broken.png").write_text("no picture")
    said = refusal(folder, out)
    assert said.startswith("training pictures must be readable (got ")
    assert str(folder / "broken.png") in said
    (folder / "broken.png").unlink()
    assert "a multiple of the codec's 4 px (got 18)" in refusal(
        folder, out, recipe(run_phases=[{"steps": 1, "crop": 18, "batch": 1}])
    )
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    assert "at least two pictures" in refusal(folder, out, recipe(data_validation_share=0.01))
    assert not out.exists()


def test_codec_and_channel_must_fit_training(pictures: Path, tmp_path: Path) -> None:
    assert refusal(pictures, tmp_path, recipe(channel={"name": "chain", "snr_db": 10.0})) == (
        "channel chain must work on symbols for training (it works on samples)"
    )
    assert refusal(pictures, tmp_path, recipe(codec={"name": "training_codec:build"})) == (
        "codec training_codec:build must be a torch module to be trained"
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"codec": {"name": "ujscc", "variant": "ujscc", "weights": "untrained"}},
            "codec ujscc/ujscc needs the mapping vq "
            "(got analog: it takes 2 values a symbol, the codec gives 4 in mode 1)",
        ),
        (
            {"terms": {"codebok": 1.0}},
            "terms must be given by codec or mapping (these give none; got codebok)",
        ),
        (
            {
                "run_phases": [
                    {"steps": 1, "crop": 16},
                    {"steps": 1, "crop": 16, "only": ["decoder.*", "code"]},
                ]
            },
            "only must fit parameters of the codec, such as encoder.*, decoder.* (got code)",
        ),
    ],
)
def test_what_cannot_be_trained_is_named_at_the_start(
    pictures: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SdrJsccError) as caught:
        trainer(pictures, tmp_path, recipe(**changes))
    assert str(caught.value) == sentence


def test_looking_for_terms_changes_nothing(pictures: Path, tmp_path: Path) -> None:
    codec = {"name": "training_codec:build_coded"}
    vq = {"name": "vq", "orders": [2, 4], "dimensions": [2, 2]}
    one = trainer(pictures, tmp_path, recipe(codec=codec, mapping=vq, terms={"codebook": 1.0}))
    fresh = load_codec("training_codec:build_coded")
    assert isinstance(fresh, torch.nn.Module)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, one.network.state_dict()[name]), name


def test_parts_of_atomic_writes_do_not_stay(tmp_path: Path) -> None:
    def interrupted(part: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "checkpoint.pt", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_seconds_are_those_of_all_parts_of_a_run(pictures: Path, tmp_path: Path) -> None:
    first = trainer(pictures, tmp_path)
    list(first.run(lambda: first.step >= 4))
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert stored["seconds"] == first.seconds > 0
    torch.save({**stored, "seconds": 1000.0}, tmp_path / "checkpoint.pt")
    second = trainer(pictures, tmp_path, resume=True)
    seconds = [report.seconds for report in second.run(lambda: second.step >= 8)]
    assert 1000.0 < seconds[0] < seconds[-1] < 1060.0


def test_checkpoints_without_seconds_go_on(pictures: Path, tmp_path: Path) -> None:
    trainer(pictures, tmp_path).save()
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del stored["seconds"]
    torch.save(stored, tmp_path / "checkpoint.pt")
    assert trainer(pictures, tmp_path, resume=True).seconds == 0.0


def test_the_bar_moves_in_every_step(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(pictures, tmp_path, recipe(run_phases=[{"steps": 7, "crop": 16}], run_log_every=5))
    shown: list[float] = []
    update = _training.Progress.update

    def noted(self: Any, task: Any, **values: Any) -> None:
        shown.append(values["completed"])
        update(self, task, **values)

    monkeypatch.setattr(_training.Progress, "update", noted)
    assert not _training.run(one, one.fabric)
    assert sorted(set(shown)) == list(range(8))
