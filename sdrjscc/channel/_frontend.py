"""The receiver's end: gain step, IQ image, DC, converter, lost samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.units import from_db


@dataclass(frozen=True)
class GainStep:
    """The gain changes by ``step_db`` from sample ``at_sample`` on, as an AGC does."""

    step_db: float
    at_sample: int

    def apply(self, samples: Tensor) -> Tensor:
        """Scale the end of ``samples``, complex ``[..., n]``."""
        head, tail = samples[..., : self.at_sample], samples[..., self.at_sample :]
        return torch.cat([head, tail * from_db(self.step_db) ** 0.5], dim=-1)


@dataclass(frozen=True)
class IqImbalance:
    """Unequal I and Q branches: ``x + b conj(x)``, an image of ``image_db`` below the signal.

    Attributes:
        image_db: power of the image relative to the signal.
        phase_rad: phase of b, which says how gain and quadrature error share the image;
            real ``[antennas, 1]`` or one number.
    """

    image_db: float
    phase_rad: Tensor

    def apply(self, samples: Tensor) -> Tensor:
        """Add the image to ``samples``, complex ``[antennas, n]``."""
        image = _phasor(self.image_db, self.phase_rad)
        return samples + image.to(samples) * samples.conj()


@dataclass(frozen=True)
class DcOffset:
    """A constant of ``level_db`` relative to full scale 1.0 and of phase ``phase_rad``, as in IqImbalance."""

    level_db: float
    phase_rad: Tensor

    def apply(self, samples: Tensor) -> Tensor:
        """Add the constant to ``samples``, complex ``[antennas, n]``."""
        return samples + _phasor(self.level_db, self.phase_rad).to(samples)


def _phasor(level_db: float, phase_rad: Tensor) -> Tensor:
    return torch.polar(torch.full_like(phase_rad, from_db(level_db) ** 0.5), phase_rad)


@dataclass(frozen=True)
class Quantiser:
    """A converter of ``bits`` for I and for Q, full scale 1.0: codes -2^(bits-1) .. 2^(bits-1) - 1.

    Gradients pass straight through, except where the converter overloads.
    """

    bits: int

    def apply(self, samples: Tensor) -> Tensor:
        """Quantise ``samples``, complex of any shape."""
        steps = float(2 ** (self.bits - 1))
        parts = torch.view_as_real(samples)
        held = (parts * steps).clamp(-steps, steps - 1.0)
        codes = held + (held.round() - held).detach()
        return torch.view_as_complex(codes / steps)


@dataclass(frozen=True)
class SampleDrop:
    """``count`` samples from ``at_sample`` on are lost, as when a host does not keep up."""

    count: int
    at_sample: int

    def apply(self, samples: Tensor) -> Tensor:
        """Cut the samples out of ``samples``, complex ``[..., n]``."""
        return torch.cat(
            [samples[..., : self.at_sample], samples[..., self.at_sample + self.count :]], dim=-1
        )
