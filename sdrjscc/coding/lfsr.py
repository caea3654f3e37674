"""Pseudo-random sequences from shift registers: pilots, scrambling and sign tables.

The length-31 Gold sequence of 3GPP TS 38.211, clause 5.2.1. It is arithmetic written down in
a standard, so the tables are the same in every release of every library.
"""

import math

import torch
from torch import Tensor

_DISCARDED = 1600  # Nc of the standard
_DEGREE = 31


def gold_sequence(c_init: int, length: int) -> Tensor:
    """Gold sequence c(n) of TS 38.211, clause 5.2.1.

    Args:
        c_init: initial state of the second register, 0 to 2**31 - 1.
        length: number of bits, at least 0.

    Returns:
        uint8 ``[length]`` of zeros and ones.

    Raises:
        ValueError: an argument is outside its range.
    """
    if not 0 <= c_init < 1 << _DEGREE:
        raise ValueError(f"c_init must be 0..2**31-1 (got {c_init})")
    if length < 0:
        raise ValueError(f"length must be at least 0 (got {length})")
    total = _DISCARDED + length
    first = _register(1, (0, 3), total)
    second = _register(c_init, (0, 1, 2, 3), total)
    return (first ^ second)[_DISCARDED:]


def qpsk_sequence(c_init: int, length: int) -> Tensor:
    """Unit-modulus QPSK symbols from a Gold sequence (TS 38.211, clause 7.4.1.1.1).

    Args:
        c_init: see :func:`gold_sequence`.
        length: number of symbols.

    Returns:
        complex64 ``[length]``: ``((1 - 2 c(2n)) + j (1 - 2 c(2n + 1))) / sqrt(2)``.
    """
    signs = sign_sequence(c_init, 2 * length) * math.sqrt(0.5)
    return torch.complex(signs[0::2], signs[1::2])


def sign_sequence(c_init: int, length: int) -> Tensor:
    """Signs ``1 - 2 c(n)`` of a Gold sequence, float32 ``[length]`` of +1 and -1."""
    return 1.0 - 2.0 * gold_sequence(c_init, length).to(torch.float32)


def _register(state: int, taps: tuple[int, ...], length: int) -> Tensor:
    """Output of x(n + 31) = sum of x(n + tap) mod 2, the state being its first 31 bits.

    Over GF(2) the recurrence also holds with every delay doubled, so each pass may use the
    widest one that fits: the sequence nearly doubles a pass instead of growing bit by bit.
    """
    bits = (torch.tensor(state) >> torch.arange(_DEGREE)) & 1
    bits = bits.to(torch.uint8)
    while len(bits) < length:
        step = 1 << ((len(bits) // _DEGREE).bit_length() - 1)
        known = bits[len(bits) - _DEGREE * step :]
        width = (_DEGREE - max(taps)) * step
        fresh = torch.zeros(width, dtype=torch.uint8)
        for tap in taps:
            fresh = fresh ^ known[tap * step : tap * step + width]
        bits = torch.cat([bits, fresh])
    return bits[:length]
