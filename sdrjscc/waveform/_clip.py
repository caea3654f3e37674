"""Clipping and filtering of OFDM symbols: a lower peak for a little distortion in the band."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.units import from_db
from sdrjscc.waveform._fft import to_samples, to_spectrum
from sdrjscc.waveform._grid import Grid

_OVERSAMPLING = 4
_AT_ONCE = 1 << 17
"""Oversampled samples that stay in a processor's cache."""

_WEAK = 1e-20


@dataclass(frozen=True)
class ClipAndFilter:
    """Limits the envelope between samples too, and keeps nothing outside the occupied carriers.

    J. Armstrong, "Peak-to-average power reduction for OFDM by repeated clipping and frequency
    domain filtering", Electronics Letters 38(5), 2002: interpolate by zeros around the spectrum,
    limit the magnitude, remove all that fell outside the carriers (DC too), repeat. Filtering
    lets some of the peak grow back, so it ends above ``clip_db``. As it works on the cells of each
    OFDM symbol, prefixes stay cyclic and a receiver needs to know nothing of it: to it the
    distortion is noise of the transmitter.

    Attributes:
        clip_db: the limit above a mean power of 1.
        iterations: how often; each lowers the peak and adds distortion.
    """

    clip_db: float
    iterations: int

    def apply(self, cells: Tensor, grid: Grid) -> Tensor:
        """Cells of a lower peak and the same mean power; differentiable.

        Args:
            cells: complex ``[B, M, C]`` of unit mean power. Each ``[M, C]`` is scaled back to the
                power it had, which clipping lowers by 0.1 dB or less at ``clip_db`` of 6.
            grid: of the cells.
        """
        some = max(1, _AT_ONCE // (_OVERSAMPLING * grid.samples))
        return torch.cat([self._clipped(part, grid) for part in cells.split(some)])

    def _clipped(self, cells: Tensor, grid: Grid) -> Tensor:
        size = _OVERSAMPLING * grid.fft_size
        scale, limit = math.sqrt(size / grid.active), from_db(self.clip_db)
        clipped = cells
        for _ in range(self.iterations):
            samples = to_samples(grid.place(clipped, size)) * scale
            samples = samples * (limit / _power(samples).clamp_min(limit)).sqrt()
            clipped = grid.take(to_spectrum(samples)) / scale
        return clipped * (_mean_power(cells) / _mean_power(clipped)).sqrt()


def _power(samples: Tensor) -> Tensor:
    """Squared magnitude, which unlike the magnitude needs no root: much faster."""
    return samples.real.square() + samples.imag.square()


def _mean_power(cells: Tensor) -> Tensor:
    """Mean power of each ``[M, C]``, ``[..., 1, 1]``; never 0."""
    return _power(cells).mean((-2, -1), keepdim=True).clamp_min(_WEAK)
