"""Uniform quantisation of a latent in (0, 1) to square M-QAM, one value a symbol.

Source: "Lightweight Low-SNR-Robust Semantic Communication System for Autonomous Driving",
equations 14, 15 and 18. Index j = floor(z M) is the j-th point; the header's mode says which
M. The paper decides by minimum distance and hands j/M to the decoder; ``posterior_mean``,
ours and the default, hands on the mean of the cells' centres (j + 1/2)/M under P(j | symbol,
noise variance), the cells being equally likely: it needs no retraining.

Settled here: the paper's point order is taken as row by row (``natural``), and that is the
default. ``snake``, every other row backwards, keeps neighbours in index neighbours in the
plane, but not the other way round: a decision for the next row is wrong by sqrt(M) in natural
order and by 1 to 2 sqrt(M) - 1 in the snake, 4/3 in the mean square, which costs up to 1.3 dB
for M >= 16. (For M = 4 and a latent that keeps to the middle of (0, 1) the snake is better.)
The paper's normalisation of each transmission to unit power is left out, as a receiver that
decides by distance would have to know its factor: the constellation has unit power with all
points equally likely, so a latent that keeps to the middle sends less.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.mapping._constellation import Constellation, Order, constellation
from sdrjscc.mapping.base import Passed, Send, check_latent, check_mode
from sdrjscc.payload import PayloadKind


class Config(Section):
    """``[mapping]`` table: ``name = "uniform_qam"``.

    Attributes:
        orders: M of each header mode.
        points: which point an index is.
        demap: the receiver's dequantiser.
    """

    orders: tuple[Order, ...] = Field((4, 16, 64, 256), min_length=1, max_length=16)
    points: Literal["natural", "snake"] = "natural"
    demap: Literal["posterior_mean", "paper"] = "posterior_mean"


def build(config: Config) -> "UniformQam":
    """Build the mapper."""
    constellations = [constellation(order, config.points) for order in config.orders]
    return UniformQam(constellations, demap=config.demap)


class UniformQam:
    """A scalar quantiser whose cells are constellation points."""

    kind = PayloadKind.LATENT

    def __init__(self, constellations: list[Constellation], *, demap: str = "posterior_mean") -> None:
        self._constellations, self._demap = constellations, demap

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation, complex128 ``[M]``."""
        return self._at(mode).points

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map ``[B, k, 1]`` in (0, 1), clamped to it, to complex ``[B, k]``; no gradient.

        Raises:
            ConfigError: the payload is not real ``[B, k, 1]``, or there is no such mode.
        """
        check_latent("uniform_qam", payload, 1)
        chosen = self._at(mode)
        latent = payload.detach().squeeze(-1).clamp(0.0, 1.0)
        index = (latent * chosen.order).floor().long().clamp(0, chosen.order - 1)
        return chosen.at(index, torch.promote_types(payload.dtype, torch.complex64))

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 1]`` from symbols ``[B, k]``; exactly 1/2 where lost."""
        chosen = self._at(mode)
        if self._demap == "posterior_mean":
            centres = (torch.arange(chosen.order, dtype=torch.float64) + 0.5) / chosen.order
            return chosen.posterior_mean(centres, symbols, noise_var).unsqueeze(-1)
        decided = chosen.hard(symbols, noise_var).to(symbols.real.dtype) / chosen.order
        return torch.where(torch.isinf(noise_var), 0.5, decided).unsqueeze(-1)

    def transmit(self, payload: Tensor, send: Send, mode: int = 0) -> Passed:
        """Straight through: the estimate, with the gradient of the payload itself.

        Surrogate: ``payload_hat = payload + constant``, over quantiser, channel and receiver.
        """
        received, noise_var = send(self.map(payload, mode))
        estimate = self.demap(received, noise_var, mode)
        return Passed(payload + (estimate - payload).detach(), noise_var)

    def _at(self, mode: int) -> Constellation:
        check_mode("uniform_qam", mode, len(self._constellations))
        return self._constellations[mode]
