"""A constellation that training may move: each I/Q pair of a latent goes to its nearest point.

Points are real ``[M, 2]`` in the codec's weights, as ``mapper_tables["points0"]``, ... in the
order of modes, scaled to unit mean power whatever their values. Where the codec brings none
they are fixed square QAM: that is DeepJSCC-Q (Tung, Kurka, Jankowski and Gündüz, 2022).

Forward, the nearest point is sent. Backward, the gradient is that of the soft assignment,
the mean of the points under softmax(-|z - c|^2 / temperature), in z and in the points, then
through channel and demapper (past both where decisions are hard). The term ``usage``, the
divergence of the mean soft assignment from equal use of all points, keeps points from falling
out of use.

Settled here: power is normalised for equal use of the points.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import Order, constellation, present
from sdrjscc.mapping.base import Passed, Send, check_latent, check_mode, numbered
from sdrjscc.payload import PayloadKind

_TINY = 1e-12


class Config(Section):
    """``[mapping]`` table: ``name = "learned"``.

    Attributes:
        orders: M of each header mode, where the codec brings no points.
        demap: ``posterior_mean`` of the points (default), the nearest (``hard``), or the symbol
            as it is (``identity``).
        temperature: of the soft assignment, in squared distance; training only.
    """

    orders: tuple[Order, ...] = Field((2, 4, 16, 64, 256), min_length=1, max_length=16)
    demap: Literal["posterior_mean", "hard", "identity"] = "posterior_mean"
    temperature: float = Field(0.1, gt=0)


def build(config: Config) -> "Learned":
    """Build the mapper with fixed constellations."""
    fixed = [constellation(order, "snake") for order in config.orders]
    points = [torch.view_as_real(one.points) for one in fixed]
    axes = [(one.i_levels, one.q_levels) for one in fixed]
    return Learned(points, axes=axes, demap=config.demap, temperature=config.temperature)


class Learned:
    """Nearest point of a movable constellation, with a soft gradient."""

    kind = PayloadKind.LATENT
    values = (2,)

    def __init__(
        self,
        points: list[Tensor],
        *,
        axes: Sequence[Sequence[Tensor]] = (),
        demap: str = "posterior_mean",
        temperature: float = 0.1,
    ) -> None:
        """Set up a mapper.

        Args:
            points: real ``[M, 2]`` of each mode, of any power; used as they are, not copied.
            axes: of each mode the levels along I and Q whose every pair is one of the points, of
                unit mean power: an axis at a time takes sqrt(M) steps instead of M. Left out for
                points that move.
            demap: ``posterior_mean``, ``hard`` or ``identity``.
            temperature: of the soft assignment.

        Raises:
            ConfigError: points are not ``[M, 2]`` with M at least 2.
        """
        for table in points:
            if table.ndim != 2 or table.shape[-1] != 2 or len(table) < 2:
                raise ConfigError(f"points must be [M, 2] with M at least 2 (got {list(table.shape)})")
        self._points, self._demap, self._temperature = points, demap, temperature
        self._axes = [tuple(levels.unsqueeze(-1) for levels in pair) for pair in axes]

    def bind(self, tables: Mapping[str, Tensor]) -> "Learned":
        """The mapper with the codec's ``points0``, ``points1``, ...: see the module."""
        points = numbered(tables, "points")
        return Learned(points, demap=self._demap, temperature=self._temperature) if points else self

    @property
    def orders(self) -> tuple[int, ...]:
        """M of each mode."""
        return tuple(len(points) for points in self._points)

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation, complex ``[M]``, of unit mean power."""
        check_mode("learned", mode, len(self._points))
        return torch.view_as_complex(_normalised(self._points[mode]).contiguous())

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map I/Q pairs ``[B, k, 2]`` to their nearest points, complex ``[B, k]``.

        The gradient is that of :meth:`soft`.

        Raises:
            ConfigError: the payload is not real ``[B, k, 2]``, or there is no such mode.
        """
        return self._assign(payload, mode).straight_through

    def soft(self, payload: Tensor, mode: int = 0) -> Tensor:
        """The surrogate of :meth:`map`: mean of the points under the soft assignment."""
        return torch.view_as_complex(self._assign(payload, mode).mean)

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 2]`` from symbols ``[B, k]``.

        The points' mean where lost; 0 with ``identity``.
        """
        kept, variance, lost = present(symbols, noise_var)
        received, lost = torch.view_as_real(kept), lost.unsqueeze(-1)
        factors = self._factors(mode, received)
        if self._demap == "identity":
            return received
        assigned = _Assigned(received, factors, torch.where(lost, 0.0, 1.0 / variance.unsqueeze(-1)))
        return torch.where(lost, assigned.mean, assigned.nearest) if self._demap == "hard" else assigned.mean

    def transmit(self, payload: Tensor, send: Send, mode: int = 0) -> Passed:
        """Map, send and demap; a hard decision has the gradient of what was sent.

        Returns:
            ``terms``: ``usage``, Kullback-Leibler divergence in nats of the points' mean use
            (soft, over all symbols of the batch) from equal use, 0 to log M.
        """
        assigned = self._assign(payload, mode)
        sent, share = assigned.straight_through, assigned.share
        received, noise_var = send(sent)
        usage = (share * share.clamp_min(_TINY).log()).sum() + math.log(share.numel())
        estimate = self.demap(received, noise_var, mode)
        if self._demap == "hard":
            surrogate = torch.view_as_real(sent)
            estimate = surrogate + (estimate - surrogate).detach()
        return Passed(estimate, noise_var, {"usage": usage})

    def _assign(self, payload: Tensor, mode: int) -> "_Assigned":
        check_latent("learned", payload, 2)
        certainty = payload.new_tensor(1.0 / self._temperature).expand(*payload.shape[:-1], 1)
        return _Assigned(payload, self._factors(mode, payload), certainty)

    def _factors(self, mode: int, like: Tensor) -> list[Tensor]:
        """Tables whose product are the mode's points: ``[M, 2]``, or one ``[levels, 1]`` an axis."""
        check_mode("learned", mode, len(self._points))
        if self._axes:
            return [levels.to(like) for levels in self._axes[mode]]
        return [_normalised(self._points[mode].to(like))]


class _Assigned:
    """Points given to I/Q pairs ``[..., 2]``: the nearest, and softly, each with its share."""

    def __init__(self, pairs: Tensor, factors: Sequence[Tensor], certainty: Tensor) -> None:
        """Compare ``pairs`` with every point; ``certainty`` ``[..., 1]`` is 1 over the temperature."""
        self._factors = factors
        parts = pairs.split([table.shape[-1] for table in factors], -1)
        self._closeness = [
            _closeness(part, table, certainty) for part, table in zip(parts, factors, strict=True)
        ]
        self._shares = [closeness.softmax(-1) for closeness in self._closeness]

    @property
    def mean(self) -> Tensor:
        """Of the points under the soft assignment, ``[..., 2]``."""
        return torch.cat(
            [share @ table for share, table in zip(self._shares, self._factors, strict=True)], -1
        )

    @property
    def nearest(self) -> Tensor:
        """The nearest point, ``[..., 2]``; no gradient in the pairs."""
        chosen = [closeness.argmax(-1) for closeness in self._closeness]
        return torch.cat([table[index] for index, table in zip(chosen, self._factors, strict=True)], -1)

    @property
    def straight_through(self) -> Tensor:
        """The nearest point with the gradient of the mean, complex ``[...]``."""
        mean = self.mean
        return torch.view_as_complex(mean + (self.nearest - mean).detach())

    @property
    def share(self) -> Tensor:
        """Mean use of every point by all pairs, ``[M]``, or ``[levels, levels]`` of two axes."""
        flat = [share.flatten(0, -2) for share in self._shares]
        return flat[0].mean(0) if len(flat) == 1 else flat[0].T @ flat[1] / len(flat[0])


def _normalised(points: Tensor) -> Tensor:
    """Points ``[M, 2]`` scaled to unit mean power."""
    return points * torch.rsqrt(points.square().sum(-1).mean().clamp_min(_TINY))


def _closeness(pairs: Tensor, points: Tensor, scale: Tensor) -> Tensor:
    """``scale * (|z|^2 - |z - c|^2)`` between ``[..., d]`` and ``[M, d]``: ``[..., M]``.

    What all points share changes neither the nearest nor a softmax. One matrix product does all,
    which is several times faster than the differences.

    Args:
        pairs: z.
        points: c.
        scale: ``[..., 1]``; where it is 0, all are equally close.
    """
    scaled = torch.cat([2.0 * scale * pairs, scale], -1)
    return scaled @ torch.cat([points, -points.square().sum(-1, keepdim=True)], -1).T
