"""What the spreading is for: one noise variance a block, and a lower peak of constellations."""

import math

import pytest
import torch

from sdrjscc.waveform.base import PAYLOAD_START
from sdrjscc.waveform.dft_spread import Config, build
from sdrjscc.waveform.ofdm import Config as PlainConfig
from sdrjscc.waveform.ofdm import build as build_plain

SMALL = Config(payload_ofdm_symbols=2)


def gaussian(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def spread_cells(wave, payload):
    sent = wave.modulate(torch.ones(len(payload), 1000, dtype=torch.complex64), payload)
    return wave.payload.data_of(wave.payload.demodulate(sent[:, PAYLOAD_START:]))


def test_cells_carry_the_transform_as_its_sum_is_written():
    """X[i] = sum of r[n] x[n] exp(-2j pi (i - 100) n / 200) / sqrt(200), i counting data cells from below.

    r[n] is 1 for even n and j for odd n.
    """
    payload = gaussian(1, 400)
    n, i = torch.arange(200).double(), torch.arange(-100, 100).double()
    matrix = torch.exp(-2j * math.pi * i[:, None] * n / 200) / math.sqrt(200)
    matrix[:, 1::2] *= 1j
    expected = payload.reshape(1, 2, 200).to(torch.complex128) @ matrix.T
    assert torch.allclose(spread_cells(build(SMALL), payload), expected.to(torch.complex64), atol=2e-5)


def test_variance_of_a_block_is_the_hand_worked_one():
    """Half of the cells with variance 1, half with 3: amplitude (1/2 + 1/4) / 2 = 3/8, variance 5/3."""
    noise_var = torch.tensor([1.0, 3.0]).repeat(1, 2, 100)
    noise_var[0, 1] = 0.5
    _, variance = build(SMALL).collect(torch.zeros(1, 2, 200, dtype=torch.complex64), noise_var)
    assert torch.allclose(variance[0, :200], torch.tensor(5 / 3))
    assert torch.allclose(variance[0, 200:], torch.tensor(0.5))


@pytest.mark.parametrize("noise_var", [1e-6, 1e6])
def test_variance_is_exact_at_both_ends_of_the_scale(noise_var):
    cells = torch.zeros(1, 2, 200, dtype=torch.complex64)
    _, variance = build(SMALL).collect(cells, torch.full((1, 2, 200), noise_var))
    assert torch.allclose(variance, torch.tensor(noise_var), rtol=1e-5)


def test_over_a_faded_channel_the_error_is_unbiased_nearly_white_and_as_large_as_it_says():
    """4,000 blocks of Gaussian symbols; every 50th cell is lost as well."""
    wave, count = build(SMALL), 2000
    payload = gaussian(count, 400)
    fade = 1.0 + 0.9 * torch.cos(2 * math.pi * torch.arange(200) / 67)
    noise_var = (0.05 / fade.square()).expand(count, 2, -1).clone()
    cells = spread_cells(wave, payload) + noise_var.sqrt() * gaussian(count, 2, 200, seed=1)
    noise_var[..., ::50] = torch.inf
    cells[..., ::50] = 0.0
    symbols, variance = wave.collect(cells, noise_var)
    error = (symbols - payload).reshape(-1, 200)
    assert variance.unique().numel() == 1
    # 800,000 errors: 0.1 % of standard deviation
    assert float(error.abs().square().mean()) == pytest.approx(float(variance[0, 0]), rel=0.005)
    gain = (payload.conj() * symbols).sum() / payload.abs().square().sum()
    assert abs(complex(gain) - 1.0) < 0.003
    power = error.abs().square().mean(0) / float(variance[0, 0])
    assert float((power - 1.0).abs().max()) < 5 / math.sqrt(len(error))
    neighbours = (error[:, 1:] * error[:, :-1].conj()).mean() / float(variance[0, 0])
    assert abs(complex(neighbours)) < 0.05


def test_linear_mmse_error_of_the_symbols_is_the_mean_of_that_of_their_cells():
    noise_var = torch.rand(1, 2, 200, generator=torch.Generator().manual_seed(2)) * 3 + 0.01
    _, variance = build(SMALL).collect(torch.zeros(1, 2, 200, dtype=torch.complex64), noise_var)
    per_block = variance.reshape(2, 200)[:, 0]
    assert torch.allclose(per_block / (1 + per_block), (noise_var / (1 + noise_var))[0].mean(-1))


def test_qpsk_has_a_lower_peak_than_in_ofdm():
    generator = torch.Generator().manual_seed(3)
    wave, plain = build(Config(payload_ofdm_symbols=50)), build_plain(PlainConfig(payload_ofdm_symbols=50))
    bits = torch.randint(0, 2, (2, 20, wave.payload_symbols), generator=generator) * 2.0 - 1.0
    payload = torch.complex(*bits) * 0.5**0.5
    header = torch.ones(20, 1000, dtype=torch.complex64)
    peaks = []
    for one in (wave, plain):
        blocks = one.modulate(header, payload)[:, PAYLOAD_START:].reshape(-1, 272)
        peaks.append(torch.quantile(blocks.abs().square().amax(-1), 0.99))
    assert 10 * math.log10(float(peaks[1] / peaks[0])) > 1.0


def test_real_symbols_give_samples_without_a_mean_square():
    """Else their samples look as a mixer's IQ image does; 32,000 samples, 0.006 of deviation."""
    wave = build(Config(payload_ofdm_symbols=50))
    payload = gaussian(3, wave.payload_symbols).real * math.sqrt(2) + 0j
    samples = wave.modulate(torch.ones(3, 1000, dtype=torch.complex64), payload)[:, PAYLOAD_START:]
    assert abs(complex(samples.square().mean())) < 0.02
