"""Clipping and amplifier: the curve, and what theory says about a Gaussian signal."""

import math

import pytest
import torch

from sdrjscc.channel._amplifier import Clipper, RappAmplifier
from sdrjscc.channel.chain import Config, build


def gaussian(generator, n=200_000):
    return torch.randn(1, n, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize("smoothness", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("backoff_db", [0.0, 6.0])
def test_am_am_curve(generator, smoothness, backoff_db):
    """Out against in, sample by sample, where the mean input power is known; phase untouched."""
    samples = gaussian(generator)
    out = RappAmplifier(backoff_db, smoothness).apply(samples)
    saturation = math.sqrt(float(samples.abs().square().mean()) * 10 ** (backoff_db / 10))
    amplitude = samples.abs().double() / saturation
    expected = amplitude / (1 + amplitude ** (2 * smoothness)) ** (1 / (2 * smoothness)) * saturation
    assert (out.abs() - expected).abs().max() < 1e-5
    assert (out * samples.conj()).angle().abs().max() < 1e-5


def test_anchor_points_of_the_rapp_curve():
    """Unit gain far below saturation, S / 2^(1/2p) at S, never above S.

    One sample of amplitude 100 among 10,000 sets the mean power to 1 + 1e-6.
    """
    samples = torch.full((1, 10_000), 1e-3, dtype=torch.complex64)
    samples[0, 0] = 100.0
    out = RappAmplifier(0.0, 2.0).apply(samples).abs()[0]
    assert float(out[0]) == pytest.approx(1.0, rel=1e-4)
    assert float(out[1]) == pytest.approx(1e-3, rel=1e-5)
    constant = RappAmplifier(0.0, 2.0).apply(torch.ones(1, 100, dtype=torch.complex64))
    assert float(constant.abs()[0, 0]) == pytest.approx(2 ** (-1 / 4), rel=1e-5)


@pytest.mark.parametrize("clip_db", [3.0, 6.0])
def test_clipping_is_where_it_was_asked_for(generator, clip_db):
    samples = gaussian(generator)
    out = Clipper(clip_db).apply(samples)
    mean_power = float(samples.abs().square().mean())
    assert 10 * math.log10(float(out.abs().square().max()) / mean_power) == pytest.approx(clip_db, abs=1e-3)
    below = samples.abs().square() < 0.999 * mean_power * 10 ** (clip_db / 10)
    assert torch.allclose(out[below], samples[below], rtol=1e-6)
    assert (out * samples.conj()).angle().abs().max() < 1e-5


def test_clipped_gaussian_has_bussgang_gain(generator):
    """The linear gain of a clipped Gaussian signal, Ochiai and Imai 2002:
    1 - exp(-g^2) + sqrt(pi)/2 g erfc(g) for clipping at g times the mean amplitude."""
    samples = gaussian(generator)
    out = Clipper(3.0).apply(samples)
    g = 10 ** (3.0 / 20)
    expected = 1 - math.exp(-g * g) + math.sqrt(math.pi) / 2 * g * math.erfc(g)
    measured = float((out * samples.conj()).real.sum() / samples.abs().square().sum())
    assert measured == pytest.approx(expected, abs=5 / math.sqrt(200_000))


def test_silence_between_bursts_does_not_move_the_limit(generator):
    samples = gaussian(generator, 1000)
    padded = torch.nn.functional.pad(samples, (500, 2000))
    for stage in (Clipper(2.0), RappAmplifier(3.0)):
        assert torch.allclose(stage.apply(padded)[:, 500:1500], stage.apply(samples), rtol=1e-5)


@pytest.mark.parametrize("stage", [Clipper(3.0), RappAmplifier(3.0)])
def test_silence_stays_silence_and_gradients_pass(stage, generator):
    silent = torch.zeros(1, 10, dtype=torch.complex64)
    assert torch.equal(stage.apply(silent), silent)
    samples = torch.nn.functional.pad(gaussian(generator, 10), (2, 0)).requires_grad_()
    stage.apply(samples).abs().square().sum().backward()
    assert torch.isfinite(torch.view_as_real(samples.grad)).all()


def test_oversampled_it_meets_the_peaks_between_samples_and_folds_nothing_back():
    """Two tones: a third-order product lies beyond half the sample rate, where it can fold back."""
    n = torch.arange(1000, dtype=torch.float64)
    low, high = 250, 440
    tones = sum(torch.exp(2j * torch.pi * k * n / 1000) for k in (low, high))[None].to(torch.complex64)

    def level_db(samples, k):
        spectrum = torch.fft.fft(samples)[0].abs().square()
        return 10 * float(torch.log10(spectrum[k % 1000] / spectrum[low]))

    once, finely = (RappAmplifier(3.0, 2.0, factor).apply(tones) for factor in (1, 8))
    product = 2 * high - low
    assert level_db(once, product) > -30
    assert level_db(finely, product) < -80
    assert level_db(finely, 2 * low - high) == pytest.approx(level_db(once, 2 * low - high), abs=1.0)


@pytest.mark.parametrize("n", [1000, 999])
def test_oversampled_far_below_saturation_it_changes_nothing(n):
    samples = torch.randn(2, n, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(RappAmplifier(60.0, 2.0, 4).apply(samples), samples, atol=1e-4)


def test_the_chain_passes_the_oversampling_on(generator):
    samples = gaussian(generator, 4000)
    chain = build(Config(pa={"backoff_db": 3.0, "oversampling": 4}))
    sent = chain.realise(samples, sample_rate_hz=1e6, occupied_bandwidth_hz=1e6, generator=generator).samples
    torch.testing.assert_close(sent, RappAmplifier(3.0, 2.0, 4).apply(samples), rtol=1e-4, atol=1e-4)
