"""Muon: equal steps in every direction, Adam for what is no matrix, exact resume."""

from pathlib import Path

import pytest
import torch
from torch import nn
from training_runs import recipe, state, trainer

from sdrjscc.training.muon import Muon, equalised, layer_weights


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 3, 5, 5), (12, 32, 2, 2)])
def test_singular_values_become_equal(shape: tuple[int, ...]) -> None:
    """Powers that differ by a million before end within a factor of two of each other."""
    rows = drawn(*shape).flatten(1)
    u, _, v = torch.linalg.svd(rows, full_matrices=False)
    spread = u @ torch.diag(torch.logspace(0, -3, min(rows.shape))) @ v
    step = equalised(spread.reshape(shape))
    values = torch.linalg.svdvals(step.flatten(1)) / max(rows.shape) ** 0.5
    assert 0.3 < values.min() <= values.max() < 1.3
    assert step.square().mean().sqrt() == pytest.approx(1.0, abs=0.35)
    assert torch.allclose(equalised(1e-6 * spread.reshape(shape)), step, atol=1e-2), "size does not matter"
    aligned = (torch.linalg.svd(step.flatten(1), full_matrices=False)[0] * u).sum()
    assert aligned.isfinite()


def test_each_depthwise_filter_moves_alike() -> None:
    gradient = drawn(6, 1, 5, 5) * torch.logspace(0, -5, 6).reshape(6, 1, 1, 1)
    step = equalised(gradient)
    torch.testing.assert_close(step.square().mean((1, 2, 3)), torch.ones(6))
    torch.testing.assert_close(step[3] / step[3].norm(), gradient[3] / gradient[3].norm())
    assert torch.equal(equalised(torch.zeros(4, 1, 3, 3)), torch.zeros(4, 1, 3, 3))
    assert torch.equal(equalised(torch.zeros(4, 9)), torch.zeros(4, 9))


def test_layers_go_by_muon_and_the_rest_by_adam() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 3, 3), nn.Linear(5, 2)
    )
    network.register_parameter("codebook", nn.Parameter(drawn(4, 2)))
    names = {name for name, weights in network.named_parameters() if weights in layer_weights(network)}
    assert names == {"0.weight", "2.weight", "3.weight"}


def test_vectors_move_as_in_torchs_adam() -> None:
    ours, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    muon = Muon([{"params": [ours], "matrix": False}], lr=0.1, weight_decay=0.01)
    adam = torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.01)
    for step in range(20):
        ours.grad = theirs.grad = drawn(7) + 0.1 * step
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_a_stopped_run_goes_on_exactly(pictures: Path, tmp_path: Path) -> None:
    made = recipe(optimizer_name="muon", optimizer_relative=True)
    list(trainer(pictures, tmp_path / "whole", made).run())
    one = trainer(pictures, tmp_path / "cut", made)
    list(one.run(lambda: one.step >= 37))
    list(trainer(pictures, tmp_path / "cut", made, resume=True).run())
    first, second = state(tmp_path / "whole"), state(tmp_path / "cut")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
