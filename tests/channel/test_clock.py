"""Delay and sampling-clock offset against signals that are known between the samples."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.channel._clock import HALF_TAPS, Delay, SamplingClockOffset, Silence

EDGE = 2 * HALF_TAPS


def error_db(got, expected):
    got, expected = got[0, EDGE:-EDGE], expected[EDGE:-EDGE]
    return 10 * math.log10(float((got - expected).abs().square().mean() / expected.abs().square().mean()))


@pytest.mark.parametrize("delay", [0.5, 0.01, 0.99, 3.25, 700.73])
def test_fractional_delay_is_that_delay(tones, delay):
    """Error below -75 dB for all |f| < 0.45."""
    length = 5000
    delayed = Delay(delay).apply(tones.samples(length))
    assert delayed.shape == (1, math.ceil(length + delay) + HALF_TAPS)
    time = torch.arange(math.ceil(delay), length) - delay
    assert error_db(delayed[:, math.ceil(delay) : length], tones(time)) < -75


@pytest.mark.parametrize("frequency", [0.0, 0.1, -0.3, 0.45, -0.45])
@pytest.mark.parametrize(
    "stage", [Delay, lambda delay: SamplingClockOffset(0.0, delay)], ids=["fixed", "farrow"]
)
def test_every_frequency_is_delayed_alike(frequency, stage):
    """The worst tone and the worst delay, not only the mean: below -75 dB."""
    n = 1000
    turn = 2 * math.pi * frequency
    tone = torch.polar(torch.ones(n, dtype=torch.float64), turn * torch.arange(n, dtype=torch.float64))
    for delay in torch.linspace(0.02, 0.98, 13).tolist():
        delayed = stage(delay).apply(tone[None].to(torch.complex64))[:, :n]
        expected = tone * torch.polar(torch.ones(()).double(), torch.tensor(-turn * delay).double())
        assert error_db(delayed, expected) < -75


def test_whole_delay_is_exact(generator):
    samples = torch.randn(2, 50, dtype=torch.complex64, generator=generator)
    delayed = Delay(7.0).apply(samples)
    assert delayed.shape == (2, 57)
    assert torch.equal(delayed[:, 7:], samples)
    assert not delayed[:, :7].any()


@given(st.floats(0, 3), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_delays_add(first, second):
    time = torch.arange(600.0, dtype=torch.float64)
    chirp = torch.polar(torch.ones_like(time), 2 * math.pi * (0.00035 * time**2)).to(torch.complex64)[None]
    twice = Delay(second).apply(Delay(first).apply(chirp))[..., :600]
    once = Delay(first + second).apply(chirp)[..., :600]
    assert (twice - once)[0, EDGE:-EDGE].abs().max() < 2e-3


@pytest.mark.parametrize("sco_ppm", [12.0, -12.0, 50.0, -50.0, 1000.0])
def test_clock_offset_resamples(tones, sco_ppm):
    """Against the tones at the receiver's instants, over several blocks of the resampler."""
    length, delay = 150_000, 20.3
    received = SamplingClockOffset(sco_ppm, delay).apply(tones.samples(length))
    ratio = 1 + sco_ppm * 1e-6
    assert received.shape[-1] == math.ceil(length / ratio + delay) + HALF_TAPS
    start, stop = 64, int(length / ratio)
    expected = tones(ratio * (torch.arange(start, stop, dtype=torch.float64) - delay))
    assert error_db(received[:, start:stop], expected) < -75


def test_12_ppm_measured_on_a_high_tone():
    """A tone at 0.4 of the sample rate moves by 12 ppm of its frequency: 4.8e-6 cycles a sample."""
    n, frequency = 300_000, 0.4
    turns = torch.remainder(frequency * torch.arange(n, dtype=torch.float64), 1.0)
    tone = torch.polar(torch.ones(n), (2 * math.pi * turns).float())
    received = SamplingClockOffset(12.0).apply(tone[None])[0, 100 : n - 100].to(torch.complex128)
    base = torch.polar(torch.ones(n, dtype=torch.float64), -2 * math.pi * turns)[100 : n - 100]
    blocks = (received * base)[: n // 1000 * 1000 - 1000].reshape(-1, 1000).mean(dim=1)
    slope = float((blocks[1:] * blocks[:-1].conj()).sum().angle()) / (2 * math.pi * 1000)
    assert slope / frequency * 1e6 == pytest.approx(12.0, abs=0.01)


def test_positive_offset_shortens():
    """A fast transmitter clock: the pulse sent 100,000 samples later arrives 5 samples earlier."""
    samples = torch.zeros(1, 110_000, dtype=torch.complex64)
    samples[0, 100_000] = 1.0
    peak = int(SamplingClockOffset(50.0).apply(samples)[0].abs().argmax())
    assert peak == 99_995


def test_resampling_passes_gradients(generator):
    samples = torch.randn(1, 60, dtype=torch.complex128, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(SamplingClockOffset(200.0, 1.3).apply, (samples,))


def test_gradients_also_after_inference_mode(generator):
    """The filters, made once, must not be left as inference tensors."""
    from sdrjscc.channel import _clock

    _clock._farrow_spectra.cache_clear()
    with torch.inference_mode():
        Delay(0.5).apply(torch.ones(1, 10, dtype=torch.complex64))
    samples = torch.ones(1, 10, dtype=torch.complex64, requires_grad=True)
    Delay(0.5).apply(samples).abs().sum().backward()
    assert samples.grad is not None


def test_silence_lengthens():
    assert Silence(5).apply(torch.ones(1, 3, dtype=torch.complex64)).tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]
