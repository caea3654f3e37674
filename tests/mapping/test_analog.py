import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.errors import ConfigError
from sdrjscc.mapping.analog import Analog
from sdrjscc.mapping.base import build_mapper

SYMBOLS = 200_000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_i_and_q_are_the_pairs():
    payload = torch.tensor([[[1.0, 0.0], [0.0, -1.0]]])
    assert torch.equal(Analog().map(payload), torch.tensor([[1.0 + 0.0j, -1.0j]]))


def test_lmmse_and_identity_by_hand():
    symbols, noise_var = torch.tensor([[2.0 - 1.0j]]), torch.tensor([[1.0]])
    assert torch.equal(Analog().demap(symbols, noise_var), torch.tensor([[[1.0, -0.5]]]))
    assert torch.equal(Analog(lmmse=False).demap(symbols, noise_var), torch.tensor([[[2.0, -1.0]]]))


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 10.0])
def test_lmmse_error_is_that_of_theory(snr_db):
    """Error per complex symbol: noise_var / (1 + noise_var), against noise_var without it."""
    sent = torch.randn(1, SYMBOLS, 2, generator=seeded())
    symbols = Analog().map(sent)
    received, noise_var = Awgn(AwgnConfig()).apply(symbols, snr_db, seeded(1))
    truth = torch.view_as_real(symbols)
    variance = 10.0 ** (-snr_db / 10.0)
    expected = {True: variance / (1.0 + variance), False: variance}
    for lmmse, error in expected.items():
        estimate = Analog(lmmse=lmmse).demap(received, noise_var)
        measured = (estimate - truth).square().sum(-1).mean()
        # |error|^2 is exponential: the mean of n has standard deviation error / sqrt(n); 5 of them
        assert measured == pytest.approx(error, rel=5.0 / SYMBOLS**0.5)


def test_an_all_zero_payload_stays_zero():
    assert torch.equal(Analog().map(torch.zeros(2, 3, 2)), torch.zeros(2, 3, dtype=torch.complex64))


@pytest.mark.parametrize(("shape", "mode"), [((1, 4, 1), 0), ((1, 4, 2), 1), ((1, 4, 3), 0)])
def test_pairs_in_mode_0_are_required(shape, mode):
    with pytest.raises(ConfigError, match=r"must get I/Q pairs in mode 0 \(got shape"):
        Analog().map(torch.zeros(shape), mode)


def test_the_option_reaches_the_mapper():
    symbols, noise_var = torch.ones(1, 1, dtype=torch.complex64), torch.ones(1, 1)
    for option, expected in {"lmmse": 0.5, "identity": 1.0}.items():
        mapper = build_mapper({"name": "analog", "demap": option})
        assert mapper.demap(symbols, noise_var)[0, 0, 0] == expected
    with pytest.raises(ConfigError, match=r"mapping\.demap: .*'lmmse' or 'identity' \(got 'mmse'\)"):
        build_mapper({"name": "analog", "demap": "mmse"})


def latent(batch, symbols, seed=0):
    """Payloads of very different power each."""
    scale = 10.0 ** torch.linspace(-3.0, 3.0, batch).reshape(-1, 1, 1)
    return scale * torch.randn(batch, symbols, 2, generator=seeded(seed))


@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_every_transmission_has_unit_mean_power(batch, symbols, seed):
    power = Analog().map(latent(batch, symbols, seed)).abs().square().mean(-1)
    torch.testing.assert_close(power, torch.ones(batch), rtol=1e-5, atol=0.0)


def test_power_is_normalised_over_the_transmission_not_its_parts():
    payload = torch.ones(1, 200, 2)
    payload[:, 100:] *= 3.0
    mapped = Analog().map(payload).abs().square()
    assert mapped[0, -1] / mapped[0, 0] == pytest.approx(9.0, rel=1e-5)


def test_without_noise_demap_undoes_map_up_to_power():
    payload = latent(3, 50)
    back = Analog().demap(Analog().map(payload), torch.zeros(3, 50))
    power = payload.square().sum(-1).mean(-1).reshape(-1, 1, 1)
    torch.testing.assert_close(back, payload / power.sqrt(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lmmse", [True, False])
def test_a_lost_symbol_is_exactly_zero(lmmse):
    symbols = torch.tensor([[complex("nan"), 1.0, 3.0j]], dtype=torch.complex64)
    back = Analog(lmmse=lmmse).demap(symbols, torch.tensor([[torch.inf, 0.25, torch.inf]]))
    assert torch.equal(back[0, [0, 2]], torch.zeros(2, 2))


def test_gradients_of_map_are_those_of_finite_differences():
    payload = torch.randn(2, 5, 2, dtype=torch.float64, generator=seeded(), requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: torch.view_as_real(Analog().map(p)), payload)
