"""Analog mapping of one real latent value a symbol, scaled by a constant of the codec.

``symbol = scale z``, real; the receiver takes the real part, so that half of the noise is
left out. A codec whose latent does not have zero mean and unit power by itself (one behind a
sigmoid) gives ``scale`` in its ``mapper_tables``: a constant beside the weights with which the
mean power is 1 over the training data. Nothing is normalised per transmission: a receiver
that divides by the scale would have to be told the factor.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.mapping.base import check_latent, check_mode
from sdrjscc.payload import PayloadKind

_UNIFORM_SCALE = 3.0**0.5
_UNIFORM_MEAN = 0.5


class Config(Section):
    """``[mapping]`` table: ``name = "analog_real"``.

    ``division`` (default) hands the real part divided by the scale to the decoder, ``lmmse``
    the linear MMSE estimate for a latent of the codec's mean and power.
    """

    demap: Literal["division", "lmmse"] = "division"


def build(config: Config) -> "AnalogReal":
    """Build the mapper, for a latent uniform in (0, 1) until a codec is bound to it."""
    scale, mean = torch.tensor(_UNIFORM_SCALE), torch.tensor(_UNIFORM_MEAN)
    return AnalogReal(scale, mean, lmmse=config.demap == "lmmse")


class AnalogReal:
    """Real symbols ``scale z``, and z back."""

    kind = PayloadKind.LATENT
    values = (1,)

    def __init__(self, scale: Tensor, mean: Tensor, *, lmmse: bool = False) -> None:
        """Set up a mapper.

        Args:
            scale: scalar; 1 / sqrt(mean of z^2).
            mean: scalar, mean of z: what a lost symbol is taken for.
            lmmse: demap to the linear MMSE estimate.
        """
        self._scale, self._mean, self._lmmse = scale, mean, lmmse

    def bind(self, tables: Mapping[str, Tensor]) -> "AnalogReal":
        """The mapper with the codec's ``scale`` and ``mean`` (scalars)."""
        scale, mean = tables.get("scale", self._scale), tables.get("mean", self._mean)
        return AnalogReal(scale, mean, lmmse=self._lmmse)

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map ``[B, k, 1]`` to complex ``[B, k]`` with imaginary part 0.

        Raises:
            ConfigError: the payload is not real ``[B, k, 1]``, or ``mode`` is not 0 (analog).
        """
        check_latent("analog_real", payload, 1)
        check_mode("analog_real", mode, 1)
        scaled = payload.squeeze(-1) * self._scale.to(payload)
        return torch.complex(scaled, torch.zeros_like(scaled))

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 1]`` from symbols ``[B, k]``; the latent's mean where lost."""
        check_mode("analog_real", mode, 1)
        lost = torch.isinf(noise_var)
        scale, mean = self._scale.to(noise_var), self._mean.to(noise_var)
        received = torch.where(lost, torch.zeros_like(symbols), symbols).real / scale
        estimate = mean + self._weight(noise_var, lost) * (received - mean)
        return torch.where(lost, mean, estimate).unsqueeze(-1)

    def _weight(self, noise_var: Tensor, lost: Tensor) -> Tensor:
        """Share of the received deviation from the mean that is believed."""
        if not self._lmmse:
            return torch.ones_like(noise_var)
        scale, mean = self._scale.to(noise_var), self._mean.to(noise_var)
        latent_var = scale.square().reciprocal() - mean.square()
        noise = torch.where(lost, 0.0, noise_var) / 2.0 / scale.square()
        return latent_var / (latent_var + noise)
