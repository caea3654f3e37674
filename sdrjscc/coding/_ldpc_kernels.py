"""The loops of the LDPC code that must be machine code. Import it where it is used: it compiles.

Compiled once and kept in numba's disk cache; where no cache can be written, compiled for this
process. All walk a lifted base graph (:class:`sdrjscc.coding._base_graph.LiftedGraph`) edge by
edge; the inner loops run over the Z bits of a circulant, in two slices where the circular shift
wraps, so that they vectorise.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Int = NDArray[np.int32]
_Float = NDArray[np.float32]

_GRAPH = "i4[::1],i4[::1],i4[::1],i8"


def _machine_code(signature: str) -> Callable[[_Function], _Function]:
    def compiled(function: _Function) -> _Function:
        try:
            result = numba.njit(signature, nogil=True, fastmath=True, cache=True)(function)
        except (RuntimeError, OSError):
            # Neither the installation nor the user's cache folder can be written.
            result = numba.njit(signature, nogil=True, fastmath=True)(function)
        return result  # type: ignore[no-any-return]

    return compiled


def _inlined(function: _Function) -> _Function:
    return numba.njit(nogil=True, fastmath=True)(function)  # type: ignore[no-any-return]


@_inlined
def _add_rotated(total: NDArray[np.uint8], block: NDArray[np.uint8], shift: int) -> None:
    """``total[z] ^= block[(z + shift) mod Z]``."""
    wrap = len(total) - shift
    head, tail, late = block[shift:], block[:shift], total[wrap:]
    for z in range(wrap):
        total[z] ^= head[z]
    for z in range(shift):
        late[z] ^= tail[z]


@_machine_code(f"void(u1[:,::1],{_GRAPH},i8)")
def encode(
    words: NDArray[np.uint8], row_start: _Int, columns: _Int, shifts: _Int, lifting: int, info_columns: int
) -> None:
    """Fill in the parity bits of systematic words, uint8 ``[B, code_bits]``, in place.

    In every row but the last of the core, the last column has shift 0 and appears for the first
    time: it is the sum of the others. Only the first core column needs the sum of all core rows,
    in which everything else of the core cancels.
    """
    total = np.empty(lifting, dtype=np.uint8)
    for b in range(words.shape[0]):
        blocks = words[b].reshape(-1, lifting)
        total[:] = 0
        shift = 0
        for e in range(row_start[4]):
            if columns[e] < info_columns:
                _add_rotated(total, blocks[columns[e]], shifts[e])
            elif columns[e] == info_columns:
                # Of its three entries two have equal shifts and cancel.
                shift ^= shifts[e]
        blocks[info_columns] = 0
        _add_rotated(blocks[info_columns], total, (lifting - shift) % lifting)
        for r in range(len(row_start) - 1):
            if r != 3:
                last = row_start[r + 1] - 1
                total[:] = 0
                for e in range(row_start[r], last):
                    _add_rotated(total, blocks[columns[e]], shifts[e])
                blocks[columns[last]] = total


@_inlined
def _gather(
    extrinsic: _Float, least: _Float, second: _Float, sign: _Float, posterior: _Float, message: _Float
) -> None:
    """Take an edge's message out of the posterior and keep the row's two smallest magnitudes."""
    for z in range(len(extrinsic)):
        value = posterior[z] - message[z]
        extrinsic[z] = value
        magnitude = abs(value)
        larger = max(magnitude, least[z])
        least[z] = min(magnitude, least[z])
        second[z] = min(second[z], larger)
        sign[z] = -sign[z] if value < 0 else sign[z]


@_inlined
def _scatter(
    extrinsic: _Float, least: _Float, second: _Float, sign: _Float, posterior: _Float, message: _Float
) -> None:
    """Make an edge's new message and add it to the posterior."""
    for z in range(len(extrinsic)):
        value = extrinsic[z]
        # A tie for the least is a tie with the second as well, so the position need not be kept.
        fresh = second[z] if abs(value) == least[z] else least[z]
        fresh = -fresh * sign[z] if value < 0 else fresh * sign[z]
        message[z] = fresh
        posterior[z] = value + fresh


@_inlined
def _is_codeword(posterior: _Float, row_start: _Int, columns: _Int, shifts: _Int, lifting: int) -> bool:
    """Whether every parity check holds and no bit is undecided (posterior exactly 0)."""
    odd = np.empty(lifting, dtype=np.uint8)
    for r in range(len(row_start) - 1):
        odd[:] = 0
        undecided = 0
        for e in range(row_start[r], row_start[r + 1]):
            block = posterior[columns[e] * lifting : (columns[e] + 1) * lifting]
            shift = shifts[e]
            wrap = lifting - shift
            head, tail, late = block[shift:], block[:shift], odd[wrap:]
            for z in range(wrap):
                odd[z] ^= head[z] < 0
                undecided += head[z] == 0
            for z in range(shift):
                late[z] ^= tail[z] < 0
                undecided += tail[z] == 0
        if undecided or odd.any():
            return False
    return True


@_machine_code(f"void(f4[:,::1],b1[::1],{_GRAPH},i8,f4)")
def decode(
    posteriors: _Float,
    parity_ok: NDArray[np.bool_],
    row_start: _Int,
    columns: _Int,
    shifts: _Int,
    lifting: int,
    iterations: int,
    scale: float,
) -> None:
    """Layered normalised min-sum decoding (Chen et al., 2005) of a batch of words, in place.

    Args:
        posteriors: finite log-likelihood ratios ``[B, code_bits]``; replaced by the posteriors.
        parity_ok: ``[B]``, set where a codeword was found; that stops a word's iterations.
        row_start, columns, shifts, lifting: the lifted graph.
        iterations: the most passes over all rows.
        scale: what the smallest magnitude of a row is multiplied by.
    """
    rows = len(row_start) - 1
    degree = 0
    for r in range(rows):
        degree = max(degree, row_start[r + 1] - row_start[r])
    extrinsic = np.empty((degree, lifting), dtype=np.float32)
    messages = np.empty((len(columns), lifting), dtype=np.float32)
    least = np.empty(lifting, dtype=np.float32)
    second = np.empty(lifting, dtype=np.float32)
    sign = np.empty(lifting, dtype=np.float32)
    for b in range(posteriors.shape[0]):
        parity_ok[b] = False
        messages[:] = 0
        blocks = posteriors[b].reshape(-1, lifting)
        for _ in range(iterations):
            for r in range(rows):
                least[:] = np.float32(3e38)
                second[:] = np.float32(3e38)
                sign[:] = scale
                first, last = row_start[r], row_start[r + 1]
                for e in range(first, last):
                    x, v, m, s = extrinsic[e - first], blocks[columns[e]], messages[e], shifts[e]
                    w = lifting - s
                    _gather(x[:w], least[:w], second[:w], sign[:w], v[s:], m[:w])
                    _gather(x[w:], least[w:], second[w:], sign[w:], v[:s], m[w:])
                for e in range(first, last):
                    x, v, m, s = extrinsic[e - first], blocks[columns[e]], messages[e], shifts[e]
                    w = lifting - s
                    _scatter(x[:w], least[:w], second[:w], sign[:w], v[s:], m[:w])
                    _scatter(x[w:], least[w:], second[w:], sign[w:], v[:s], m[w:])
            if _is_codeword(posteriors[b], row_start, columns, shifts, lifting):
                parity_ok[b] = True
                break
