"""Training in several modulation orders, with loss terms, in parts and from given weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_runs import recipe, state, trainer

from sdrjscc.channel.awgn import Awgn
from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import TrainingError, WeightsError
from sdrjscc.mapping.base import build_mapper
from sdrjscc.training.objective import Objective, enter
from sdrjscc.training.recipe import Phase, Recipe
from sdrjscc.training.schedule import learning_rate, schedule
from sdrjscc.training.validate import validation_batches, validation_mode

CODED = {"name": "training_codec:build_coded"}
VQ = {"name": "vq", "orders": [2, 4], "dimensions": [2, 2]}
TERMS = {"codebook": 1.0, "commitment": 0.25}


def coded(**changes: Any) -> Recipe:
    phases = [{"steps": 4, "crop": 16, "batch": 2, "modes": [0, 1]}]
    return recipe(**{"codec": CODED, "mapping": VQ, "terms": TERMS, "run_phases": phases, **changes})


class Recorder(Awgn):
    """Remembers the SNRs asked for; sends without noise."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def apply(self, symbols: Tensor, snr_db: Any, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        self.asked.append(snr_db)
        return symbols, torch.zeros(symbols.shape)


def loss(made: Recipe, modes: tuple[int, ...], channel: Any | None = None) -> Tensor:
    network = load_codec("training_codec:build_coded")
    objective = Objective(network, build_mapper(made.mapping), channel or Recorder(), made)  # type: ignore[arg-type]
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    total: Tensor = objective(images, modes, torch.Generator().manual_seed(2))
    return total


def test_losses_of_modes_add_up() -> None:
    both = loss(coded(), (0, 1))
    torch.testing.assert_close(both, loss(coded(), (0,)) + loss(coded(), (1,)))
    assert not torch.isclose(loss(coded(), (0,)), loss(coded(), (1,)))


@pytest.mark.parametrize("variant", ["me1", "deepjscc-q-me1", "ujscc", "ujscc-shared-bn", "te"])
def test_modes_that_are_encoded_alike_are_encoded_once_with_the_same_gradients(variant: str) -> None:
    name = "learned" if "q" in variant else "vq"
    made = coded(
        codec={"name": "ujscc", "variant": variant, "weights": "untrained"},
        mapping={"name": name},
        terms={},
    )
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    losses, gradients, encodings = [], [], []
    for together in (True, False):
        network = load_codec("ujscc", variant, weights="untrained").train()
        if not together:
            network.encodings = (0, 1, 2, 3, 4)
        network.encode = _counting(network.encode, encodings)
        objective = Objective(network, build_mapper(made.mapping), Recorder(), made)  # type: ignore[arg-type]
        total = objective(images, (0, 1, 2, 3, 4), torch.Generator().manual_seed(2))
        total.backward()
        losses.append(total.detach())
        gradients.append(torch.cat([weights.grad.flatten() for weights in network.networks.parameters()]))
    alike = variant in {"me1", "deepjscc-q-me1"}
    assert encodings == ([0] if alike else [0, 1, 2, 3, 4]) + [0, 1, 2, 3, 4]
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def _counting(encode: Any, modes: list[int]) -> Any:
    def counted(images: Tensor, plan: Any) -> Tensor:
        modes.append(plan.mode)
        return encode(images, plan)  # type: ignore[no-any-return]

    return counted


def test_terms_are_weighted_once_a_mode_and_the_codecs_once_a_step() -> None:
    plain = loss(coded(terms={}), (0, 1))
    with_codebook = loss(coded(terms={"codebook": 2.0}), (0, 1))
    doubled = loss(coded(terms={"codebook": 4.0}), (0, 1))
    assert with_codebook > plain
    torch.testing.assert_close(doubled - plain, 2 * (with_codebook - plain))
    sparse = loss(coded(terms={"sparsity": 0.5}), (0, 1))
    torch.testing.assert_close(sparse - plain, torch.tensor(0.5 * 2.0), msg="two scales of 1")


def test_an_unknown_term_is_named() -> None:
    with pytest.raises(TrainingError) as caught:
        loss(coded(terms={"entropy": 1.0}), (0,))
    assert str(caught.value) == (
        "terms must be given by codec or mapping (these give codebook, commitment, sparsity; got entropy)"
    )


def test_each_mode_draws_its_snr_in_its_own_range() -> None:
    channel = Recorder()
    made = coded(run_snr_by_mode=True, run_snr_db=(-5, 30))
    for _ in range(40):
        loss(made, (0, 1), channel)
    loss(coded(run_snr_db=(7, 7.5)), (1,), channel)
    low, high = torch.cat(channel.asked[0:80:2]), torch.cat(channel.asked[1:80:2])
    assert -5 <= low.min() <= low.max() <= 4.2556 <= high.min() <= high.max() <= 30
    assert 7 <= channel.asked[-1].min() <= channel.asked[-1].max() <= 7.5


def test_only_the_chosen_parts_move(pictures: Path, tmp_path: Path) -> None:
    phases = [{"steps": 3, "crop": 16, "batch": 2, "modes": [1], "only": ["codebooks.*"]}]
    one = trainer(pictures, tmp_path, coded(run_phases=phases))
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    list(one.run())
    after = one.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {"codebooks.1"}, "neither statistics nor the other mode's codebook"


def test_without_a_choice_all_parts_are_trained() -> None:
    network = load_codec("training_codec:build_coded")
    assert isinstance(network, torch.nn.Module)
    enter(Phase(steps=1), network)
    assert all(parameter.requires_grad for parameter in network.parameters())


def stages() -> Iterator[dict[str, Any]]:
    yield {"steps": 4, "crop": 16, "batch": 2, "modes": [1]}
    yield {"steps": 5, "crop": 16, "batch": 2, "modes": [0], "only": ["codebooks.0"], "restart": True}
    yield {"steps": 3, "crop": 16, "batch": 2, "modes": [0], "only": ["codebooks.0"]}


def test_a_phase_may_restart_the_schedule() -> None:
    made = coded(run_phases=list(stages()))
    rates = [learning_rate(made.optimizer, made.run, step) for step in range(12)]
    assert rates[:4] == [schedule(made.optimizer, step, 4) for step in range(4)]
    assert rates[4:] == [schedule(made.optimizer, step, 8) for step in range(8)]


@pytest.mark.parametrize("step", [3, 4, 6])
def test_two_stages_go_on_exactly(pictures: Path, tmp_path: Path, step: int) -> None:
    made = coded(run_phases=list(stages()))
    list(trainer(pictures, tmp_path / "whole", made).run())
    one = trainer(pictures, tmp_path / "cut", made)
    list(one.run(lambda: one.step >= step))
    list(trainer(pictures, tmp_path / "cut", made, resume=True).run())
    first, second = state(tmp_path / "whole"), state(tmp_path / "cut")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_run_starts_from_given_weights(pictures: Path, tmp_path: Path) -> None:
    list(trainer(pictures, tmp_path / "first").run())
    best = tmp_path / "first" / "best.safetensors"
    one = trainer(pictures, tmp_path / "second", recipe(start=str(best)))
    given = load_codec("dsc_jscc", "60-E2D2", weights=str(best))
    assert isinstance(given, torch.nn.Module)
    for name, value in given.state_dict().items():
        assert torch.equal(value, one.network.state_dict()[name])
    other = recipe(start=str(best), codec={"name": "dsc_jscc", "variant": "80", "weights": "untrained"})
    with pytest.raises(WeightsError, match="must be made for dsc_jscc, variant = '80'"):
        trainer(pictures, tmp_path / "third", other)


def test_validation_takes_the_mode_that_the_snr_asks_for_among_those_trained() -> None:
    mapper, codec = build_mapper(VQ), load_codec("training_codec:build_coded")
    by_snr = coded(run_snr_by_mode=True).run
    assert [validation_mode(mapper, codec, by_snr, snr_db) for snr_db in (0.0, 4.2, 4.3, 20.0)] == [
        0,
        0,
        1,
        1,
    ]
    second = {"run_phases": [{"steps": 4, "crop": 16, "batch": 2, "modes": [1]}]}
    assert validation_mode(mapper, codec, coded(run_snr_by_mode=True, **second).run, 0.0) == 1
    assert validation_mode(mapper, codec, coded(**second).run, 0.0) == 1


def test_validation_pictures_of_one_size_share_a_batch(pictures: Path) -> None:
    paths = sorted(pictures.iterdir())
    (batch,) = validation_batches(paths, 4)
    assert batch.shape == (24, 3, 40, 48)


@pytest.mark.parametrize("modes", [[0, 7], [-1], [1, 1]])
def test_modes_are_checked_at_the_start(pictures: Path, tmp_path: Path, modes: list[int]) -> None:
    phases = [{"steps": 4, "crop": 16, "batch": 2, "modes": modes}]
    with pytest.raises(TrainingError, match=r"different ones of mapping vq \(0: 2, 1: 4; got \["):
        trainer(pictures, tmp_path, coded(run_phases=phases, run_snr_by_mode=True))
    analog = recipe(run_phases=[{"steps": 4, "crop": 16, "batch": 2, "modes": [1]}])
    with pytest.raises(TrainingError, match=r"mapping analog \(0: analog; got \[1\]\)"):
        trainer(pictures, tmp_path, analog)
