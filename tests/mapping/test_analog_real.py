import pytest
import torch
from payload_examples import noisy, seeded

from sdrjscc.mapping.analog_real import AnalogReal
from sdrjscc.mapping.base import bind, build_mapper

SYMBOLS = 200_000


class Codec:
    """A sigmoid's latent of mean power 0.26."""

    mapper_tables = {"scale": torch.tensor(0.26**-0.5), "mean": torch.tensor(0.45)}


def test_a_symbol_is_the_scaled_value_and_real():
    mapper = AnalogReal(torch.tensor(2.0), torch.tensor(0.5))
    sent = mapper.map(torch.tensor([[[0.25], [1.0]]]))
    assert torch.equal(sent, torch.tensor([[0.5 + 0.0j, 2.0 + 0.0j]]))


def test_division_and_lmmse_by_hand():
    """scale 2, mean 0.3: latent variance 1/4 - 0.09 = 0.16; noise in the latent 0.64/2/4 = 0.08."""
    scale, mean = torch.tensor(2.0), torch.tensor(0.3)
    symbols, noise_var = torch.tensor([[1.0 + 5.0j]]), torch.tensor([[0.64]])
    assert AnalogReal(scale, mean).demap(symbols, noise_var).item() == pytest.approx(0.5)
    lmmse = AnalogReal(scale, mean, lmmse=True).demap(symbols, noise_var).item()
    assert lmmse == pytest.approx(0.3 + 0.16 / 0.24 * 0.2)


@pytest.mark.parametrize("demap", ["division", "lmmse"])
def test_a_lost_value_is_the_latents_mean(demap):
    mapper = bind(build_mapper({"name": "analog_real", "demap": demap}), Codec())
    symbols, lost = torch.full((1, 1), complex("nan")), torch.full((1, 1), torch.inf)
    assert mapper.demap(symbols, lost).item() == pytest.approx(0.45)


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_error_is_that_of_theory(snr_db):
    """Uniform latent, variance v = 1/12; noise in it n = noise_var / 2 / 3: n, or v n / (v + n)."""
    latent = torch.rand(1, SYMBOLS, 1, generator=seeded())
    n, v = 10.0 ** (-snr_db / 10.0) / 6.0, 1.0 / 12.0
    for demap, expected in (("division", n), ("lmmse", v * n / (v + n))):
        mapper = build_mapper({"name": "analog_real", "demap": demap})
        error = (mapper.demap(*noisy(snr_db, 1)(mapper.map(latent))) - latent).square()
        # A square's mean has relative deviation at most sqrt(2 / n) for noise no wilder than normal.
        assert error.mean().item() == pytest.approx(expected, rel=5 * (2.0 / SYMBOLS) ** 0.5)


def test_nothing_is_normalised_per_transmission():
    mapper = bind(build_mapper({"name": "analog_real"}), Codec())
    quiet, loud = torch.full((1, 8, 1), 0.1), torch.full((1, 8, 1), 0.9)
    assert mapper.map(loud).real.mean() / mapper.map(quiet).real.mean() == pytest.approx(9.0)


def test_gradients_of_map_are_those_of_finite_differences():
    payload = torch.rand(2, 5, 1, dtype=torch.float64, generator=seeded(), requires_grad=True)
    scale = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    mean = torch.tensor(0.4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p, s: AnalogReal(s, mean).map(p).real, (payload, scale))
