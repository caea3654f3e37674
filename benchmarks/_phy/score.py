"""One point of the tables: header probability, loss, noise-variance calibration, offsets.

* p_header: frames whose header was decoded, of all sent.
* loss: v is the measured error variance of a symbol relative to its power, per carrier and frame;
  delivered SNR = 1 / mean(v / (1 + v)) - 1 over carriers and received frames; the genie knows
  channel and noise and is measured alike (its v fluctuates with as many symbols). Its standard
  error comes from the spread over frames: at low SNR one channel estimate scales the noise of a
  whole frame, and long frames are few.
* variance error: 10 log10 of the mean over frames of mean(abs(error)**2 / reported variance).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from _phy.air import CLOCK_PPM, RATES_HZ, Air, through_air
from _phy.system import Heard, Sent, System

_SAMPLES_AT_ONCE = 2_000_000
_MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Course:
    """What a point is measured over."""

    scenario: str
    snr_db: float
    antennas: int
    frames: int


@dataclass
class Score:
    """What the frames of a point gave."""

    sent: int = 0
    headers: int = 0
    seconds: float = 0.0
    samples: int = 0
    triggers: int | None = None
    errors: list[Tensor] = field(default_factory=list)
    genies: list[Tensor] = field(default_factory=list)
    calibration: list[float] = field(default_factory=list)
    cfo_hz: list[float] = field(default_factory=list)
    sco_ppm: list[float] = field(default_factory=list)


def measure(system: System, course: Course, step: Callable[[int], None]) -> dict[str, Any]:
    """One row of the table; ``step`` is called with the frames done since its last call."""
    rate, clock_ppm = RATES_HZ[course.scenario], CLOCK_PPM[course.scenario]
    listener = system.listener(rate, clock_ppm, course.antennas)
    score = Score()
    wobble = torch.Generator().manual_seed(99)
    while score.sent < course.frames:
        count = min(_at_once(system), course.frames - score.sent)
        sent, _ = system.transmit(count, seed=score.sent + 1)
        air = through_air(
            system, sent, course.scenario, course.snr_db, course.antennas, seed=1000 + score.sent
        )
        heard, seconds = listener.hear(air.samples)
        score.sent += count
        score.seconds += seconds
        score.samples += air.samples.shape[-1]
        _add(score, system, sent, air, heard, wobble)
        step(count)
    score.triggers = listener.triggers
    return _row(system, course, score)


def _at_once(system: System) -> int:
    return max(1, min(_MOST_AT_ONCE, _SAMPLES_AT_ONCE // system.nominal_symbols))


def _add(
    score: Score, system: System, sent: Sent, air: Air, heard: list[Heard], wobble: torch.Generator
) -> None:
    """Compare what was heard with what was sent; a frame heard twice counts once."""
    frames = {frame.index: frame for frame in heard if frame.index < len(sent.frames)}
    score.headers += len(frames)
    counts = torch.bincount(system.carriers, minlength=len(system.frequencies)).double()
    used = counts > 0
    for i, frame in frames.items():
        if frame.cfo_hz is not None:
            score.cfo_hz.append(frame.cfo_hz - air.cfo_hz[i])
        if frame.sco_ppm is not None:
            score.sco_ppm.append(frame.sco_ppm - air.sco_ppm[i])
        if frame.symbols is None:
            continue
        error = (frame.symbols - sent.symbols[i]).abs().double().square()
        total = torch.zeros_like(counts).index_add(0, system.carriers, error)
        score.errors.append((total / counts)[used])
        fluctuation = torch._standard_gamma(counts[used], generator=wobble) / counts[used]
        score.genies.append(air.genie[i][used] * fluctuation)
        if frame.noise_var is not None:
            score.calibration.append(float((error / frame.noise_var).mean()))


def _row(system: System, course: Course, score: Score) -> dict[str, Any]:
    delivered, genie = delivered_db(score.errors), delivered_db(score.genies)
    calibration = sum(score.calibration) / len(score.calibration) if score.calibration else None
    return {
        "system": system.name,
        "scenario": course.scenario,
        "payload_symbols": system.nominal_symbols,
        "snr_db": course.snr_db,
        "antennas": course.antennas,
        "p_header": score.headers / score.sent,
        "loss_db": None if delivered is None or genie is None else genie - delivered,
        "loss_std_db": loss_std_db(score.errors, score.genies),
        "variance_error_db": 10 * math.log10(calibration) if calibration else None,
        "sent": score.sent,
        "headers": score.headers,
        "delivered_snr_db": delivered,
        "genie_snr_db": genie,
        "cfo_rms_hz": rms(score.cfo_hz),
        "sco_rms_ppm": rms(score.sco_ppm),
        "triggers": score.triggers,
        "msps": score.samples / 1e6 / score.seconds,
        "own_payload_symbols": system.payload_symbols,
    }


def delivered_db(variances: list[Tensor]) -> float | None:
    """SNR in dB that symbols of these error variances carry together; ``None``: no symbols."""
    if not variances:
        return None
    v = torch.stack(variances)
    return 10 * math.log10(max(float(1 / (v / (1 + v)).mean() - 1), 1e-10))


def loss_std_db(errors: list[Tensor], genies: list[Tensor]) -> float | None:
    """Standard error of the loss, from the spread of mean(v / (1 + v)) over frames."""
    if len(errors) < 2:
        return None
    ours, genie = (torch.stack([(v / (1 + v)).mean() for v in frames]) for frames in (errors, genies))
    mean = float(genie.mean())
    slope_db = 10 / math.log(10) / (mean * (1 - mean))
    return slope_db * float((ours - genie).std()) / math.sqrt(len(errors))


def rms(values: list[float]) -> float | None:
    """Root mean square; ``None`` of nothing."""
    return math.sqrt(sum(v * v for v in values) / len(values)) if values else None
