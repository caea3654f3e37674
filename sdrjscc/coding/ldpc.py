"""The LDPC code of 5G-NR with its rate matching (3GPP TS 38.212, clauses 5.2.2, 5.3.2, 5.4.2).

One block, redundancy version 0, no limited buffer: information bits (a CRC, if any, included)
are encoded with a lifted base graph, the first two columns and the filler bits are left out,
and the rest is read circularly until the coded bits are full; reading on past the end repeats.
"""

import numpy as np
import torch
from torch import Tensor

from sdrjscc.coding._base_graph import CORE_ROWS, choose_base_graph, lifted_graph

_SCALE = 0.7
"""Best or equal from rate 1/20 to 3/4 among 0.65, 0.7, 0.75, 0.8 and 0.85, at 20 iterations."""
_LARGEST_LLR = 1e18
_FILLER_LLR = 1e27
"""Filler bits are known to be zero: more certain than anything received."""


class LdpcCode:
    """A 5G-NR LDPC code for blocks of ``info_bits`` sent as ``coded_bits``.

    Args:
        info_bits: K, information bits with their CRC; at most 8448 in base graph 1, 3840 in 2.
        coded_bits: E, bits on the channel, at least K; beyond the mother code they repeat.
        base_graph: 1, 2, or ``None`` for the standard's choice by size and rate.
        modulation_order: bits a symbol of the bit interleaver (clause 5.4.2.2); 1 does nothing.

    Raises:
        ValueError: sizes that no such code has.
    """

    def __init__(
        self, info_bits: int, coded_bits: int, *, base_graph: int | None = None, modulation_order: int = 1
    ) -> None:
        if coded_bits < info_bits:
            raise ValueError(f"coded_bits must be at least info_bits, {info_bits} (got {coded_bits})")
        if modulation_order < 1 or coded_bits % modulation_order:
            raise ValueError(f"modulation_order must divide coded_bits {coded_bits} (got {modulation_order})")
        self.info_bits = info_bits
        self.coded_bits = coded_bits
        self.modulation_order = modulation_order
        self.base_graph = base_graph or choose_base_graph(info_bits, info_bits / coded_bits)
        graph = lifted_graph(self.base_graph, info_bits)
        self._unsent = 2 * graph.lifting
        self._parity_start = graph.info_columns * graph.lifting
        systematic = max(0, info_bits - self._unsent)
        self._buffer_bits = min(coded_bits, systematic + graph.code_bits - self._parity_start)
        parity_bits = max(0, self._buffer_bits - systematic)
        rows = max(CORE_ROWS, -(-parity_bits // graph.lifting))
        self._graph = graph.trimmed(info_bits, rows)

    def encode(self, bits: Tensor) -> Tensor:
        """Encode a batch.

        Args:
            bits: uint8 ``[B, info_bits]`` of zeros and ones.

        Returns:
            uint8 ``[B, coded_bits]``.

        Raises:
            ValueError: the shape is another.
        """
        from sdrjscc.coding import _ldpc_kernels

        _check_shape("bits", bits, self.info_bits)
        graph = self._graph
        words = torch.zeros(len(bits), graph.code_bits, dtype=torch.uint8)
        words[:, : self.info_bits] = bits
        _ldpc_kernels.encode(words.numpy(), graph.parts, graph.info_columns)
        buffer = torch.cat([words[:, self._unsent : self.info_bits], words[:, self._parity_start :]], dim=1)
        buffer = buffer[:, : self._buffer_bits]
        repeats = -(-self.coded_bits // self._buffer_bits)
        coded = buffer.repeat(1, repeats)[:, : self.coded_bits]
        return self._interleaved(coded, self.modulation_order).to(bits.device)

    def decode(self, llr: Tensor, iterations: int = 20) -> tuple[Tensor, Tensor]:
        """Decode a batch by layered normalised min-sum.

        Args:
            llr: log-likelihood ratios ``[B, coded_bits]``, positive for bit 0, 0 for unknown
                (so are NaN); any common factor is immaterial.
            iterations: the most passes over the code; a word stops at the first codeword.

        Returns:
            uint8 ``[B, info_bits]`` and bool ``[B]``: whether the word is a codeword with no bit
            left undecided. A codeword can be the wrong one: a CRC has to tell.

        Raises:
            ValueError: the shape is another.
        """
        from sdrjscc.coding import _ldpc_kernels

        _check_shape("llr", llr, self.coded_bits)
        posteriors = self._recover(llr)
        parity_ok = np.zeros(len(llr), dtype=np.bool_)
        _ldpc_kernels.decode(posteriors.numpy(), parity_ok, self._graph.parts, iterations, _SCALE)
        bits = (posteriors[:, : self.info_bits] < 0).to(torch.uint8)
        return bits.to(llr.device), torch.from_numpy(parity_ok).to(llr.device)

    def _interleaved(self, values: Tensor, rows: int) -> Tensor:
        """Written into a matrix row by row and read column by column (clause 5.4.2.2)."""
        return values.reshape(len(values), rows, self.coded_bits // rows).mT.reshape(values.shape)

    def _recover(self, llr: Tensor) -> Tensor:
        """Undo interleaving and rate matching: sums of repeats in place, float32 ``[B, code_bits]``."""
        llr = llr.detach().to("cpu", torch.float32)
        llr = self._interleaved(llr, self.coded_bits // self.modulation_order)
        llr = llr.nan_to_num(0.0, _LARGEST_LLR, -_LARGEST_LLR).clamp(-_LARGEST_LLR, _LARGEST_LLR)
        padded = torch.nn.functional.pad(llr, (0, -self.coded_bits % self._buffer_bits))
        buffer = padded.reshape(len(llr), padded.shape[1] // self._buffer_bits, self._buffer_bits).sum(1)
        systematic = max(0, self.info_bits - self._unsent)
        parity = buffer[:, systematic:]
        posteriors = torch.zeros(len(llr), self._graph.code_bits)
        posteriors[:, self._unsent : self.info_bits] = buffer[:, :systematic]
        posteriors[:, self.info_bits : self._parity_start] = _FILLER_LLR
        posteriors[:, self._parity_start : self._parity_start + parity.shape[1]] = parity
        return posteriors


def _check_shape(name: str, values: Tensor, width: int) -> None:
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{name} must have shape [B, {width}] (got {list(values.shape)})")
