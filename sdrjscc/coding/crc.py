"""Cyclic redundancy checks of 5G-NR (3GPP TS 38.212, clause 5.1), most significant bit first.

Both start from zero and are not inverted: CRC16 is the CRC-16/XMODEM, CRC24A the CRC-24/LTE-A
of the catalogues. A checksum is linear over GF(2), so it is one matrix product for a batch.
"""

from functools import lru_cache

import torch
from torch import Tensor

CRC16_POLYNOMIAL = 0x1021
CRC24A_POLYNOMIAL = 0x864CFB


def crc16(bits: Tensor) -> Tensor:
    """Parity bits of gCRC16(D) = D^16 + D^12 + D^5 + 1.

    Args:
        bits: zeros and ones, any integer type, ``[..., n]``, first transmitted bit first.

    Returns:
        uint8 ``[..., 16]``, most significant parity bit first.
    """
    return _parity(bits, CRC16_POLYNOMIAL, 16)


def crc24a(bits: Tensor) -> Tensor:
    """Parity bits of gCRC24A(D), polynomial 0x864CFB.

    Args:
        bits: zeros and ones, any integer type, ``[..., n]``, first transmitted bit first.

    Returns:
        uint8 ``[..., 24]``, most significant parity bit first.
    """
    return _parity(bits, CRC24A_POLYNOMIAL, 24)


def _parity(bits: Tensor, polynomial: int, degree: int) -> Tensor:
    # Sums of at most 2**24 ones are exact in float32, which has the fast product.
    remainders = _remainders(bits.shape[-1], polynomial, degree).to(bits.device)
    return (bits.to(torch.float32) @ remainders).remainder(2).to(torch.uint8)


@lru_cache(maxsize=16)
def _remainders(length: int, polynomial: int, degree: int) -> Tensor:
    """Row i: D^(length - 1 - i + degree) modulo the generator, as bits ``[length, degree]``."""
    rows, remainder = [], polynomial
    for _ in range(length):
        rows.append(remainder)
        overflow = remainder >> (degree - 1)
        remainder = ((remainder << 1) & ((1 << degree) - 1)) ^ (polynomial * overflow)
    values = torch.tensor(rows[::-1], dtype=torch.int64).reshape(length, 1)
    return ((values >> torch.arange(degree - 1, -1, -1)) & 1).to(torch.float32)
