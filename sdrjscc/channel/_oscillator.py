"""Oscillators: carrier offset and phase noise, common to all antennas of a receiver."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_SPAN = 4096


def rotation(cycles_per_sample: float, length: int, phase_rad: float = 0.0) -> Tensor:
    """``exp(j (2 pi f m + phase))`` for m = 0 .. length - 1, complex64.

    A product of two short tables, each exact to complex64: no phase error grows with length.
    """
    coarse = torch.arange(-(-length // _SPAN), dtype=torch.float64) * _SPAN
    fine = torch.arange(min(_SPAN, length), dtype=torch.float64)
    start = _unit(torch.remainder(coarse * cycles_per_sample, 1.0) * (2 * math.pi) + phase_rad)
    return torch.outer(start, _unit(fine * (cycles_per_sample * 2 * math.pi))).flatten()[:length]


def _unit(angle: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


@dataclass(frozen=True)
class CarrierOffset:
    """The received spectrum moves up by ``cfo_hz``; ``phase_rad`` is the phase at sample 0."""

    cfo_hz: float
    sample_rate_hz: float
    phase_rad: float = 0.0

    def apply(self, samples: Tensor) -> Tensor:
        """Turn ``samples``, complex ``[..., n]``."""
        turn = rotation(self.cfo_hz / self.sample_rate_hz, samples.shape[-1], self.phase_rad)
        return samples * turn.to(samples.device)


@dataclass(frozen=True)
class PhaseNoise:
    """A free-running oscillator: the phase is a Wiener process that starts at 0.

    ``linewidth_hz`` is the full width at half maximum of the Lorentzian line, so the phase
    moves by a variance of ``2 pi linewidth_hz / sample_rate_hz`` a sample.
    """

    linewidth_hz: float
    sample_rate_hz: float
    generator: torch.Generator

    def apply(self, samples: Tensor) -> Tensor:
        """Turn ``samples``, complex ``[..., n]``, all rows by the same phase."""
        step_rad = math.sqrt(2.0 * math.pi * self.linewidth_hz / self.sample_rate_hz)
        steps = torch.randn(samples.shape[-1], generator=self.generator)
        phase = torch.cumsum(steps, 0, dtype=torch.float64).mul_(step_rad).to(torch.float32)
        return samples * torch.polar(torch.ones((1,)).expand_as(phase), phase).to(samples.device)
