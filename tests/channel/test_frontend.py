"""The receiver's end: each defect asked for in dB, bits or samples, and measured."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.channel._frontend import DcOffset, GainStep, IqImbalance, Quantiser, SampleDrop


def tone(bin_index, n=4096, amplitude=1.0):
    turns = torch.remainder(bin_index * torch.arange(n, dtype=torch.float64) / n, 1.0)
    return amplitude * torch.polar(torch.ones(n, dtype=torch.float64), 2 * math.pi * turns)[None].to(
        torch.complex64
    )


@pytest.mark.parametrize("image_db", [-20.0, -40.0])
@pytest.mark.parametrize("phase", [0.0, 1.9])
def test_image_tone_is_where_and_as_strong_as_asked(image_db, phase):
    out = IqImbalance(image_db, torch.tensor([[phase]])).apply(tone(300))
    spectrum = torch.fft.fft(out[0].to(torch.complex128)).abs().square()
    assert 10 * math.log10(float(spectrum[-300] / spectrum[300])) == pytest.approx(image_db, abs=0.01)
    others = spectrum.sum() - spectrum[300] - spectrum[-300]
    assert float(others / spectrum[300]) < 1e-9


def test_dc_is_the_mean():
    phases = torch.tensor([[0.4], [2.0]])
    out = DcOffset(-30.0, phases).apply(tone(7).expand(2, -1))
    mean = out.mean(dim=1)
    assert (20 * mean.abs().log10()).tolist() == pytest.approx([-30.0, -30.0], abs=0.01)
    assert mean.angle().tolist() == pytest.approx([0.4, 2.0], abs=1e-3)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_signal_to_quantisation_noise(bits):
    """6.02 bits + 1.76 dB for a full-scale sine on each branch; 2^16 samples scatter by 0.02 dB."""
    n = 1 << 16
    peak = 1 - 2.0 ** (1 - bits)
    sine = tone(12_345, n, peak)
    error = Quantiser(bits).apply(sine) - sine
    measured = 10 * math.log10(float(sine.abs().square().mean() / error.abs().square().mean()))
    assert measured == pytest.approx(6.0206 * bits + 1.761 + 20 * math.log10(peak), abs=0.1)


def test_codes_of_a_12_bit_converter():
    values = torch.tensor([[0.0, 1.0, -1.0, 5.0, -5.0, 0.4 / 2048, 0.6 / 2048]]) * (1 + 1j)
    codes = Quantiser(12).apply(values).real * 2048
    assert codes.tolist() == [[0, 2047, -2048, 2047, -2048, 0, 1]]


def test_gradient_passes_the_converter_except_in_overload():
    samples = torch.tensor([0.3 + 0.1j, 3.0 + 0.2j], requires_grad=True)
    out = torch.view_as_real(Quantiser(8).apply(samples))
    out.sum().backward()
    assert torch.view_as_real(samples.grad).tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_gain_step_is_a_step_of_power():
    out = GainStep(6.0, 1000).apply(tone(5))
    before, after = out[0, :1000].abs().square().mean(), out[0, 1000:].abs().square().mean()
    assert 10 * math.log10(float(after / before)) == pytest.approx(6.0, abs=1e-4)
    assert float(before) == pytest.approx(1.0, rel=1e-5)


@given(st.integers(1, 60), st.integers(0, 30), st.integers(0, 80))
def test_dropped_samples_are_gone_and_the_others_untouched(n, count, at):
    samples = torch.arange(n, dtype=torch.float32)[None] + 0j
    left = SampleDrop(count, at).apply(samples).real[0].tolist()
    assert left == [i for i in range(n) if not at <= i < at + count]
