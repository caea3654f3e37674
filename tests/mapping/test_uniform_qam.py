import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_examples import noisy, seeded

from sdrjscc.mapping._constellation import constellation
from sdrjscc.mapping.base import build_mapper, transmit

ORDERS = (4, 16, 64, 256)
SYMBOLS = 20_000


def uniform(**options):
    return build_mapper({"name": "uniform_qam", **options})


@pytest.mark.parametrize("points", ["natural", "snake"])
def test_cells_by_hand(points):
    """Four cells: [0, 1/4) is point 0, and so on; what lies outside (0, 1) is clamped."""
    latent = torch.tensor([-1e30, 0.0, 0.2499, 0.25, 0.5, 0.7499, 0.75, 0.9999, 1.0, 1e30])
    sent = uniform(points=points).map(latent.reshape(1, -1, 1))
    index = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
    assert torch.equal(sent[0], constellation(4, points).points.to(torch.complex64)[index])


@given(st.integers(0, 3), st.floats(0.0, 1.0), st.sampled_from(["natural", "snake"]))
@settings(max_examples=60, deadline=None)
def test_without_noise_the_error_is_the_quantisers(mode, value, points):
    order, latent = ORDERS[mode], torch.tensor([[[value]]])
    none = torch.zeros(1, 1)
    ours, paper = (uniform(points=points, demap=demap) for demap in ("posterior_mean", "paper"))
    symbols = ours.map(latent, mode)
    assert abs(ours.demap(symbols, none, mode).item() - value) <= 0.5 / order + 1e-6
    assert paper.demap(symbols, none, mode).item() == min(int(latent.item() * order), order - 1) / order


@pytest.mark.parametrize("demap", ["posterior_mean", "paper"])
def test_a_lost_symbol_is_exactly_one_half(demap):
    for mode in range(4):
        symbols, lost = torch.full((1, 1), complex("nan")), torch.full((1, 1), torch.inf)
        assert uniform(demap=demap).demap(symbols, lost, mode).item() == 0.5


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("snr_db", [1.0, 10.0, 20.0])
def test_the_posterior_mean_is_the_conditional_mean(mode, snr_db):
    """Its error is orthogonal to it, and it beats the paper's estimate of the same symbols."""
    latent = torch.rand(1, SYMBOLS, 1, dtype=torch.float64, generator=seeded())
    estimates = {}
    for demap in ("posterior_mean", "paper"):
        mapper = uniform(demap=demap)
        estimates[demap] = mapper.demap(*noisy(snr_db, 1)(mapper.map(latent, mode)), mode)
    ours, paper = estimates["posterior_mean"], estimates["paper"]
    product = (latent - ours) * (ours - 0.5)
    assert abs(product.mean().item()) < 5 * product.std().item() / SYMBOLS**0.5
    gain = (latent - paper).square() - (latent - ours).square()
    assert gain.mean().item() > 5 * gain.std().item() / SYMBOLS**0.5


def test_a_wrong_row_costs_less_in_natural_order():
    """Squared index errors between vertical neighbours: sqrt(M)^2 against the mean of odd squares."""
    for order in (16, 64, 256):
        side = int(order**0.5)
        for points, expected in (("natural", side**2), ("snake", (4 * side**2 - 1) / 3)):
            place = constellation(order, points).lookup
            assert (place[1:] - place[:-1]).double().square().mean().item() == pytest.approx(expected)


def test_natural_order_is_the_better_one_through_noise():
    """At 18 dB with 256 points: 1.2 dB by theory."""
    latent = torch.rand(1, SYMBOLS, 1, generator=seeded())
    error = {}
    for points in ("natural", "snake"):
        mapper = uniform(points=points)
        estimate = mapper.demap(*noisy(18.0, 1)(mapper.map(latent, 3)), 3)
        error[points] = (estimate - latent).square().mean().item()
    assert error["snake"] > 1.15 * error["natural"]


def test_the_gradient_is_that_of_the_surrogate():
    """The payload plus a constant, whatever quantiser, noise and receiver did."""
    payload = torch.rand(2, 30, 1, dtype=torch.float64, generator=seeded(), requires_grad=True)
    weights = torch.randn(2, 30, 1, dtype=torch.float64, generator=seeded(1))
    for demap in ("posterior_mean", "paper"):
        passed = transmit(uniform(demap=demap), payload, noisy(10.0), 2)
        assert passed.payload_hat.dtype == torch.float64
        (gradient,) = torch.autograd.grad((passed.payload_hat * weights).sum(), payload)
        assert torch.equal(gradient, weights)
