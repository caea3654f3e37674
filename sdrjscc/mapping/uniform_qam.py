"""Uniform quantisation of a latent in (0, 1) to square M-QAM, one value a symbol.

Source: "Lightweight Low-SNR-Robust Semantic Communication System for Autonomous Driving",
equations 14, 15 and 18. Index j = floor(z M) is the j-th point; the header's mode says which
M. The paper decides by minimum distance and hands j/M to the decoder; ``posterior_mean``,
ours and the default, hands on the mean of the cells' centres (j + 1/2)/M under P(j | symbol,
noise variance), the cells being equally likely: it needs no retraining. Its error of the latent is the
smallest; the picture's is not at low SNR, where a decoder trained at high SNR makes a flat picture of
estimates drawn to the mean: at 1 dB and M >= 16 ``paper`` is 1.3 to 3.3 dB better (``docs/results.md``).

Settled here: the paper's point order is taken as row by row (``natural``), and that is the
default. ``snake``, every other row backwards, keeps neighbours in index neighbours in the
plane, but not the other way round: a decision for the next row is wrong by sqrt(M) in natural
order and by 1 to 2 sqrt(M) - 1 in the snake, 4/3 in the mean square, which costs up to 1.3 dB
for M >= 16. (For M = 4 and a latent that keeps to the middle of (0, 1) the snake is better.)
The paper's normalisation of each transmission to unit power is left out, as a receiver that
decides by distance would have to know its factor. Unbound, the constellation has unit power
with all points equally likely, and a latent that keeps to the middle of (0, 1) sends less,
with 0.61 to 0.81. A codec may give the ``histogram`` of its latent in its ``mapper_tables``:
the constellation is then scaled by a constant with which the mean power is 1 over the training
data, and ``posterior_mean`` weights the cells by how often they occur and takes their mean
latent for their centre. For normal latents behind a sigmoid, of deviation 1 or less before it,
the scale is worth 1 to 5 dB of distortion from 13 dB of SNR on, as long as there are wrong
decisions; the weights 0.3 to 2.3 dB at 1 to 7 dB; the means 0.6 to 1 dB for M = 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import Constellation, Order, constellation
from sdrjscc.mapping.base import Passed, Send, check_latent, check_mode
from sdrjscc.payload import PayloadKind

_LEAST_SHARE = 1e-3  # spread over all cells, so that none is impossible


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
    values = (1,)

    def __init__(
        self,
        constellations: list[Constellation],
        *,
        demap: str = "posterior_mean",
        histogram: Tensor | None = None,
    ) -> None:
        """Set up a mapper.

        Args:
            constellations: one a mode.
            demap: the receiver's dequantiser.
            histogram: ``[cells]``, how often the latent is in each of as many equal cells of
                (0, 1), on any scale.
        """
        self._constellations, self._demap, self._histogram = constellations, demap, histogram

    def bind(self, tables: Mapping[str, Tensor]) -> "UniformQam":
        """The mapper for the codec's ``histogram``, 256 equal cells of (0, 1)."""
        histogram = tables.get("histogram", self._histogram)
        return UniformQam(self._constellations, demap=self._demap, histogram=histogram)

    @property
    def orders(self) -> tuple[int, ...]:
        """M of each mode."""
        return tuple(chosen.order for chosen in self._constellations)

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation as it is sent, complex128 ``[M]``."""
        chosen = self._at(mode)
        statistics = self._statistics(chosen)
        return chosen.points if statistics is None else chosen.points * statistics.gain

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map ``[B, k, 1]`` in (0, 1), clamped to it, to complex ``[B, k]``; no gradient.

        Raises:
            ConfigError: the payload is not real ``[B, k, 1]``, or there is no such mode.
        """
        check_latent("uniform_qam", payload, 1)
        chosen = self._at(mode)
        latent = payload.detach().squeeze(-1).clamp(0.0, 1.0)
        index = (latent * chosen.order).floor().long().clamp(0, chosen.order - 1)
        points = self.points(mode).to(index.device, torch.promote_types(payload.dtype, torch.complex64))
        return points[index]

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 1]`` from symbols ``[B, k]``.

        Exactly 1/2 where lost; the latent's mean if it is known and ``posterior_mean`` asked for.
        """
        chosen = self._at(mode)
        statistics = self._statistics(chosen)
        if statistics is not None:
            gain = statistics.gain.to(noise_var)
            symbols, noise_var = symbols / gain, noise_var / gain.square()
        if self._demap == "posterior_mean":
            centres = _centres(chosen.order) if statistics is None else statistics.means
            prior = None if statistics is None else statistics.shares
            return chosen.posterior_mean(centres, symbols, noise_var, prior).unsqueeze(-1)
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

    def _statistics(self, chosen: Constellation) -> "_Statistics | None":
        return None if self._histogram is None else _statistics(self._histogram.detach(), chosen)


@dataclass(frozen=True, eq=False)
class _Statistics:
    """What is known of a latent's M cells.

    Attributes:
        shares: float64 ``[M]``, how likely each is; none is 0.
        means: float64 ``[M]``, the latent's mean in each.
        gain: what to scale the unit-power constellation by, so that the mean power is 1.
    """

    shares: Tensor
    means: Tensor
    gain: Tensor


def _statistics(histogram: Tensor, chosen: Constellation) -> _Statistics:
    cells, order = len(histogram), chosen.order
    if cells % order and order % cells:
        raise ConfigError(f"a latent's histogram must have cells that fit {order} points (got {cells} cells)")
    fine = histogram.double().repeat_interleave(max(1, order // cells))
    fine = (fine / fine.sum()).reshape(order, -1)
    shares, least = fine.sum(1), _LEAST_SHARE / order
    power = (shares * chosen.points.abs().square().to(shares.device)).sum()
    inside = _centres(fine.numel()).to(fine.device).reshape(order, -1)
    means = ((fine + least / fine.shape[1]) * inside).sum(1) / (shares + least)
    return _Statistics((shares + least) / (1.0 + _LEAST_SHARE), means, power.rsqrt())


def _centres(cells: int) -> Tensor:
    """Centres of equal cells of (0, 1), float64."""
    return (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
