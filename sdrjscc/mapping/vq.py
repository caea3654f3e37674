"""Vector quantisation: each latent vector is the nearest codeword, each codeword a symbol.

```
z ── nearest codeword ── j ── point j ── channel ── detection ── j^ ── codeword j^
└──────────────── gradient: straight through all of it ────────────────────────┘
```
Source: "Universal Joint Source-Channel Coding for Modulation-Agnostic Semantic
Communication", section II-A and equation 1. The header's mode chooses among codebooks, one a
modulation order, of M codewords with D values.

Where the codebooks live: in the codec's weights, as ``mapper_tables["codebook0"]``, ... in the
order of modes, real ``[M, D]``. They are then trained by the codec's optimiser, averaged, saved
and fingerprinted with it, and both ends need no second file. Without a codec's, codebooks are
untrained: pseudo-random values from written-down arithmetic, equal at both ends.

Settled here: codeword j is the j-th point of the snake order; which codeword is the j-th is
free, and :meth:`Vq.assign_points` orders the rows of the codebook so that close codewords lie
on close points. Both squared distances are means over all values.
"""

from collections.abc import Mapping
from typing import Literal, Self, get_args

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from sdrjscc.coding.lfsr import gold_sequence
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping._assignment import assign, detection_noise_var, transition
from sdrjscc.mapping._constellation import Order, constellation
from sdrjscc.mapping.base import Passed, Send, check_latent, check_mode, numbered
from sdrjscc.payload import PayloadKind

_BITS_A_VALUE = 16


class Config(Section):
    """``[mapping]`` table: ``name = "vq"``.

    Attributes:
        orders: M of each header mode's codebook, where the codec brings none.
        dimensions: D of each, likewise.
        demap: the codeword of the nearest point (the paper's), or the posterior mean of all.
    """

    orders: tuple[Order, ...] = Field((2, 4, 16, 64, 256), min_length=1, max_length=16)
    dimensions: tuple[int, ...] = (2, 4, 8, 12, 16)
    demap: Literal["hard", "posterior_mean"] = "hard"

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.dimensions) != len(self.orders) or min(self.dimensions) < 1:
            raise ValueError(f"dimensions must be {len(self.orders)} positive numbers, one an order")
        return self


def build(config: Config) -> "Vq":
    """Build the mapper with untrained codebooks."""
    sizes = zip(config.orders, config.dimensions, strict=True)
    return Vq([_untrained(order, dimension) for order, dimension in sizes], demap=config.demap)


class Vq:
    """Codebooks whose codewords are the points of square constellations."""

    kind = PayloadKind.LATENT

    def __init__(self, codebooks: list[Tensor], *, demap: str = "hard") -> None:
        """Set up a mapper.

        Args:
            codebooks: real ``[M, D]`` of each mode; used as they are, not copied.
            demap: ``hard`` or ``posterior_mean``.

        Raises:
            ConfigError: M is not the order of a square constellation.
        """
        for codebook in codebooks:
            if codebook.ndim != 2 or len(codebook) not in get_args(Order):
                raise ConfigError(
                    f"a codebook must be [M, D] with M of {', '.join(map(str, get_args(Order)))} "
                    f"(got {list(codebook.shape)})"
                )
        self._codebooks, self._demap = codebooks, demap
        self._constellations = [constellation(len(codebook), "snake") for codebook in codebooks]

    def bind(self, tables: Mapping[str, Tensor]) -> "Vq":
        """The mapper with the codec's ``codebook0``, ``codebook1``, ...: see the module."""
        return Vq(numbered(tables, "codebook") or self._codebooks, demap=self._demap)

    @property
    def orders(self) -> tuple[int, ...]:
        """M of each mode: of its codebook."""
        return tuple(len(codebook) for codebook in self._codebooks)

    @property
    def values(self) -> tuple[int, ...]:
        """D of each mode's codewords."""
        return tuple(codebook.shape[-1] for codebook in self._codebooks)

    def points(self, mode: int = 0) -> Tensor:
        """The mode's constellation, complex128 ``[M]``."""
        check_mode("vq", mode, len(self._codebooks))
        return self._constellations[mode].points

    def quantise(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Index of the nearest codeword, int64 ``[B, k]``, of latents ``[B, k, D]``."""
        codebook = self._codebook(mode, payload)
        check_latent("vq", payload, codebook.shape[-1])
        # -|z - c|^2 without the |z|^2 that all codewords share, in one pass.
        return F.linear(payload, 2.0 * codebook, -codebook.square().sum(-1)).argmax(-1)

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map ``[B, k, D]`` to complex ``[B, k]``; no gradient.

        Raises:
            ConfigError: the payload is not real ``[B, k, D]``, or there is no such mode.
        """
        index = self.quantise(payload.detach(), mode)
        dtype = torch.promote_types(payload.dtype, torch.complex64)
        return self._constellations[mode].at(index, dtype)

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, D]`` from symbols ``[B, k]``; the codebook's mean where lost."""
        codebook = self._codebook(mode, symbols.real)
        chosen = self._constellations[mode]
        if self._demap == "posterior_mean":
            return chosen.posterior(symbols, noise_var) @ codebook
        detected = codebook[chosen.hard(symbols, noise_var)]
        return torch.where(torch.isinf(noise_var).unsqueeze(-1), codebook.mean(0), detected)

    def transmit(self, payload: Tensor, send: Send, mode: int = 0) -> Passed:
        """Straight through over quantisation and detection.

        Surrogate: ``payload_hat = payload + constant``; the codebook learns by its term alone.

        Returns:
            ``terms``: ``codebook``, mean of ``(received codeword - sg(z))^2``, and
            ``commitment``, mean of ``(z - sg(received codeword))^2`` (sg: no gradient). The
            paper's loss is distortion + codebook + 0.25 commitment.
        """
        received, noise_var = send(self.map(payload, mode))
        codewords = self.demap(received, noise_var, mode)
        terms = {
            "codebook": F.mse_loss(codewords, payload.detach()),
            "commitment": F.mse_loss(payload, codewords.detach()),
        }
        return Passed(payload + (codewords - payload).detach(), noise_var, terms)

    @torch.no_grad()
    def assign_points(self, generator: torch.Generator, symbol_error_rate: float = 0.1) -> None:
        """Order every codebook's rows, in place, so that close codewords lie on close points.

        Minimises the mean squared distance between sent and detected codeword, all being
        equally likely. Equal generators give equal orders. Averages of the optimiser belong to
        rows: do it after training, or begin them anew.

        Args:
            generator: of the starting points of the search, on the CPU.
            symbol_error_rate: of the hard decisions in the noise it is made for.
        """
        for codebook, chosen in zip(self._codebooks, self._constellations, strict=True):
            noise_var = detection_noise_var(chosen.order, symbol_error_rate)
            order = assign(codebook.detach().cpu(), transition(chosen, noise_var), chosen.lookup, generator)
            codebook.copy_(codebook[order.to(codebook.device)])

    def _codebook(self, mode: int, like: Tensor) -> Tensor:
        check_mode("vq", mode, len(self._codebooks))
        return self._codebooks[mode].to(like)


def _untrained(order: int, dimension: int) -> Tensor:
    """Uniform in (-1, 1), 16 bits of a Gold sequence a value."""
    bits = gold_sequence(order, order * dimension * _BITS_A_VALUE).reshape(order, dimension, _BITS_A_VALUE)
    weights = 2.0 ** -torch.arange(_BITS_A_VALUE, dtype=torch.float32)
    return bits.float() @ weights + (0.5**_BITS_A_VALUE - 1.0)
