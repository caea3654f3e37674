"""The assignment's cost, its optimum where all orders can be tried, and its error rates."""

import itertools
import math

import pytest
import torch
from payload_examples import noisy, seeded

from sdrjscc.mapping._assignment import (
    _along_principal_axes,
    _changes,
    assign,
    detection_noise_var,
    distortion,
    transition,
)
from sdrjscc.mapping._constellation import constellation


@pytest.mark.parametrize(("order", "boundary_db"), [(4, 4.3), (16, 12.2), (64, 18.8), (256, 25.0)])
def test_the_noise_of_one_wrong_in_ten_is_the_papers_boundary(order, boundary_db):
    assert -10.0 * math.log10(detection_noise_var(order, 0.1)) == pytest.approx(boundary_db, abs=0.06)


@pytest.mark.parametrize("order", [2, 4, 16, 64, 256, 1024])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
def test_transitions_have_the_error_rate_asked_for(order, rate):
    matrix = transition(constellation(order, "snake"), detection_noise_var(order, rate))
    torch.testing.assert_close(matrix.sum(-1), torch.ones(order, dtype=torch.float64))
    assert 1.0 - matrix.diagonal().mean().item() == pytest.approx(rate, rel=1e-9)


def test_transitions_are_those_of_hard_decisions():
    chosen, symbols = constellation(16, "snake"), 40_000
    matrix = transition(chosen, 10.0**-0.8)
    sent = torch.full((symbols,), 6)
    decided = chosen.hard(*noisy(8.0)(chosen.at(sent, torch.complex64)))
    measured = decided.bincount(minlength=16) / symbols
    deviation = (matrix[6] * (1 - matrix[6]) / symbols).sqrt()
    assert ((measured - matrix[6]).abs() < 5 * deviation + 1e-9).all()


def test_the_best_of_all_orders_is_found():
    chosen = constellation(4, "snake")
    matrix = transition(chosen, 0.4)
    for seed in range(10):
        codebook = torch.randn(4, 3, generator=seeded(seed))
        order = assign(codebook, matrix, chosen.lookup, seeded())
        best = min(distortion(codebook[list(one)], matrix) for one in itertools.permutations(range(4)))
        assert distortion(codebook[order], matrix) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(("order", "dimension"), [(2, 2), (16, 8), (16, 1), (64, 12)])
def test_no_swap_makes_it_better_and_it_is_never_worse(order, dimension):
    chosen = constellation(order, "snake")
    matrix = transition(chosen, detection_noise_var(order, 0.1))
    codebook = torch.randn(order, dimension, dtype=torch.float64, generator=seeded())
    found = assign(codebook, matrix, chosen.lookup, seeded(1))
    assert found.sort().values.tolist() == list(range(order))
    cost = distortion(codebook[found], matrix)
    assert cost <= distortion(codebook, matrix) * (1 + 1e-9)
    for one, other in list(itertools.combinations(range(order), 2))[:500]:
        swapped = found.clone()
        swapped[[one, other]] = found[[other, one]]
        assert distortion(codebook[swapped], matrix) >= cost * (1 - 1e-6)


def test_codewords_of_a_plane_find_their_places():
    """The constellation itself, shuffled, comes back as good as it was."""
    chosen = constellation(64, "snake")
    matrix = transition(chosen, detection_noise_var(64, 0.1))
    plane = torch.view_as_real(chosen.points)
    shuffled = plane[torch.randperm(64, generator=seeded(2))]
    order = assign(shuffled, matrix, chosen.lookup, seeded())
    assert distortion(shuffled[order], matrix) <= 1.05 * distortion(plane, matrix)


def test_the_change_by_a_swap_is_the_difference_of_the_costs():
    chosen = constellation(16, "snake")
    matrix = transition(chosen, 0.2)
    codebook = torch.randn(16, 3, dtype=torch.float64, generator=seeded())
    distances = (codebook[:, None] - codebook).square().sum(-1)
    change = _changes((matrix + matrix.T) / 2, distances)
    for one, other in itertools.combinations(range(16), 2):
        swapped = codebook.clone()
        swapped[[one, other]] = codebook[[other, one]]
        difference = distortion(swapped, matrix) - distortion(codebook, matrix)
        assert 2 * change[one, other].item() / 16 == pytest.approx(difference, abs=1e-12)


def test_codebooks_without_a_best_order_end_the_search():
    chosen = constellation(16, "snake")
    matrix = transition(chosen, 0.2)
    for codebook in (torch.zeros(16, 3), torch.ones(16, 1)):
        assert sorted(assign(codebook, matrix, chosen.lookup, seeded()).tolist()) == list(range(16))


def test_a_stretched_plane_is_put_back_along_its_axes():
    """Twice as high as wide: rows along the first axis, and nothing left for swaps to mend."""
    chosen = constellation(64, "snake")
    matrix = transition(chosen, detection_noise_var(64, 0.1))
    plane = torch.view_as_real(chosen.points) * torch.tensor([1.0, 2.0])
    shuffled = plane[torch.randperm(64, generator=seeded(2))]
    placed = shuffled[_along_principal_axes(shuffled, chosen.lookup)]
    assert distortion(placed, matrix) == pytest.approx(distortion(plane, matrix), rel=1e-9)
