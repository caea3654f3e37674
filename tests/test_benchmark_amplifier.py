"""The parts of ``benchmarks/amplifier.py`` whose errors would not show in its table."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import amplifier

from sdrjscc.channel._amplifier import RappAmplifier
from sdrjscc.linkfile import load_link


def tones(*parts: tuple[float, float]) -> torch.Tensor:
    """Tones of (frequency in sample rates, power), on four times the sample rate."""
    instants = torch.arange(40_000, dtype=torch.float64) / 4
    total = sum(power**0.5 * torch.exp(2j * torch.pi * f * instants) for f, power in parts)
    return total.to(torch.complex64)


def test_aclr_is_that_of_the_worse_side_and_counts_nothing_between_the_channels() -> None:
    samples = tones((0.3, 1.0), (-0.3, 1.0), (0.5, 5.0), (1.3, 0.01), (-0.9, 0.02))
    assert amplifier._aclr_db(samples, 0.8125) == pytest.approx(20.0, abs=0.01)


def test_peak_and_output_power_are_those_of_a_constant_envelope() -> None:
    frames = tones((0.01, 1.0))[:40_000:4], 0.8125
    row = amplifier._spectrum(frames, smoothness=2.0)[-1]
    assert row["backoff_db"] == 3.0
    assert row["papr_db"] == pytest.approx(0.0, abs=0.01)
    saturated = RappAmplifier(3.0).apply(torch.ones(1, 9, dtype=torch.complex64)).abs().square().mean()
    assert row["output_db"] == pytest.approx(10 * float(saturated.log10()) - 3.0, abs=0.01)


def test_the_link_takes_waveform_snr_and_amplifier_and_keeps_the_rest() -> None:
    base = load_link("loopback")
    pa = amplifier._amplifier(6.0, 2.0)
    link = amplifier._with(base, {"name": "ofdm", "clip_db": 6.0}, 17.0, pa)
    assert (link.waveform["clip_db"], link.channel["snr_db"]) == (6.0, 17.0)
    assert link.channel["pa"] == {"backoff_db": 6.0, "smoothness": 2.0, "oversampling": 4}
    assert link.channel["cfo_range_hz"] == base.channel["cfo_range_hz"]
    assert "pa" not in amplifier._with(base, {"name": "dft_spread"}, 17.0, None).channel
