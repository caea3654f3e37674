"""Tapped delay lines: where the echoes are, how strong, how they fade and how fast."""

import math

import pytest
import torch
from scipy.special import j0

from sdrjscc.channel._multipath import Tap, TappedDelayLine, clarke_gains, draw_gains
from sdrjscc.channel.base import TapGains, one_tap
from sdrjscc.config import validate
from sdrjscc.errors import ConfigError

THREE = (
    Tap(),
    Tap(delay_samples=3, power_db=-6, kind="rayleigh"),
    Tap(delay_samples=7, power_db=-12, kind="rician", k_factor=4.0),
)


def gains_of(taps, generator, antennas=1, length=100, doppler=0.0):
    return draw_gains(taps, antennas=antennas, length=length, doppler=doppler, generator=generator)


def test_an_impulse_shows_the_taps(generator):
    drawn = gains_of(THREE, generator, antennas=2)
    impulse = torch.zeros(1, 10, dtype=torch.complex64)
    impulse[0, 2] = 1.0
    response = TappedDelayLine(drawn).apply(impulse)
    assert response.shape == (2, 17)
    assert torch.allclose(response[:, [2, 5, 9]], drawn.gains[..., 0])
    assert torch.count_nonzero(response) == 6


def test_mean_powers_are_those_asked_for_and_sum_to_one(generator):
    """100,000 antennas; a Rayleigh tap's power scatters by its own mean."""
    n = 100_000
    power = gains_of(THREE, generator, antennas=n).gains[..., 0].abs().square().double()
    ratios = torch.tensor([1.0, 10**-0.6, 10**-1.2], dtype=torch.float64)
    expected = ratios / ratios.sum()
    assert power.mean(dim=0).tolist() == pytest.approx(expected.tolist(), rel=5 / math.sqrt(n))
    assert float(power[:, 0].std()) < 1e-6


@pytest.mark.parametrize("k_factor", [0.5, 4.0])
def test_rician_factor_by_moments(generator, k_factor):
    """K from var |h|^2 / (E|h|^2)^2 = (1 + 2K) / (1 + K)^2."""
    tap = Tap(kind="rician", k_factor=k_factor)
    power = gains_of((tap,), generator, antennas=200_000).gains.abs().square().double()
    spread = float(power.var() / power.mean() ** 2)
    measured = math.sqrt(1 - spread) / (1 - math.sqrt(1 - spread))
    assert measured == pytest.approx(k_factor, rel=0.05)


def test_antennas_and_taps_fade_independently(generator):
    n = 20_000
    taps = (Tap(kind="rayleigh"), Tap(delay_samples=1, kind="rayleigh"))
    gains = gains_of(taps, generator, antennas=n).gains[..., 0] * math.sqrt(2)
    bound = 5 / math.sqrt(n / 2)
    assert abs((gains[::2] * gains[1::2].conj()).mean(dim=0)).max() < bound
    assert abs((gains[:, 0] * gains[:, 1].conj()).mean()) < bound


def test_doppler_autocorrelation_is_bessels(generator):
    """E h(t) h*(t + tau) = J0(2 pi f tau), 20,000 realisations: 5 deviations are 0.035."""
    lags = torch.linspace(0, 2.0, 21, dtype=torch.float64)
    gains = clarke_gains((20_000, 1), lags, generator)[:, 0].to(torch.complex128)
    measured = (gains * gains[:, :1].conj()).mean(dim=0)
    assert (measured.real - torch.from_numpy(j0(2 * math.pi * lags.numpy()))).abs().max() < 0.035
    assert measured.imag.abs().max() < 0.035


def test_moving_gain_is_complex_normal_at_every_instant(generator):
    gains = clarke_gains((50_000, 1), torch.tensor([0.0, 3.7]).double(), generator)[:, 0]
    power = gains.abs().square().double()
    assert power.mean(dim=0).tolist() == pytest.approx([1.0, 1.0], abs=5 / math.sqrt(50_000))
    assert power.square().mean(dim=0).tolist() == pytest.approx([2.0, 2.0], abs=5 * math.sqrt(20 / 50_000))


def test_gains_between_nodes_are_interpolated_finely_enough(generator):
    """Below -60 dB against the same waves at every sample."""
    doppler, length = 1e-4, 20_000
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    drawn = gains_of((Tap(kind="rayleigh"),), seeds[0], length=length, doppler=doppler)
    received = TappedDelayLine(drawn).apply(torch.ones(1, length, dtype=torch.complex64))[0]
    exact = clarke_gains((1, 1), torch.arange(length).double() * doppler, seeds[1])[0, 0]
    error = (received - exact).abs().square().mean() / exact.abs().square().mean()
    assert 10 * math.log10(float(error)) < -60
    assert drawn.spacing == 78
    instants = torch.tensor([0, 1234, 19_999])
    assert torch.allclose(drawn.at(instants.double())[0, 0], received[instants], atol=1e-5)


def test_fast_doppler_is_sampled_at_every_sample(generator):
    drawn = gains_of((Tap(kind="rayleigh"),), generator, length=50, doppler=0.2)
    assert drawn.spacing == 1
    assert TappedDelayLine(drawn).apply(torch.ones(1, 50, dtype=torch.complex64)).shape == (1, 50)


def test_fractional_echo_has_its_phase_slope(tones, generator):
    line = TappedDelayLine(
        TapGains(torch.tensor([0.0, 2.5]).double(), torch.tensor([[[0.8], [0.6j]]], dtype=torch.complex64))
    )
    length = 3000
    received = line.apply(tones.samples(length))[0, 100:2900]
    time = torch.arange(100, 2900)
    expected = 0.8 * tones(time) + 0.6j * tones(time - 2.5)
    assert float((received - expected).abs().square().mean() / expected.abs().square().mean()) < 1e-7


def test_frequency_response_is_that_of_the_line(generator):
    drawn = gains_of(THREE, generator, antennas=2)
    impulse = torch.zeros(1, 64, dtype=torch.complex64)
    impulse[0, 0] = 1.0
    measured = torch.fft.fft(TappedDelayLine(drawn).apply(impulse)[:, :64])
    assert torch.allclose(drawn.frequency_response(torch.fft.fftfreq(64)), measured, atol=1e-6)


def test_one_tap_changes_nothing(generator):
    samples = torch.randn(1, 20, dtype=torch.complex64, generator=generator)
    assert torch.equal(TappedDelayLine(one_tap(3)).apply(samples), samples.expand(3, -1))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "ricean"}, "channel.taps.kind: input should be 'static', 'rayleigh' or 'rician'"),
        ({"delay_samples": -1}, "channel.taps.delay_samples: input should be greater than or equal to 0"),
        ({"delay": 1}, "channel.taps.delay is not a known key"),
    ],
)
def test_wrong_taps_are_refused_in_words(table, words):
    with pytest.raises(ConfigError) as refused:
        validate(Tap, table, "channel.taps")
    assert words in str(refused.value)
