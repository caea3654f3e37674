"""Noise: ask for a ratio, measure it; on samples over the occupied band, on symbols per symbol."""

import math

import pytest
import torch

from sdrjscc.channel import awgn
from sdrjscc.channel._noise import Noise, mean_active_power, noise_variance
from sdrjscc.errors import ConfigError, SignalError


def carrier_snr_db(sent, received, carriers):
    """SNR per active carrier, as a receiver with 256-point unitary FFTs sees it."""
    grid, noisy = (torch.fft.fft(x.reshape(-1, 256), norm="ortho")[:, carriers] for x in (sent, received))
    return 10 * math.log10(float(grid.abs().square().mean() / (noisy - grid).abs().square().mean()))


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 25.0])
def test_ten_db_are_ten_db_on_every_carrier(ofdm, generator, snr_db):
    """208,000 carriers: the estimate scatters by 4.34 / sqrt(208000) = 0.01 dB."""
    samples, carriers = ofdm
    channel = awgn.build(awgn.Config(snr_db=snr_db))
    result = channel.realise(
        samples, sample_rate_hz=1e6, occupied_bandwidth_hz=1e6 * 208 / 256, generator=generator
    )
    assert carrier_snr_db(samples, result.samples, carriers) == pytest.approx(snr_db, abs=0.05)
    assert result.signal_power == pytest.approx(208 / 256, rel=1e-5)
    assert result.noise_var == pytest.approx(10 ** (-snr_db / 10), rel=1e-5)


def test_silence_does_not_dilute_the_signal(ofdm, generator):
    samples, _ = ofdm
    gaps = torch.nn.functional.pad(samples, (300_000, 100_000))
    assert mean_active_power(gaps) == pytest.approx(mean_active_power(samples), rel=1e-6)
    assert mean_active_power(torch.zeros(2, 5, dtype=torch.complex64)) == 0.0


def test_noise_floor_can_be_held_through_silence(generator):
    channel = awgn.build(awgn.Config(snr_db=0.0, antennas=2))
    result = channel.realise(
        torch.zeros(1, 100_000, dtype=torch.complex64),
        sample_rate_hz=2.0,
        occupied_bandwidth_hz=1.0,
        generator=generator,
        signal_power=0.5,
    )
    assert float(result.samples.abs().square().mean()) == pytest.approx(1.0, rel=5 / math.sqrt(200_000))


def test_noise_is_white_circular_and_independent(generator):
    """Every moment within 5 deviations of what 200,000 samples allow."""
    n = 200_000
    noise = Noise(1.0, generator).apply(torch.zeros(2, n, dtype=torch.complex64)).to(torch.complex128)
    bound = 5 / math.sqrt(n)
    assert abs((noise[0] * noise[1].conj()).mean()) < bound
    assert abs(noise[0].square().mean()) < 1.5 * bound
    assert abs((noise[0, 1:] * noise[0, :-1].conj()).mean()) < bound
    fourth = float(noise[0].abs().pow(4).mean())
    assert fourth == pytest.approx(2.0, abs=5 * math.sqrt(20 / n))


@pytest.mark.parametrize("occupied", [0.0, -1.0, 1.1])
def test_band_must_be_inside_the_sample_rate(occupied):
    with pytest.raises(ConfigError, match="occupied_bandwidth_hz must be above 0 and at most"):
        noise_variance(1.0, 10.0, 1.0, occupied)


def test_symbols_get_the_snr_asked_for(generator):
    """Per complex symbol, not per real value: 3 dB apart. 100,000 symbols scatter by 0.014 dB."""
    symbols = torch.polar(torch.ones(2, 100_000), torch.rand(2, 100_000, generator=generator) * 6.28)
    received, noise_var = awgn.build(awgn.Config()).apply(symbols, 10.0, generator)
    measured = -10 * (received - symbols).abs().square().mean(dim=1).log10()
    assert measured.tolist() == pytest.approx([10.0, 10.0], abs=0.07)
    assert noise_var.shape == symbols.shape
    assert noise_var.unique().tolist() == pytest.approx([0.1])


def test_each_row_gets_its_own_snr(generator):
    symbols = torch.zeros(3, 50_000, dtype=torch.complex64)
    received, noise_var = awgn.build(awgn.Config()).apply(symbols, torch.tensor([0.0, 10.0, 20.0]), generator)
    assert noise_var[:, 0].tolist() == pytest.approx([1.0, 0.1, 0.01])
    ratio = received.abs().square().mean(dim=1) / noise_var[:, 0]
    assert ratio.tolist() == pytest.approx([1.0] * 3, abs=5 / math.sqrt(50_000))


def test_gradients_pass_unchanged(generator):
    symbols = torch.randn(2, 8, dtype=torch.complex64, generator=generator, requires_grad=True)
    received, _ = awgn.build(awgn.Config()).apply(symbols, 3.0, generator)
    received.real.sum().backward()
    assert torch.equal(symbols.grad, torch.ones_like(symbols))


def test_wrong_input_is_refused_in_words(generator):
    channel = awgn.build(awgn.Config())
    with pytest.raises(SignalError, match=r"symbols must be complex \[B, k\] \(got torch.float32"):
        channel.apply(torch.zeros(2, 4), 1.0, generator)
    with pytest.raises(SignalError, match=r"snr_db must be one number or \[2\] \(got \[3\]\)"):
        channel.apply(torch.zeros(2, 4, dtype=torch.complex64), torch.zeros(3), generator)
    with pytest.raises(ConfigError, match="snr_db is required"):
        channel.realise(
            torch.ones(1, 4, dtype=torch.complex64),
            sample_rate_hz=1.0,
            occupied_bandwidth_hz=1.0,
            generator=generator,
        )
