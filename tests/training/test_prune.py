"""Pruning: the right channels go, nothing else changes, and a run goes on where it was stopped."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import prune_runs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prune_runs import CHANNELS, arguments, disturb, write_recipe, write_start
from safetensors import safe_open
from safetensors.torch import load_file
from training_runs import state

from sdrjscc.cli import _training
from sdrjscc.cli.main import main
from sdrjscc.codecs.base import LatentCodec, load_codec
from sdrjscc.errors import TrainingError, WeightsError
from sdrjscc.mapping.base import bind, build_mapper
from sdrjscc.training.checkpoint import read_run
from sdrjscc.training.prune import PruningRun, kept_channels, prune_latent, widths
from sdrjscc.training.recipe import Recipe, load_recipe, parse_recipe

Inputs = tuple[Path, Path, Path]


@pytest.fixture(scope="module")
def inputs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Recipe, weights to begin with, pictures."""
    folder = tmp_path_factory.mktemp("inputs")
    return write_recipe(folder), write_start(folder), pictures


@pytest.fixture(scope="module")
def whole(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run of two rounds of six steps."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(arguments(*inputs, out)) == 0
    return out


def base_codec(channels: int) -> LatentCodec:
    codec = load_codec("ren2026", latent_channels=channels, weights="untrained")
    assert isinstance(codec, LatentCodec)
    disturb(codec)
    return codec


def recipe(**codec: object) -> Recipe:
    return parse_recipe({**prune_runs.TABLE, "codec": {**prune_runs.TABLE["codec"], **codec}})


class TestPruneLatent:
    """One cut."""

    def test_what_is_left_computes_what_it_did(self) -> None:
        """In float64, to rounding: z of kept channels, and pictures with the others' z set to 0."""
        before, after = base_codec(40).double(), base_codec(40).double()
        images = torch.rand(2, 3, 48, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        prune_latent(after, 13)
        kept = kept_channels(before.encoder.norm.weight, 13)
        with torch.inference_mode():
            latent, pruned = before.encoder(images), after.encoder(images)
            torch.testing.assert_close(pruned, latent[:, kept], rtol=1e-12, atol=0)
            gone = torch.ones(40, dtype=torch.bool)
            gone[kept] = False
            latent[:, gone] = 0.0
            torch.testing.assert_close(after.decoder(pruned), before.decoder(latent), rtol=1e-12, atol=0)
        assert after.plan(32, 48).symbols == 13 * 2 * 3

    def test_every_tensor_is_the_old_one_or_its_kept_part(self) -> None:
        before, after = base_codec(40), base_codec(40)
        prune_latent(after, 13)
        kept = kept_channels(before.encoder.norm.weight, 13)
        old, new = before.state_dict(), after.state_dict()
        assert old.keys() == new.keys()
        cut = {name for name in old if old[name].shape != new[name].shape}
        norm = {f"encoder.norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")}
        assert cut == norm | {"encoder.layers.10.weight", "encoder.layers.10.bias", "decoder.0.weight"}
        for name, value in new.items():
            assert torch.equal(value, old[name][kept] if name in cut else old[name]), name

    def test_parameters_are_gone_and_the_rest_can_be_trained(self) -> None:
        codec = base_codec(512)
        prune_latent(codec, 256)
        assert sum(p.numel() for p in codec.parameters()) == 4_017_235
        plan = codec.plan(32, 32)
        payload = codec.encode(torch.rand(1, 3, 32, 32), plan)
        codec.decode(payload, torch.zeros(1, plan.symbols), plan).sum().backward()
        assert all(p.grad is not None for p in codec.parameters())

    def test_global_randomness_is_left_alone(self) -> None:
        before = torch.random.get_rng_state()
        prune_latent(base_codec(8), 3)
        assert torch.equal(before, torch.random.get_rng_state())

    @given(st.lists(st.floats(-2, 2), min_size=1, max_size=20), st.integers(1, 20))
    def test_the_largest_are_kept(self, scales: list[float], count: int) -> None:
        kept = kept_channels(torch.tensor(scales), count).tolist()
        assert kept == sorted(set(kept))
        assert len(kept) == min(count, len(scales))
        sizes = torch.tensor(scales).abs().tolist()
        lost = [size for index, size in enumerate(sizes) if index not in kept]
        assert not lost or max(lost) <= min(sizes[index] for index in kept)


class TestPlan:
    """Which widths, and under which names."""

    def test_widths_by_hand(self) -> None:
        assert widths(512, 0.5, 4) == [448, 384, 320, 256]
        assert widths(512, 0.2, 4) == [486, 461, 435, 410]
        assert widths(512, 0.9, 1) == [51]

    @pytest.mark.parametrize(
        ("gamma", "channels", "variant"),
        [(0.2, 410, "gamma-0.2"), (0.5, 256, "gamma-0.5"), (0.7, 154, "gamma-0.7"), (0.9, 51, "gamma-0.9")],
    )
    def test_the_papers_ratios_end_as_their_variants(
        self, tmp_path: Path, gamma: float, channels: int, variant: str
    ) -> None:
        full = recipe(latent_channels=512)
        run = PruningRun(full, str(write_start(tmp_path, 512)), tmp_path / "out", gamma=gamma)
        assert run.rounds[-1].channels == channels
        assert run.rounds[-1].recipe.codec == {"name": "ren2026", "variant": variant, "weights": "untrained"}
        first = run.rounds[0].recipe
        assert (first.codec["latent_channels"], first.terms, first.loss) == (
            run.rounds[0].channels,
            {},
            "mse",
        )
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(("variant", "gamma"), [("base", 0.25), ("table1", 0.5)])
    def test_others_keep_their_name_and_tell_their_channels(
        self, tmp_path: Path, variant: str, gamma: float
    ) -> None:
        full = recipe(variant=variant, latent_channels=512)
        start = write_start(tmp_path, 512, variant)
        codec = PruningRun(full, str(start), tmp_path / "out", gamma=gamma).rounds[-1].recipe.codec
        assert codec["variant"] == variant
        assert codec["latent_channels"] == 512 * (1 - gamma)


def test_a_run_leaves_what_a_training_run_leaves(whole: Path, inputs: Inputs) -> None:
    with safe_open(whole / "best.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["architecture"]) == {"variant": "base", "latent_channels": 8}
    stored, steps = read_run(whole / "checkpoint.pt")
    assert (stored.codec["latent_channels"], stored.terms, steps) == (8, {}, 6)
    entries = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [(entry["round"], entry["step"]) for entry in entries] == [(1 + n // 6, n + 1) for n in range(12)]
    assert load_file(whole / "round-1" / "start.safetensors")["encoder.norm.weight"].shape == (12,)
    start = load_file(inputs[1])
    kept = kept_channels(start["encoder.norm.weight"], 12)
    made = load_file(whole / "round-1" / "start.safetensors")
    assert torch.equal(made["decoder.0.weight"], start["decoder.0.weight"][kept])
    best, second = (
        load_file(whole / f"round-{number}" / name)
        for number, name in ((1, "best.safetensors"), (2, "start.safetensors"))
    )
    kept = kept_channels(best["encoder.norm.weight"], 8)
    assert torch.equal(second["encoder.layers.10.weight"], best["encoder.layers.10.weight"][kept])


def test_it_is_exported_like_a_training_run(whole: Path, inputs: Inputs, tmp_path: Path) -> None:
    test = tmp_path / "test"
    test.mkdir()
    for path in sorted(inputs[2].iterdir())[:2]:
        (test / path.name).write_bytes(path.read_bytes())
    options = ["--test", str(test), "--data", "gradients", "--out", str(tmp_path / "weights")]
    assert main(["export", str(whole), *options]) == 0
    card = json.loads((tmp_path / "weights" / "ren2026_base.json").read_text())
    assert card["architecture"] == {"variant": "base", "latent_channels": 8}
    assert [point["step"] for point in card["curve"]] == [3, 6, 9, 12]
    codec = load_codec(
        "ren2026", latent_channels=8, weights=str(tmp_path / "weights" / "ren2026_base.safetensors")
    )
    mapper = bind(build_mapper({"name": "uniform_qam"}), codec)
    assert mapper.points(3).abs().square().mean().item() != pytest.approx(1.0, abs=1e-3)  # bound


def assert_same(one: Path, other: Path) -> None:
    first, second = state(one), state(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    best, again = (load_file(folder / "best.safetensors") for folder in (one, other))
    assert all(torch.equal(best[name], again[name]) for name in best.keys() | again.keys())


def test_a_killed_run_goes_on_exactly(whole: Path, inputs: Inputs, tmp_path: Path) -> None:
    """Killed after a random step of a random round; what was done is not done again."""
    number, step, seconds = random.randint(1, 2), random.randint(2, 6), random.uniform(1e-3, 5e-2)
    out = tmp_path / "out"
    program = [str(Path(prune_runs.__file__)), str(number), str(step), str(seconds)]
    process = subprocess.run(
        [sys.executable, *program, *arguments(*inputs, out)], check=False, capture_output=True
    )
    assert process.returncode == -signal.SIGPROF, process.stderr
    finished = {path: path.stat().st_mtime_ns for path in out.glob("round-1/*.pt") if number == 2}
    assert main(arguments(*inputs, out, "--resume")) == 0, (number, step, seconds)
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items())
    for name in ("", "round-1", "round-2"):
        assert_same(whole / name, out / name)


@pytest.mark.parametrize(("number", "step"), [(1, 3), (1, 6), (2, 1), (2, 6)])
def test_ctrl_c_keeps_what_was_done(
    number: int,
    step: int,
    whole: Path,
    inputs: Inputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also in a round's last step: the next one does not begin."""
    with monkeypatch.context() as patched:
        patched.setattr(
            _training, "_log", prune_runs.at(number, step, lambda: signal.raise_signal(signal.SIGINT))
        )
        code = main(arguments(*inputs, tmp_path))
    assert code == 130
    assert f"stopped at step {step} of round {number}; go on with --resume" in capsys.readouterr().out
    assert not (tmp_path / f"round-{number + 1}").exists()
    assert main(arguments(*inputs, tmp_path, "--resume")) == 0
    assert_same(whole, tmp_path)


def test_a_finished_run_resumes_to_nothing(whole: Path, inputs: Inputs) -> None:
    before = [(whole / name).read_bytes() for name in ("checkpoint.pt", "best.safetensors", "log.jsonl")]
    assert main(arguments(*inputs, whole, "--resume")) == 0
    after = [(whole / name).read_bytes() for name in ("checkpoint.pt", "best.safetensors", "log.jsonl")]
    assert before == after


def test_one_shot_is_one_round(inputs: Inputs, tmp_path: Path) -> None:
    assert main(arguments(*inputs, tmp_path, "--rounds", "1")) == 0
    assert [path.name for path in sorted(tmp_path.glob("round-*"))] == ["round-1"]
    assert read_run(tmp_path / "checkpoint.pt")[0].codec["latent_channels"] == 8


class TestRefusals:
    """Each in a sentence."""

    def refusal(self, start: Path | str, out: Path, made: Recipe | None = None, **options: object) -> str:
        with pytest.raises((TrainingError, WeightsError)) as caught:
            PruningRun(made or recipe(), str(start), out, **{"gamma": 0.5, "rounds": 2, **options})
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize("gamma", [0.0, 1.0, -0.5, 1.5, float("nan")])
    def test_gamma_out_of_range(self, inputs: Inputs, tmp_path: Path, gamma: float) -> None:
        said = self.refusal(inputs[1], tmp_path, gamma=gamma)
        assert said == f"gamma must lie between 0 and 1, both excluded (got {gamma:g})"

    def test_rounds_that_leave_or_take_no_channel(self, inputs: Inputs, tmp_path: Path) -> None:
        said = self.refusal(inputs[1], tmp_path, gamma=0.98)
        assert said == "gamma must leave at least one of 16 channels (got 0.98)"
        said = self.refusal(inputs[1], tmp_path, rounds=40)
        assert said == "each round must take at least one of 16 channels (got 40 rounds, gamma 0.5)"
        assert self.refusal(inputs[1], tmp_path, rounds=0) == "there must be at least one round (got 0)"

    def test_codecs_without_a_batch_norm(self, tmp_path: Path) -> None:
        dsc = parse_recipe({**prune_runs.TABLE, "codec": {"name": "dsc_jscc", "weights": "untrained"}})
        said = self.refusal("untrained", tmp_path, dsc)
        assert said == (
            "a codec must have a batch norm over its latent channels to be pruned (this one has none)"
        )
        own = parse_recipe({**prune_runs.TABLE, "codec": {"name": "training_codec:build"}})
        assert self.refusal("untrained", tmp_path, own) == (
            "codec training_codec:build must be one encoder and one decoder around a latent to be pruned "
            "(it is built otherwise)"
        )

    def test_weights_of_another_architecture(self, inputs: Inputs, tmp_path: Path) -> None:
        said = self.refusal(inputs[1], tmp_path, recipe(latent_channels=20))
        assert said.endswith("latent_channels = 20 (got latent_channels = 16)")
        assert "there is no file" in self.refusal(tmp_path / "none.safetensors", tmp_path)

    def test_folders(self, whole: Path, inputs: Inputs, tmp_path: Path) -> None:
        assert self.refusal(inputs[1], whole) == (
            f"{whole} holds a run already; add --resume to go on, or choose another --out"
        )
        said = self.refusal(inputs[1], tmp_path, resume=True)
        assert said.startswith("a run must hold a checkpoint to go on from (there is no ")
        said = self.refusal(inputs[1], whole, resume=True, gamma=0.25)
        assert said == "a run goes on with its own pruning: gamma must be 0.5 (got 0.25)"
        said = self.refusal(inputs[1], whole, resume=True, rounds=4)
        assert said == "a run goes on with its own pruning: rounds must be 2 (got 4)"
        other = base_codec(CHANNELS)
        path, made_for = tmp_path / "w.safetensors", {"variant": "base", "latent_channels": CHANNELS}
        prune_runs.save_weights(other.half().float(), path, "ren2026", made_for)
        said = self.refusal(path, whole, resume=True)
        assert said.startswith("a run goes on with its own pruning: start must be ")

    def test_another_recipe(self, whole: Path, inputs: Inputs) -> None:
        other = recipe().model_copy(update={"mapping": {"name": "uniform_qam"}})
        run = PruningRun(other, str(inputs[1]), whole, gamma=0.5, rounds=2, resume=True)
        with pytest.raises(TrainingError, match=r"own recipe: mapping.name must be analog_real"):
            list(run.unfinished())

    def test_the_command_says_it_in_one_line(
        self, inputs: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*arguments(*inputs, tmp_path), "--gamma", "1.5"]) == 2
        printed = capsys.readouterr().err
        assert printed.strip() == "error: gamma must lie between 0 and 1, both excluded (got 1.5)"
        assert not list(tmp_path.iterdir())


def test_a_folder_may_be_moved(whole: Path, inputs: Inputs, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    whole.rename(moved)
    try:
        made = load_recipe(inputs[0])
        run = PruningRun(made, str(inputs[1]), moved, gamma=0.5, rounds=2, resume=True)
        assert list(run.unfinished()) == []
    finally:
        moved.rename(whole)


def test_a_run_at_work_is_not_joined(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by pruning in the same folder, nor by training in a round's; and seconds add up."""
    codes = []

    def others() -> None:
        codes.append(main(arguments(*inputs, tmp_path, "--resume")))
        train = ["train", str(inputs[0]), "--data", str(inputs[2]), "--accelerator", "cpu", "--resume"]
        codes.extend(main([*train, "--out", str(folder)]) for folder in (tmp_path, tmp_path / "round-1"))

    with monkeypatch.context() as patched:
        patched.setattr(_training, "_log", prune_runs.at(1, 4, others))
        assert main(arguments(*inputs, tmp_path)) == 0
    assert codes == [2, 2, 2]
    assert capsys.readouterr().err.count("a folder must hold one run at a time") == 3
    seconds = [json.loads(line)["seconds"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(seconds) == 12
    assert seconds == sorted(seconds)
