"""Samples as bytes and back: numpy only, on one thread, without a loop over samples."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Complex = NDArray[np.complex64]


@dataclass(frozen=True)
class Format:
    """One complex datatype of SigMF.

    Attributes:
        component: type of I and of Q.
        full_scale: the code that stands for 1.0.
        middle: the code that stands for 0.
    """

    component: str
    full_scale: float
    middle: float = 0.0

    def bytes_per_sample(self, antennas: int) -> int:
        """Bytes of one sample of all antennas."""
        return 2 * antennas * np.dtype(self.component).itemsize


# 32768 rather than 32767: the codes of 8-, 12-, 14- and 16-bit converters survive exactly, and
# sigmf-python scales the same way. +1.0 itself is then one step beyond the range.
FORMATS = {
    "ci16_le": Format("<i2", 32768.0),
    "cf32_le": Format("<f4", 1.0),
    "ci8": Format("i1", 128.0),
    "cu8": Format("u1", 128.0, 128.0),
}
WRITTEN = ("ci16_le", "cf32_le")

_LOWEST, _HIGHEST = -32768.0, 32767.0


def encode(samples: Complex, datatype: str) -> tuple[NDArray[np.generic], int]:
    """Code complex64 ``[antennas, n]`` as one of ``WRITTEN``.

    Returns:
        The components, sample after sample, and how many samples were clipped (or not a number,
        which is written as 0): only whole numbers can be.
    """
    rails = np.ascontiguousarray(samples.T).view(np.float32)
    form = FORMATS[datatype]
    if datatype == "cf32_le":
        return rails.astype(form.component, copy=False), 0
    codes = rails * np.float32(form.full_scale)
    np.rint(codes, out=codes)
    clipped = 0
    if not (codes.min(initial=0.0) >= _LOWEST and codes.max(initial=0.0) <= _HIGHEST):  # or not a number
        within = (codes >= _LOWEST) & (codes <= _HIGHEST)
        clipped = int((~within).reshape(-1, 2).any(axis=1).sum())
        codes = np.nan_to_num(codes, nan=0.0).clip(_LOWEST, _HIGHEST)
    return codes.astype(form.component), clipped


def decode(raw: bytes, datatype: str, antennas: int) -> Tensor:
    """Samples complex64 ``[antennas, n]``, full scale 1.0, from the bytes of ``n`` whole samples."""
    form = FORMATS[datatype]
    rails = np.frombuffer(raw, form.component).astype(np.float32)
    if form.middle:
        rails -= np.float32(form.middle)
    if form.full_scale != 1.0:
        rails *= np.float32(1.0 / form.full_scale)
    samples = rails.view(np.complex64).reshape(-1, antennas)
    return torch.from_numpy(np.ascontiguousarray(samples.T))
