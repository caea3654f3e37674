"""The transmitter's end: clipping and power amplifier."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.channel._noise import mean_active_power
from sdrjscc.units import from_db


@dataclass(frozen=True)
class Clipper:
    """Limits the magnitude to ``clip_db`` above the mean power, the phase kept."""

    clip_db: float

    def apply(self, samples: Tensor) -> Tensor:
        """Clip ``samples``, complex of any shape; the mean is over those that are not 0."""
        limit: float = (mean_active_power(samples) * from_db(self.clip_db)) ** 0.5
        gain: Tensor = limit / samples.abs().clamp(min=max(limit, 1e-30))
        return samples * gain


@dataclass(frozen=True)
class RappAmplifier:
    """Solid-state amplifier: amplitude A comes out as ``A / (1 + (A / S)^(2p))^(1/(2p))``.

    C. Rapp, ECSC-2, 1991: unit gain at small amplitudes, no phase distortion.

    Attributes:
        backoff_db: saturation power S^2 above the mean input power.
        smoothness: p of the formula; larger is closer to a hard limit.
        oversampling: the amplifier sees so many samples for each one given, interpolated from all
            of them at once, and what it puts outside their band is removed. At 1 it meets no
            peaks between samples, and its distortion outside the band folds back into it.
    """

    backoff_db: float
    smoothness: float = 2.0
    oversampling: int = 1

    def apply(self, samples: Tensor) -> Tensor:
        """Amplify ``samples``, complex of any shape; the mean is over those that are not 0."""
        saturation = mean_active_power(samples) * from_db(self.backoff_db)
        if saturation == 0.0:
            return samples
        fine = interpolated(samples, self.oversampling)
        relative_power = (fine.real.square() + fine.imag.square()) / saturation
        amplified = fine * (1.0 + relative_power**self.smoothness) ** (-0.5 / self.smoothness)
        return _decimated(amplified, self.oversampling)


def interpolated(samples: Tensor, factor: int) -> Tensor:
    """``samples [..., n]``, taken as periodic, on ``factor`` times their rate, ``[..., n * factor]``."""
    if factor == 1:
        return samples
    n = samples.shape[-1]
    spectrum = torch.fft.fft(samples)
    zeros = spectrum.new_zeros((*spectrum.shape[:-1], (factor - 1) * n))
    fine: Tensor = torch.fft.ifft(
        torch.cat([spectrum[..., : n // 2], zeros, spectrum[..., n // 2 :]], dim=-1)
    )
    return fine * factor


def _decimated(fine: Tensor, factor: int) -> Tensor:
    """The inverse of :func:`interpolated`: without what lies outside the lower rate's band."""
    if factor == 1:
        return fine
    n = fine.shape[-1] // factor
    spectrum = torch.fft.fft(fine)
    samples: Tensor = torch.fft.ifft(
        torch.cat([spectrum[..., : n // 2], spectrum[..., fine.shape[-1] - n + n // 2 :]], dim=-1)
    )
    return samples / factor
