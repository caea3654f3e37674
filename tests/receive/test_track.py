import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.receive.head import head_centres
from sdrjscc.receive.track import Pilots, fit_line, follow
from sdrjscc.waveform.base import Grid, phasor

GRID = Grid(256, 16, 104, 26, 60, 1)
TIME = 2416 + 16 + 128 + 272.0 * torch.arange(60, dtype=torch.float64)


def pilots(snr, cfo=0.0, sco=0.0, walk=None, batch=1, seed=0):
    """Pilots over a flat channel: strength is the SNR of each."""
    generator = torch.Generator().manual_seed(seed)
    frequency = GRID.frequencies[GRID.pilot_index]
    anchor = float(head_centres().mean())
    cycles = cfo * (TIME - anchor)[:, None] - sco * (TIME - anchor)[:, None] * frequency
    cycles = cycles + (torch.zeros(batch, 60) if walk is None else walk / (2 * math.pi))[..., None]

    def seen(turns, strength):
        noise = torch.randn(turns.shape, dtype=torch.complex64, generator=generator)
        return strength * phasor(turns) + strength**0.5 * noise

    head_strength = torch.tensor([416.0] * 2 + [208.0] * 5) * snr
    head_turns = (cfo * (head_centres() - anchor)).expand(batch, -1)
    return Pilots(
        seen(cycles, torch.tensor(snr)),
        torch.full((batch, 60, 8), snr),
        frequency,
        TIME,
        seen(head_turns, head_strength),
        head_strength.expand(batch, -1),
        head_centres(),
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(-4e-5, 4e-5), st.floats(-1e-4, 1e-4), st.integers(0, 100))
def test_carrier_and_clock_offset_are_found_over_the_whole_range(cfo, sco, seed):
    line = fit_line(pilots(10.0, cfo, sco, seed=seed), 1e-4)
    assert float(line.cfo) == pytest.approx(cfo, abs=2e-6)
    assert float(line.sco) == pytest.approx(sco, abs=5e-6)


def test_no_clock_range_means_no_clock_offset():
    line = fit_line(pilots(10.0, 1e-6), 0.0)
    assert float(line.sco) == pytest.approx(0.0, abs=1e-7)


def test_line_errors_are_as_large_as_reported():
    line = fit_line(pilots(0.3, 1e-6, 5e-6, batch=400), 5e-5)
    for error, variance in (
        (2 * math.pi * (line.cfo - 1e-6), line.covariance[:, 1, 1]),
        (2 * math.pi * (line.sco - 5e-6), line.covariance[:, 2, 2]),
    ):
        assert float(error.square().mean() / variance.mean()) == pytest.approx(1.0, abs=0.25)


def test_without_phase_noise_nothing_is_added():
    track = follow(p := pilots(1.0, batch=200), fit_line(p, 1e-5))
    assert float((track.step > 0).float().mean()) < 0.5
    assert float(track.walk.square().mean()) < 0.01


@pytest.mark.parametrize(("snr", "step"), [(30.0, 1e-3), (30.0, 1e-2), (3.0, 1e-3)])
def test_a_random_walk_is_followed_and_its_error_reported(snr, step):
    generator = torch.Generator().manual_seed(7)
    walk = (torch.randn(200, 60, generator=generator) * step**0.5).cumsum(-1)
    p = pilots(snr, walk=walk, batch=200, seed=8)
    track = follow(p, fit_line(p, 1e-6))
    anchor = float(head_centres().mean())
    line = track.line.phase[:, None] + 2 * math.pi * track.line.cfo[:, None] * (TIME - anchor)
    error = (line + track.walk - walk).square().mean()
    assert float(track.step.median()) == pytest.approx(step, rel=0.5)
    assert float(track.variance.mean()) == pytest.approx(float(error), rel=0.35)
    assert float(error) < 1.2 * min(0.5 / (8 * snr), 2 * step + 0.5 / (8 * snr))
