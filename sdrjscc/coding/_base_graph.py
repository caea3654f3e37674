"""The two LDPC base graphs of 5G-NR and their lifting (3GPP TS 38.212, clause 5.3.2).

``nr_bg1.csv`` and ``nr_bg2.csv`` are tables 5.3.2-2 and 5.3.2-3 of the standard as carried by
the package sionna-no-rt 2.2.0 (Apache-2.0): row, column, and a shift for each of the eight
sets of lifting sizes.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

CORE_ROWS = 4
"""The first rows' parity columns form the dual-diagonal core; each later row adds one column."""

_SET_FACTORS = (2, 3, 5, 7, 9, 11, 13, 15)  # table 5.3.2-1: Z = factor * 2**j, set by factor
_MAX_LIFTING = 384
_INFO_COLUMNS = {1: 22, 2: 10}
_ROWS = {1: 46, 2: 42}
_MAX_INFO_BITS = {1: 8448, 2: 3840}


@dataclass(frozen=True)
class LiftedGraph:
    """A base graph lifted for one number of information bits; edges sorted by row, then column.

    Attributes:
        base_graph: 1 or 2.
        lifting: Z, the size of a circulant.
        info_columns: base columns of information and filler bits (22 or 10).
        row_start: uint64 ``[rows + 1]``, first edge of each row.
        columns: uint64 ``[edges]``, base column of an edge.
        shifts: uint64 ``[edges]``, its circular shift in ``0 .. Z - 1``.
    """

    base_graph: int
    lifting: int
    info_columns: int
    row_start: NDArray[np.uint64]
    columns: NDArray[np.uint64]
    shifts: NDArray[np.uint64]

    @property
    def rows(self) -> int:
        """Number of base rows."""
        return len(self.row_start) - 1

    @property
    def code_bits(self) -> int:
        """Bits of a codeword, filler and punctured bits included."""
        return (self.info_columns + self.rows) * self.lifting

    @property
    def parts(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], np.uint64]:
        """What the compiled loops take: ``row_start``, ``columns``, ``shifts``, ``lifting``."""
        return self.row_start, self.columns, self.shifts, np.uint64(self.lifting)

    def trimmed(self, info_bits: int, rows: int) -> "LiftedGraph":
        """Without later rows, and without the edges of columns that hold filler bits only."""
        last_edge = self.row_start[rows]
        columns = self.columns[:last_edge]
        first_filler_column = -(-info_bits // self.lifting)
        kept = (columns < first_filler_column) | (columns >= self.info_columns)
        row_start = np.concatenate([[0], np.cumsum(kept)])[self.row_start[: rows + 1]].astype(np.uint64)
        shifts = self.shifts[:last_edge]
        return LiftedGraph(
            self.base_graph, self.lifting, self.info_columns, row_start, columns[kept], shifts[kept]
        )


def choose_base_graph(info_bits: int, rate: float) -> int:
    """Base graph for a block of ``info_bits`` at code rate ``rate`` (clauses 6.2.2 and 7.2.2)."""
    if info_bits <= 292 or (info_bits <= 3824 and rate <= 0.67) or rate <= 0.25:
        return 2
    return 1


def lifted_graph(base_graph: int, info_bits: int) -> LiftedGraph:
    """The base graph lifted with the smallest size that holds ``info_bits``.

    Raises:
        ValueError: the base graph does not exist or does not hold that many bits.
    """
    if base_graph not in _INFO_COLUMNS:
        raise ValueError(f"base_graph must be 1 or 2 (got {base_graph})")
    if not 1 <= info_bits <= _MAX_INFO_BITS[base_graph]:
        raise ValueError(
            f"info_bits must be 1..{_MAX_INFO_BITS[base_graph]} in base graph {base_graph} (got {info_bits})"
        )
    lifting, shift_set = _choose_lifting(base_graph, info_bits)
    row_start, columns, shifts = _table(base_graph)
    lifted = (shifts[:, shift_set] % lifting).astype(np.uint64)
    return LiftedGraph(base_graph, lifting, _INFO_COLUMNS[base_graph], row_start, columns, lifted)


def _choose_lifting(base_graph: int, info_bits: int) -> tuple[int, int]:
    """Lifting size and its set: the smallest Z with Kb * Z >= info_bits (clause 5.2.2)."""
    used_columns = 22 if base_graph == 1 else _used_columns_bg2(info_bits)
    sizes = [
        (factor << j, shift_set)
        for shift_set, factor in enumerate(_SET_FACTORS)
        for j in range(8)
        if factor << j <= _MAX_LIFTING
    ]
    return min(size for size in sizes if used_columns * size[0] >= info_bits)


def _used_columns_bg2(info_bits: int) -> int:
    for threshold, used in ((640, 10), (560, 9), (192, 8)):
        if info_bits > threshold:
            return used
    return 6


@lru_cache(maxsize=2)
def _table(base_graph: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """First edge of each row, columns ``[edges]`` and shifts ``[edges, 8]`` of a base graph."""
    text = resources.files("sdrjscc.coding").joinpath(f"nr_bg{base_graph}.csv").read_text(encoding="ascii")
    row, entries = 0, []
    for line in text.splitlines()[2:]:
        first, *values = line.split(";")
        row = int(first) if first else row
        entries.append((row, *map(int, values)))
    table = np.array(sorted(entries), dtype=np.uint64)
    row_start = np.searchsorted(table[:, 0], np.arange(_ROWS[base_graph] + 1)).astype(np.uint64)
    return row_start, table[:, 1].copy(), table[:, 2:].copy()
