"""Flat Rayleigh and Rician fading on symbols, equalised by the known gain: for training."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel.base import check_symbols, complex_normal, symbol_noise_variance
from sdrjscc.config import Section


class Config(Section):
    """How the gain h fades; its mean power is 1, so ``snr_db`` is the average over fades.

    Attributes:
        speed: ``slow`` draws one gain for each row (a picture), ``fast`` one for each symbol.
        k_factor: power of the line of sight over power of the scatter, linear; 0 is Rayleigh.
        least_gain: smallest abs(h): a deeper fade keeps its phase and is lifted to it, so that a
            single picture's noise does not outweigh a whole batch. The mean power of h rises with
            it, for 0.1 and Rayleigh fading by 0.005 %.
    """

    speed: Literal["slow", "fast"] = "slow"
    k_factor: float = Field(0.0, ge=0.0)
    least_gain: float = Field(0.0, ge=0.0)


class Fading:
    """``y = h x + n``, divided by h: a SymbolChannel."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Fade symbols, add noise, divide by the gain: see :meth:`SymbolChannel.apply`.

        The noise variance of a symbol is 1 / (SNR |h|^2): large in a fade, never bounded here.
        """
        check_symbols(symbols, snr_db)
        gain = self.draw_gain(symbols, generator)
        noise_var = symbol_noise_variance(symbols, snr_db)
        noise = noise_var.sqrt() * complex_normal(tuple(symbols.shape), generator, symbols)
        gain_power = gain.real.square() + gain.imag.square()
        return symbols + noise / gain, noise_var / gain_power

    def draw_gain(self, symbols: Tensor, generator: torch.Generator) -> Tensor:
        """Gains h for symbols ``[B, k]``: complex ``[B, 1]`` if slow, ``[B, k]`` if fast."""
        rows, columns = symbols.shape
        scatter = complex_normal((rows, 1 if self.config.speed == "slow" else columns), generator, symbols)
        k, least = self.config.k_factor, self.config.least_gain
        gain = math.sqrt(k / (1.0 + k)) + math.sqrt(1.0 / (1.0 + k)) * scatter
        return torch.polar(gain.abs().clamp_min(least), gain.angle()) if least else gain


def build(config: Config) -> Fading:
    """Build the channel."""
    return Fading(config)
