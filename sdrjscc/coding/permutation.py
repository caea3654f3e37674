"""A pseudo-random permutation by formula: O(1) memory an index, the same in every release.

An alternating Feistel network permutes the numbers of w bits; indices it sends outside
``[0, size)`` are sent through again until they fall inside (cycle walking, Black and Rogaway,
"Ciphers with arbitrary finite domains", 2002). As 2**w < 2 * size, that is under two passes on average.
It spreads, it does not hide: this is no encryption.
"""

import torch
from torch import Tensor

MAX_SIZE = 1 << 40
_ROUNDS = 6
_MASK32 = 0xFFFFFFFF
# Odd, under 2**31, so that a product with 32 bits stays inside int64.
_MULTIPLIER_A = 0x7FEB352D
_MULTIPLIER_B = 0x45D9F3B
_GOLDEN_RATIO = 0x9E3779B9


class Permutation:
    """A bijection of ``0 .. size - 1`` chosen by a key.

    Args:
        size: number of indices, 1 to 2**40.
        key: which permutation, 0 to 2**32 - 1.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, size: int, key: int) -> None:
        if not 1 <= size <= MAX_SIZE:
            raise ValueError(f"size must be 1..2**40 (got {size})")
        if not 0 <= key <= _MASK32:
            raise ValueError(f"key must be 0..2**32-1 (got {key})")
        self.size = size
        bits = (size - 1).bit_length()
        self._low_bits = bits // 2
        self._low_mask = (1 << self._low_bits) - 1
        self._high_mask = (1 << (bits - self._low_bits)) - 1
        self._keys = [_mix_int(key + _GOLDEN_RATIO * (i + 1) + size) for i in range(_ROUNDS)]

    def forward(self, index: Tensor) -> Tensor:
        """Image of each index.

        Args:
            index: int64, any shape, each in ``0 .. size - 1``.

        Returns:
            int64 of the same shape.

        Raises:
            ValueError: an index is out of range.
        """
        return self._walk(index, inverse=False)

    def inverse(self, index: Tensor) -> Tensor:
        """Preimage of each index: ``inverse(forward(i)) == i``. Arguments as :meth:`forward`."""
        return self._walk(index, inverse=True)

    def _walk(self, index: Tensor, *, inverse: bool) -> Tensor:
        flat = index.reshape(-1)
        if flat.numel() and not (0 <= int(flat.min()) and int(flat.max()) < self.size):
            raise ValueError(f"indices must be 0..{self.size - 1} (got {int(flat.min())}..{int(flat.max())})")
        flat = self._pass(flat, inverse)
        outside = (flat >= self.size).nonzero().squeeze(-1)
        while outside.numel():
            moved = self._pass(flat[outside], inverse)
            flat[outside] = moved
            outside = outside[moved >= self.size]
        return flat.reshape(index.shape)

    def _pass(self, index: Tensor, inverse: bool) -> Tensor:
        high, low = index >> self._low_bits, index & self._low_mask
        order = range(_ROUNDS - 1, -1, -1) if inverse else range(_ROUNDS)
        for i in order:
            if i % 2:
                low = low ^ (_mix(high, self._keys[i]) & self._low_mask)
            else:
                high = high ^ (_mix(low, self._keys[i]) & self._high_mask)
        return (high << self._low_bits) | low


def _mix(value: Tensor, key: int) -> Tensor:
    """32-bit hash of values under 2**32: a keyed multiply, fold, multiply, fold."""
    value = ((value ^ key) * _MULTIPLIER_A) & _MASK32
    value = ((value ^ (value >> 15)) * _MULTIPLIER_B) & _MASK32
    return value ^ (value >> 16)


def _mix_int(value: int) -> int:
    value = (value & _MASK32) * _MULTIPLIER_A & _MASK32
    value = (value ^ value >> 15) * _MULTIPLIER_B & _MASK32
    return value ^ value >> 16
