"""A pseudo-random permutation by formula: O(1) memory an index, the same in every release.

A generalised Feistel network permutes the numbers below a * b, a and b near the square root of
the size; the few indices it sends outside ``[0, size)`` are sent through again until they fall
inside (cycle walking). Both after Black and Rogaway, "Ciphers with arbitrary finite domains",
2002; but the round function here only spreads, it does not hide: this is no encryption.
"""

from math import isqrt

import torch
from torch import Tensor

MAX_SIZE = 1 << 40
_ROUNDS = 6
"""Even; 4 leave a visible pattern between indices a power of two apart."""
_BLOCK = 8192
"""Indices handled at once: their intermediate results stay in the processor's cache."""
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
        self._high = isqrt(size - 1) + 1
        self._low = -(-size // self._high)
        keys = [_mixed_key(key + _GOLDEN_RATIO * (i + 1)) for i in range(_ROUNDS)]
        self._keys = list(zip(keys[0::2], keys[1::2], strict=True))

    def forward(self, index: Tensor) -> Tensor:
        """Image of each index.

        Args:
            index: int64, any shape, each in ``0 .. size - 1``.

        Returns:
            int64 of the same shape.

        Raises:
            ValueError: an index is out of range.
        """
        return self._walked(index, inverse=False)

    def inverse(self, index: Tensor) -> Tensor:
        """Preimage of each index: ``inverse(forward(i)) == i``. Arguments as :meth:`forward`."""
        return self._walked(index, inverse=True)

    def _walked(self, index: Tensor, *, inverse: bool) -> Tensor:
        flat = index.reshape(-1)
        if flat.numel() and (int(flat.min()) < 0 or int(flat.max()) >= self.size):
            raise ValueError(f"indices must be 0..{self.size - 1} (got {int(flat.min())}..{int(flat.max())})")
        network = self._backwards if inverse else self._forwards
        images = torch.empty_like(flat)
        for start in range(0, len(flat), _BLOCK):
            images[start : start + _BLOCK] = network(flat[start : start + _BLOCK])
        outside = (images >= self.size).nonzero().squeeze(-1)
        while outside.numel():
            moved = network(images[outside])
            images[outside] = moved
            outside = outside[moved >= self.size]
        return images.reshape(index.shape)

    def _forwards(self, index: Tensor) -> Tensor:
        high, low = self._split(index)
        for even, odd in self._keys:
            high = _wrapped(high + _scaled_hash(low, even, self._high) - self._high, self._high)
            low = _wrapped(low + _scaled_hash(high, odd, self._low) - self._low, self._low)
        return high * self._low + low

    def _backwards(self, index: Tensor) -> Tensor:
        high, low = self._split(index)
        for even, odd in reversed(self._keys):
            low = _wrapped(low - _scaled_hash(high, odd, self._low), self._low)
            high = _wrapped(high - _scaled_hash(low, even, self._high), self._high)
        return high * self._low + low

    def _split(self, index: Tensor) -> tuple[Tensor, Tensor]:
        high = index // self._low
        return high, index - high * self._low


def _wrapped(value: Tensor, modulus: int) -> Tensor:
    """``value`` in ``-modulus .. modulus - 1`` modulo ``modulus``, without a slow division."""
    return value + ((value >> 63) & modulus)


def _scaled_hash(value: Tensor, key: int, modulus: int) -> Tensor:
    """Hash in ``0 .. modulus - 1`` of values under 2**32: key, multiply, fold, multiply, scale."""
    value = ((value ^ key) * _MULTIPLIER_A) & _MASK32
    value = ((value ^ (value >> 15)) * _MULTIPLIER_B) & _MASK32
    return (value * modulus) >> 32


def _mixed_key(value: int) -> int:
    value = (value & _MASK32) * _MULTIPLIER_A & _MASK32
    value = (value ^ value >> 15) * _MULTIPLIER_B & _MASK32
    return value ^ value >> 16
