"""The transmitter's end: clipping and power amplifier."""

from dataclasses import dataclass

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
    """

    backoff_db: float
    smoothness: float = 2.0

    def apply(self, samples: Tensor) -> Tensor:
        """Amplify ``samples``, complex of any shape; the mean is over those that are not 0."""
        saturation = mean_active_power(samples) * from_db(self.backoff_db)
        if saturation == 0.0:
            return samples
        relative_power = (samples.real.square() + samples.imag.square()) / saturation
        return samples * (1.0 + relative_power**self.smoothness) ** (-0.5 / self.smoothness)
