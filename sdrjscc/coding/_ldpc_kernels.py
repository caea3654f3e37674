"""The loops of the LDPC code that must be machine code. Import it where it is used: it compiles.

The loops walk a :class:`sdrjscc.coding._base_graph.LiftedGraph` edge by edge. Indices are unsigned,
which spares numba's handling of negative ones and lets loops vectorise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import inlined, machine_code

_Index = NDArray[np.uint64]
_Graph = tuple[_Index, _Index, _Index, np.uint64]
"""First edge of each row, columns, shifts, lifting size: the parts of a lifted graph."""

_GRAPH = "Tuple((u8[::1],u8[::1],u8[::1],u8))"
_LANES = 16
"""Rows are padded to a multiple of this many values: whole vector registers, no remainder loops."""
_HUGE = np.float32(3e38)


@inlined
def _add(total: Any, at: Any, values: Any, start: Any, count: Any) -> None:
    for z in range(count):
        total[at + z] ^= values[start + z]


@inlined
def _copy(target: Any, at: Any, values: Any, start: Any, count: Any) -> None:
    for z in range(count):
        target[at + z] = values[start + z]


@inlined
def _add_signs(odd: Any, at: Any, values: Any, start: Any, count: Any) -> None:
    for z in range(count):
        odd[at + z] ^= values[start + z] < 0


@machine_code(f"void(u1[:,::1],{_GRAPH},u8)")
def encode(words: NDArray[np.uint8], graph: _Graph, info_columns: int) -> None:
    """Fill in the parity bits of systematic words, uint8 ``[B, code_bits]``, in place.

    In every row but the last of the core, the last column has shift 0 and appears for the first
    time: it is the sum of the others. Only the first core column needs the sum of all core rows,
    in which everything else of the core cancels.
    """
    row_start, columns, shifts, lifting = graph
    zero = np.uint64(0)
    total = np.empty(lifting, dtype=np.uint8)
    for b in range(words.shape[0]):
        word = words[b]
        total[:] = 0
        core_shift = zero
        for e in range(row_start[4]):
            if columns[e] < info_columns:
                wrap = lifting - shifts[e]
                _add(total, zero, word, columns[e] * lifting + shifts[e], wrap)
                _add(total, wrap, word, columns[e] * lifting, shifts[e])
            elif columns[e] == info_columns:
                # Of its three entries two have equal shifts and cancel.
                core_shift ^= shifts[e]
        wrap = lifting - core_shift
        _copy(word, info_columns * lifting + core_shift, total, zero, wrap)
        _copy(word, info_columns * lifting, total, wrap, core_shift)
        for r in range(len(row_start) - 1):
            if r != 3:
                last = row_start[r + 1] - np.uint64(1)
                total[:] = 0
                for e in range(row_start[r], last):
                    wrap = lifting - shifts[e]
                    _add(total, zero, word, columns[e] * lifting + shifts[e], wrap)
                    _add(total, wrap, word, columns[e] * lifting, shifts[e])
                _copy(word, columns[last] * lifting, total, zero, lifting)


@inlined
def _gather(extrinsic: Any, at: Any, messages: Any, start: Any, row: Any, count: Any) -> None:
    """Take old messages out of posteriors; update a row's least, second magnitude and sign."""
    least, second, sign = row
    for z in range(count):
        value = extrinsic[at + z] - messages[start + z]
        extrinsic[at + z] = value
        magnitude = abs(value)
        larger = magnitude if magnitude > least[z] else least[z]
        least[z] = magnitude if magnitude < least[z] else least[z]
        second[z] = larger if larger < second[z] else second[z]
        sign[z] = -sign[z] if value < 0 else sign[z]


@inlined
def _scatter(extrinsic: Any, at: Any, messages: Any, start: Any, row: Any, count: Any) -> None:
    """Make new messages and turn extrinsic values into posteriors with them."""
    least, second, sign = row
    for z in range(count):
        value = extrinsic[at + z]
        # A tie for the least is a tie with the second as well, so its position need not be kept.
        magnitude = second[z] if abs(value) == least[z] else least[z]
        message = (-magnitude if value < 0 else magnitude) * sign[z]
        messages[start + z] = message
        extrinsic[at + z] = value + message


@inlined
def _is_codeword(word: Any, graph: Any) -> Any:
    """Whether every parity check holds and no bit is undecided (posterior exactly 0)."""
    row_start, columns, shifts, lifting = graph
    zero = np.uint64(0)
    odd = np.empty(lifting, dtype=np.uint8)
    for r in range(len(row_start) - 1):
        odd[:] = 0
        for e in range(row_start[r], row_start[r + 1]):
            wrap = lifting - shifts[e]
            _add_signs(odd, zero, word, columns[e] * lifting + shifts[e], wrap)
            _add_signs(odd, wrap, word, columns[e] * lifting, shifts[e])
        if odd.any():
            return False
    return word.all()


@machine_code(f"void(f4[:,::1],b1[::1],{_GRAPH},i8,f4)")
def decode(
    posteriors: NDArray[np.float32],
    parity_ok: NDArray[np.bool_],
    graph: _Graph,
    iterations: int,
    scale: float,
) -> None:
    """Layered normalised min-sum decoding (Chen et al., 2005) of a batch of words, in place.

    Args:
        posteriors: finite log-likelihood ratios ``[B, code_bits]``; replaced by the posteriors.
        parity_ok: ``[B]``, set where a codeword was found; that ends a word's iterations.
        graph: the parts of the lifted graph.
        iterations: the most passes over all rows.
        scale: what the magnitudes of messages are multiplied by.
    """
    row_start, columns, shifts, lifting = graph
    stride = (lifting + np.uint64(_LANES - 1)) // np.uint64(_LANES) * np.uint64(_LANES)
    extrinsic = np.zeros(np.max(row_start[1:] - row_start[:-1]) * stride, dtype=np.float32)
    messages = np.empty(len(columns) * stride, dtype=np.float32)
    least = np.empty(stride, dtype=np.float32)
    second = np.empty(stride, dtype=np.float32)
    sign = np.empty(stride, dtype=np.float32)
    row = least, second, sign
    for b in range(posteriors.shape[0]):
        word = posteriors[b]
        messages[:] = 0
        parity_ok[b] = False
        for _ in range(iterations):
            for r in range(len(row_start) - 1):
                least[:] = _HUGE
                second[:] = _HUGE
                sign[:] = scale
                for e in range(row_start[r], row_start[r + 1]):
                    at, start, wrap = (e - row_start[r]) * stride, columns[e] * lifting, lifting - shifts[e]
                    _copy(extrinsic, at, word, start + shifts[e], wrap)
                    _copy(extrinsic, at + wrap, word, start, shifts[e])
                    _gather(extrinsic, at, messages, e * stride, row, stride)
                for e in range(row_start[r], row_start[r + 1]):
                    at, start, wrap = (e - row_start[r]) * stride, columns[e] * lifting, lifting - shifts[e]
                    _scatter(extrinsic, at, messages, e * stride, row, stride)
                    _copy(word, start + shifts[e], extrinsic, at, wrap)
                    _copy(word, start, extrinsic, at + wrap, shifts[e])
            if _is_codeword(word, graph):
                parity_ok[b] = True
                break
