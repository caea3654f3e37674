"""Samples that wait, in the order in which they came."""

from collections import deque

import torch
from torch import Tensor


class SampleQueue:
    """Chunks ``[..., n]`` in, pieces of any length out.

    Attributes:
        count: samples that wait, each of all antennas.
    """

    def __init__(self) -> None:
        self._chunks: deque[Tensor] = deque()
        self.count = 0

    def put(self, samples: Tensor) -> None:
        """Add samples ``[..., n]`` at the end."""
        if samples.shape[-1]:
            self._chunks.append(samples)
            self.count += samples.shape[-1]

    def put_back(self, samples: Tensor) -> None:
        """Add samples that were taken at the front again."""
        self._chunks.appendleft(samples)
        self.count += samples.shape[-1]

    def take(self, most: int) -> Tensor:
        """Remove and return ``most`` samples ``[..., n]``, or all there are; there must be one."""
        pieces, missing = [], min(most, self.count)
        self.count -= missing
        while missing:
            chunk = self._chunks.popleft()
            if chunk.shape[-1] > missing:
                self._chunks.appendleft(chunk[..., missing:])
                chunk = chunk[..., :missing]
            pieces.append(chunk)
            missing -= chunk.shape[-1]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)

    def clear(self) -> None:
        """Forget everything."""
        self._chunks.clear()
        self.count = 0
