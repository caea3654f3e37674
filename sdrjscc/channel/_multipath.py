"""Tapped delay lines: static, Rayleigh and Rician taps, standing still or moving."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel._clock import blocks, delayed, delayed_length
from sdrjscc.channel.base import TapGains
from sdrjscc.config import Section
from sdrjscc.units import from_db

_PATHS = 32
_NODES_PER_CYCLE = 128  # linear interpolation in between errs by less than -70 dB
_NODES_AT_ONCE = 1 << 14


class Tap(Section):
    """One echo.

    Attributes:
        delay_samples: its delay, also fractions of a sample.
        power_db: its mean power; the line scales all taps to a mean power sum of 1.
        kind: ``static`` (gain fixed, phase 0), ``rayleigh`` or ``rician``.
        k_factor: Rician only: power of the fixed part over power of the scattered part, linear.
    """

    delay_samples: float = Field(0.0, ge=0.0, le=65536.0)
    power_db: float = Field(0.0, ge=-200.0, le=200.0)
    kind: Literal["static", "rayleigh", "rician"] = "static"
    k_factor: float = Field(1.0, gt=0.0)


def clarke_gains(shape: tuple[int, int], times: Tensor, generator: torch.Generator) -> Tensor:
    """Rayleigh gains of unit mean power with Clarke's autocorrelation J0(2 pi tau).

    A sum of 32 waves from angles that are uniform in strata, each with a complex normal weight:
    the gain is exactly complex normal at any instant, and its autocorrelation is J0 in the
    mean over realisations.

    Args:
        shape: (antennas, taps), all independent.
        times: float64 ``[T]`` in periods of the maximum Doppler frequency.
        generator: random source.

    Returns:
        complex64 ``[antennas, taps, T]``.
    """
    waves = (*shape, _PATHS)
    strata = torch.arange(_PATHS) + torch.rand(waves, dtype=torch.float64, generator=generator)
    doppler = torch.cos(2.0 * math.pi * strata / _PATHS) * (2.0 * math.pi)
    weights = torch.randn(waves, dtype=torch.complex64, generator=generator) / _PATHS**0.5
    gains = []
    for some in torch.split(times, _NODES_AT_ONCE):
        phase = (doppler[..., None] * some).to(torch.float32)
        waves_now = torch.polar(torch.ones((1,)).expand_as(phase), phase)
        gains.append(torch.einsum("atw,atwn->atn", weights, waves_now))
    return torch.cat(gains, dim=-1)


def draw_gains(
    taps: Sequence[Tap], *, antennas: int, length: int, doppler: float, generator: torch.Generator
) -> TapGains:
    """Draw the taps' gains for ``length`` samples, independent on every antenna.

    Args:
        taps: the line, at least one tap.
        antennas: receive antennas.
        length: samples that the line has to cover.
        doppler: maximum Doppler frequency in cycles per sample; 0: nothing moves.
        generator: random source.
    """
    spacing = min(length, max(1, int(1.0 / (_NODES_PER_CYCLE * doppler)))) if doppler else max(length, 1)
    nodes = -(-length // spacing) + 1 if doppler else 1
    times = torch.arange(nodes, dtype=torch.float64) * (spacing * doppler)
    scattered = clarke_gains((antennas, len(taps)), times, generator)
    fixed_part, scattered_part = _amplitudes(taps)
    delays = torch.tensor([tap.delay_samples for tap in taps], dtype=torch.float64)
    return TapGains(delays, fixed_part + scattered_part * scattered, spacing)


def _amplitudes(taps: Sequence[Tap]) -> tuple[Tensor, Tensor]:
    """Amplitudes ``[L, 1]`` of the fixed and of the scattered part of every tap."""
    power = torch.tensor([from_db(tap.power_db) for tap in taps])
    factors = {"static": math.inf, "rayleigh": 0.0}
    k = torch.tensor([factors.get(tap.kind, tap.k_factor) for tap in taps])
    scattered = 1.0 / (1.0 + k)
    power = power / power.sum()
    return ((power * (1.0 - scattered)).sqrt()[:, None], (power * scattered).sqrt()[:, None])


@dataclass(frozen=True)
class TappedDelayLine:
    """Convolution with taps that may change over time: ``y[m] = sum_l g_l(m) x(m - d_l)``."""

    taps: TapGains

    def apply(self, samples: Tensor) -> Tensor:
        """Filter ``samples``, complex ``[1, n]`` or ``[antennas, n]``, to ``[antennas, n + spread]``."""
        delays = self.taps.delays_samples.tolist()
        length = max(delayed_length(samples.shape[-1], delay) for delay in delays)
        pieces = [self._piece(samples, delays, start, stop) for start, stop in blocks(length)]
        return torch.cat(pieces, dim=-1)

    def _piece(self, samples: Tensor, delays: list[float], start: int, stop: int) -> Tensor:
        instants = torch.arange(start, stop, dtype=torch.float64)
        gains = self.taps.at(instants).to(samples)
        echoes = [gains[:, tap] * delayed(samples, delay, start, stop) for tap, delay in enumerate(delays)]
        return functools.reduce(torch.add, echoes)
