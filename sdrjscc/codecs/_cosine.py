"""The orthonormal discrete cosine transform of whole pictures, DCT-II, and its inverse.

By an FFT of the same length (J. Makhoul, "A fast cosine transform in one and two dimensions", 1980):
a cosine matrix of 4095 px a side would take a hundred times as long.
"""

import math

import torch
from torch import Tensor


def dct2(planes: Tensor) -> Tensor:
    """Orthonormal DCT-II over the last two axes of real ``[..., H, W]``."""
    return _dct(_dct(planes).mT).mT


def idct2(spectrum: Tensor) -> Tensor:
    """Inverse of :func:`dct2`."""
    return _idct(_idct(spectrum).mT).mT


def _dct(values: Tensor) -> Tensor:
    n = values.shape[-1]
    folded = torch.cat([values[..., ::2], values[..., 1::2].flip(-1)], dim=-1)
    half = torch.fft.rfft(folded, norm="ortho") * _twiddle(n, values)
    return torch.cat([half.real, -half.imag[..., 1 : (n + 1) // 2].flip(-1)], dim=-1)


def _idct(values: Tensor) -> Tensor:
    n = values.shape[-1]
    mirrored = torch.nn.functional.pad(values.flip(-1), (1, 0))[..., : n // 2 + 1]
    half = torch.complex(values[..., : n // 2 + 1], -mirrored) / _twiddle(n, values)
    folded = torch.fft.irfft(half, n=n, norm="ortho")
    unfolded = torch.empty_like(folded)
    unfolded[..., ::2] = folded[..., : (n + 1) // 2]
    unfolded[..., 1::2] = folded[..., (n + 1) // 2 :].flip(-1)
    return unfolded


def _twiddle(n: int, like: Tensor) -> Tensor:
    """Phasors ``[n // 2 + 1]`` of the first half of the frequencies, with their scale."""
    index = torch.arange(n // 2 + 1, dtype=torch.float64)
    scale = torch.full_like(index, math.sqrt(2.0))
    scale[0] = 1.0
    phasors = torch.polar(scale, -math.pi / (2 * n) * index)
    return phasors.to(like.device, torch.promote_types(like.dtype, torch.complex64))
