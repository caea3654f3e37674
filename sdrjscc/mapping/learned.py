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
from collections.abc import Mapping
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
    fixed = [torch.view_as_real(constellation(order, "snake").points) for order in config.orders]
    return Learned(fixed, demap=config.demap, temperature=config.temperature)


class Learned:
    """Nearest point of a movable constellation, with a soft gradient."""

    kind = PayloadKind.LATENT
    values = (2,)

    def __init__(
        self, points: list[Tensor], *, demap: str = "posterior_mean", temperature: float = 0.1
    ) -> None:
        """Set up a mapper.

        Args:
            points: real ``[M, 2]`` of each mode, of any power; used as they are, not copied.
            demap: ``posterior_mean``, ``hard`` or ``identity``.
            temperature: of the soft assignment.

        Raises:
            ConfigError: points are not ``[M, 2]`` with M at least 2.
        """
        for table in points:
            if table.ndim != 2 or table.shape[-1] != 2 or len(table) < 2:
                raise ConfigError(f"points must be [M, 2] with M at least 2 (got {list(table.shape)})")
        self._points, self._demap, self._temperature = points, demap, temperature

    def bind(self, tables: Mapping[str, Tensor]) -> "Learned":
        """The mapper with the codec's ``points0``, ``points1``, ...: see the module."""
        points = numbered(tables, "points") or self._points
        return Learned(points, demap=self._demap, temperature=self._temperature)

    @property
    def orders(self) -> tuple[int, ...]:
        """M of each mode."""
        return tuple(len(points) for points in self._points)

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation, complex ``[M]``, of unit mean power."""
        check_mode("learned", mode, len(self._points))
        return torch.view_as_complex(self._normalised(mode, self._points[mode]).contiguous())

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map I/Q pairs ``[B, k, 2]`` to their nearest points, complex ``[B, k]``.

        The gradient is that of :meth:`soft`.

        Raises:
            ConfigError: the payload is not real ``[B, k, 2]``, or there is no such mode.
        """
        return self._assign(payload, mode)[0]

    def soft(self, payload: Tensor, mode: int = 0) -> Tensor:
        """The surrogate of :meth:`map`: mean of the points under the soft assignment."""
        assignment = self._assign(payload, mode)[1]
        return torch.view_as_complex(assignment @ self._normalised(mode, payload))

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 2]`` from symbols ``[B, k]``.

        The points' mean where lost; 0 with ``identity``.
        """
        points = self._normalised(mode, symbols.real)
        kept, variance, lost = present(symbols, noise_var)
        received, lost = torch.view_as_real(kept), lost.unsqueeze(-1)
        if self._demap == "identity":
            return received
        if self._demap == "hard":
            nearest = points[_closeness(received, points).argmax(-1)]
            return torch.where(lost, points.mean(0), nearest)
        certainty = torch.where(lost, 0.0, 1.0 / variance.unsqueeze(-1))
        return _closeness(received, points, certainty).softmax(-1) @ points

    def transmit(self, payload: Tensor, send: Send, mode: int = 0) -> Passed:
        """Map, send and demap; a hard decision has the gradient of what was sent.

        Returns:
            ``terms``: ``usage``, Kullback-Leibler divergence in nats of the points' mean use
            (soft, over all symbols of the batch) from equal use, 0 to log M.
        """
        sent, assignment = self._assign(payload, mode)
        received, noise_var = send(sent)
        share = assignment.flatten(0, -2).mean(0)
        usage = (share * share.clamp_min(_TINY).log()).sum() + math.log(len(share))
        estimate = self.demap(received, noise_var, mode)
        if self._demap == "hard":
            surrogate = torch.view_as_real(sent)
            estimate = surrogate + (estimate - surrogate).detach()
        return Passed(estimate, noise_var, {"usage": usage})

    def _assign(self, payload: Tensor, mode: int) -> tuple[Tensor, Tensor]:
        """Nearest points ``[B, k]`` with the soft gradient, and the soft assignment ``[B, k, M]``."""
        check_latent("learned", payload, 2)
        points = self._normalised(mode, payload)
        closeness = _closeness(payload, points, payload.new_tensor(1.0 / self._temperature))
        assignment = closeness.softmax(-1)
        soft, nearest = assignment @ points, points[closeness.detach().argmax(-1)]
        return torch.view_as_complex(soft + (nearest - soft).detach()), assignment

    def _normalised(self, mode: int, like: Tensor) -> Tensor:
        check_mode("learned", mode, len(self._points))
        points = self._points[mode].to(like)
        return points * torch.rsqrt(points.square().sum(-1).mean().clamp_min(_TINY))


def _closeness(pairs: Tensor, points: Tensor, scale: Tensor | None = None) -> Tensor:
    """``scale * (|z|^2 - |z - c|^2)`` between ``[..., 2]`` and ``[M, 2]``: ``[..., M]``.

    What all points share changes neither the nearest nor a softmax. One matrix product does all,
    which is several times faster than the differences.

    Args:
        pairs: z.
        points: c.
        scale: one for all, or ``[..., 1]``; 1 if ``None``.
    """
    scale = pairs.new_ones(()) if scale is None else scale
    scaled = torch.cat([2.0 * scale * pairs, scale.expand(*pairs.shape[:-1], 1)], -1)
    return scaled @ torch.cat([points, -points.square().sum(-1, keepdim=True)], -1).T
