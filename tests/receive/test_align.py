import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.receive.align import Locator, chirp_response, moved, refine, strongest_delay
from sdrjscc.waveform.base import chirp_bins, phasor, preamble, tone


def window(locator, cfo, echo=0.0, echo_delay=0, snr_db=20.0, seed=0):
    """A candidate: the up-chirp's peak lies at sample ``before``, shifted by the carrier offset."""
    generator = torch.Generator().manual_seed(seed)
    length = locator.length
    shift = round(cfo / (0.8125 / 512))
    start = locator.before + shift - 16
    samples = torch.zeros(1, 1, length + 4096, dtype=torch.complex64)
    for gain, delay in ((1.0, 0), (echo, echo_delay)):
        at = 1000 + start + delay
        samples[..., at : at + 1056] += gain * preamble()
    samples = samples * tone(torch.tensor(cfo), samples.shape[-1])
    level = math.sqrt(10 ** (-snr_db / 10) * 256 / 208)
    samples = samples + level * torch.randn(samples.shape, dtype=torch.complex64, generator=generator)
    return samples[..., 1000 : 1000 + length], start, samples[..., 1000 + start :]


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.06, 0.06), st.floats(0, 0.9), st.integers(1, 12), st.integers(0, 1000))
def test_time_and_frequency_are_told_apart_in_multipath(cfo, echo, delay, seed):
    locator = Locator(38.0)
    samples, start, frame = window(locator, cfo, echo * 1j, delay, seed=seed)
    found = locator.locate(samples)
    assert bool(found.valid)
    assert float(found.start) == pytest.approx(start, abs=1.6) or echo > 0.7
    assert float(found.cfo) == pytest.approx(cfo, abs=0.75 / 528)
    _, fine, _ = refine(frame[..., :1300], found.cfo)
    assert float(fine) == pytest.approx(cfo, abs=2e-5)


def test_without_a_down_chirp_hardly_anything_is_valid():
    locator = Locator(30.0)
    generator = torch.Generator().manual_seed(1)
    samples = torch.randn(200, 1, locator.length, dtype=torch.complex64, generator=generator)
    # 1e-5 at each of some 600 positions where a down-chirp may peak.
    assert int(locator.locate(samples).valid.sum()) <= 6


@settings(max_examples=20, deadline=None)
@given(st.floats(-7.5, 15.5))
def test_delay_of_one_path(delay):
    response = phasor(-chirp_bins().double() / 512 * delay)[None, None]
    assert float(strongest_delay(response)) == pytest.approx(delay, abs=0.01)


def test_a_response_counted_from_a_later_sample():
    """A first sample moved by 3 changes the response by a phase alone, as the prefix is cyclic."""
    frame = torch.nn.functional.pad(preamble(), (10, 30)) * tone(torch.tensor(0.013), len(preamble()) + 40)
    cfo = torch.tensor([0.013], dtype=torch.float64)
    early, late = (chirp_response(frame[None, None, 10 + shift :], cfo) for shift in (-1, 2))
    assert torch.allclose(moved(early, cfo, torch.tensor([3.0]).double()), late, atol=1e-3)
