import pytest
import torch

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
