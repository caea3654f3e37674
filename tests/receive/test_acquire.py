import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.errors import SignalError
from sdrjscc.receive.acquire import (
    HOP,
    PEAK_DISTANCE,
    Peaks,
    Search,
    cfo_range,
    peaks,
    shift_range,
    threshold,
)
from sdrjscc.waveform.base import CHIRP_SIZE, preamble, tone


def noise(antennas, length, seed, power=1.0):
    generator = torch.Generator().manual_seed(seed)
    return math.sqrt(power) * torch.randn(antennas, length, dtype=torch.complex64, generator=generator)


def stretch(antennas=1, seed=0, power=1.0, blocks=2):
    return noise(antennas, blocks * HOP + CHIRP_SIZE, seed, power)


@settings(max_examples=15, deadline=None)
@given(st.integers(600, 2 * HOP - 1100), st.floats(-0.06, 0.06), st.floats(1e-3, 1e3))
def test_a_preamble_is_found_shifted_by_its_carrier_offset(start, cfo, level):
    samples = stretch(power=0.1)
    samples[:, start : start + 1056] += preamble() * tone(torch.tensor(cfo), 1056)
    found = peaks(Search(1).exceedances(samples * level))
    expected = start + 16 - math.copysign(shift_range(abs(cfo)), cfo)
    # the down-chirp may stand out of the noise too, far weaker: no second chirp follows it
    strongest = int(found.metric.argmax())
    assert float(found.position[strongest]) == pytest.approx(expected, abs=1.5)
    assert found.metric.sort().values[:-1].sum() < 0.1 * found.metric[strongest]


def test_detection_at_minus_8_decibels():
    generator = torch.Generator().manual_seed(5)
    search, hits = Search(1), 0
    for trial in range(40):
        samples = stretch(seed=trial, power=10**0.8 * 256 / 208)
        cfo = 0.048 * (2 * torch.rand((), generator=generator) - 1)
        samples[:, 5000:6056] += preamble() * tone(cfo, 1056)
        position = peaks(search.exceedances(samples)).position
        hits += bool(((position - 5016).abs() < 40).any())
    assert hits >= 39


def test_one_preamble_in_silence_is_one_peak():
    samples = torch.zeros(1, 2 * HOP + CHIRP_SIZE, dtype=torch.complex64)
    samples[:, 4000:5056] = preamble()
    found = peaks(Search(1).exceedances(samples))
    assert found.position.tolist() == [4016]
    assert float(found.metric[0]) == pytest.approx(1.0, abs=1e-3)


def test_false_alarms_follow_the_threshold():
    # At a rate of 1e-4 a position, counted at most once in 64: about 200 of 2 million.
    for antennas in (1, 2):
        search, count = Search(antennas), 0
        search.threshold = threshold(antennas, 1e-4)
        for seed in range(8):
            count += len(search.exceedances(stretch(antennas, seed, blocks=32)).position)
        expected = 8 * 32 * HOP * 1e-4
        assert 0.4 * expected < count < 1.3 * expected


def test_peaks_keep_the_largest_of_a_neighbourhood():
    position = torch.tensor([0, 100, 100 + PEAK_DISTANCE, 5000, 5001])
    metric = torch.tensor([0.1, 0.3, 0.2, 0.5, 0.5])
    found = peaks(Peaks(position, metric))
    assert found.position.tolist() == [100, 5000]
    assert len(peaks(Peaks(position[:0], metric[:0])).position) == 0


def test_search_range_follows_from_the_clocks():
    assert cfo_range(25.0, 2.4e9, 2e6, 0.8125) == pytest.approx(0.06)
    assert cfo_range(0.0, 2.4e9, 1e6, 0.8125) == 0.0


@pytest.mark.parametrize(("ppm", "rate"), [(25.0, 1e6), (25.0, 1.27e6), (100.0, 2e6)])
def test_too_low_a_rate_is_refused_with_the_least_one(ppm, rate):
    with pytest.raises(SignalError, match=r"sample rate must be at least \d+ Hz where two clocks of"):
        cfo_range(ppm, 2.4e9, rate, 0.8125)


@pytest.mark.parametrize("wrong", [(-1.0, 1e9, 1e6), (1.0, -1e9, 1e6), (1.0, 1e9, 0.0), (1.0, 1e9, math.nan)])
def test_senseless_parameters_are_refused(wrong):
    with pytest.raises(SignalError, match="sample rate must be positive"):
        cfo_range(*wrong, 0.8125)
