"""Square QAM: one codeword index per symbol, or bits.

Indices come back as hard decisions, as the posterior of every index, or as the posterior
mean of the index; bits as log-likelihood ratios (> 0 means 0) or hard.
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import Arrangement, Constellation, Order, constellation
from sdrjscc.mapping.base import check_mode
from sdrjscc.payload import PayloadKind


class Config(Section):
    """``[mapping]`` table: ``name = "qam"``.

    Attributes:
        takes: what the codec gives.
        orders: M of each header mode; one may occur again.
        points: which point an index or bit label is; bits are Gray-labelled as in TS 38.211.
        demap: for indices ``posterior`` (default), ``mean`` or ``hard``; for bits ``llr``
            (default) or ``hard``.
    """

    takes: Literal["indices", "bits"] = "indices"
    orders: tuple[Order, ...] = Field((2, 4, 16, 64, 256, 1024), min_length=1, max_length=16)
    points: Arrangement = "gray"
    demap: Literal["posterior", "mean", "hard", "llr"] | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.takes == "bits" and self.points != "gray":
            raise ValueError("points must be 'gray' for bits")
        if self.demap not in (None, "hard") and (self.demap == "llr") != (self.takes == "bits"):
            raise ValueError(
                "demap must be 'llr' or 'hard' for bits, 'posterior', 'mean' or 'hard' for indices"
            )
        return self


def build(config: Config) -> "IndexQam | BitQam":
    """Build the mapper."""
    constellations = [constellation(order, config.points) for order in config.orders]
    if config.takes == "bits":
        return BitQam(constellations, config.demap or "llr")
    return IndexQam(constellations, config.demap or "posterior")


class _Qam:
    def __init__(self, constellations: list[Constellation], demap: str) -> None:
        self._constellations, self._demap = constellations, demap

    @property
    def orders(self) -> tuple[int, ...]:
        """M of each mode."""
        return tuple(chosen.order for chosen in self._constellations)

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation, complex128 ``[M]``, by index or bit label."""
        return self._at(mode).points

    def _at(self, mode: int) -> Constellation:
        check_mode("qam", mode, len(self._constellations))
        return self._constellations[mode]


class IndexQam(_Qam):
    """Index j to the j-th point of the mode's constellation."""

    kind = PayloadKind.INDICES

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map indices ``[B, k]`` to complex64 ``[B, k]``.

        Raises:
            ConfigError: the payload is not an integer ``[B, k]``, or there is no such mode.
        """
        if payload.ndim != 2 or payload.is_floating_point():
            raise ConfigError(
                f"mapping qam must get indices [B, k] (got {payload.dtype} {list(payload.shape)})"
            )
        return self._at(mode).at(payload.long(), torch.complex64)

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate indices from symbols ``[B, k]``, all M being equally likely.

        Returns:
            By the ``demap`` option: ``posterior`` ``[B, k, M]``; ``mean`` ``[B, k]``, real,
            the expected index; ``hard`` int64 ``[B, k]``. A lost symbol gives 1/M each,
            (M - 1)/2, or the index next to the origin.
        """
        chosen = self._at(mode)
        if self._demap == "posterior":
            return chosen.posterior(symbols, noise_var)
        if self._demap == "mean":
            indices = torch.arange(chosen.order, dtype=torch.float64)
            return chosen.posterior_mean(indices, symbols, noise_var)
        return chosen.hard(symbols, noise_var)


class BitQam(_Qam):
    """log2 M bits a symbol, Gray-labelled: the first bit is the label's most significant."""

    kind = PayloadKind.BITS

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map bits, uint8 ``[B, n]``, to complex64 ``[B, n / log2 M]``.

        Raises:
            ConfigError: the bits do not fill whole symbols, or there is no such mode.
        """
        chosen = self._at(mode)
        if payload.ndim != 2 or payload.is_floating_point() or payload.shape[-1] % chosen.bits:
            raise ConfigError(
                f"mapping qam must get bits [B, n] with n a multiple of {chosen.bits} "
                f"(got {payload.dtype} {list(payload.shape)})"
            )
        weights = 1 << torch.arange(chosen.bits - 1, -1, -1, device=payload.device)
        labels = (payload.long().unflatten(-1, (-1, chosen.bits)) * weights).sum(-1)
        return chosen.at(labels, torch.complex64)

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, n]`` from symbols ``[B, k]``.

        Returns:
            By the ``demap`` option: ``llr`` (exact, > 0 means bit 0, exactly 0 where lost), or
            ``hard`` uint8 (bits of the point next to the origin where lost).
        """
        chosen = self._at(mode)
        if self._demap == "llr":
            return chosen.llr(symbols, noise_var).flatten(-2)
        shifts = torch.arange(chosen.bits - 1, -1, -1, device=symbols.device)
        labels = chosen.hard(symbols, noise_var).unsqueeze(-1)
        return ((labels >> shifts) & 1).to(torch.uint8).flatten(-2)
