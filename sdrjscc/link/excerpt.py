"""Samples around a picture's first packet, for figures: a stream is long, and mostly silence."""

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from sdrjscc.link.receiver import Packet

_SAMPLES = 1 << 16
_BEFORE = 1 << 10
_HELD = 1 << 19


class Excerpt:
    """Remembers the newest half million samples of a stream, and cuts out of them."""

    def __init__(self, antennas: int) -> None:
        """Remember nothing yet, of so many antennas."""
        self._antennas = antennas
        self._pieces: deque[tuple[int, Tensor]] = deque()

    def add(self, position: int, samples: Tensor) -> None:
        """Remember complex64 ``[antennas, n]`` that began at ``position`` of the stream."""
        self._pieces.append((position, samples))
        while len(self._pieces) > 1 and position - self._pieces[1][0] > _HELD:
            self._pieces.popleft()

    def of(self, packets: Sequence[Packet]) -> Tensor:
        """Samples from shortly before the first of these packets; without any, the oldest held."""
        return self.around(packets[0].start_sample if packets else None)

    def around(self, position: float | None) -> Tensor:
        """Up to 65,536 samples from shortly before ``position``; ``None``: the oldest there are.

        Returns:
            complex64 ``[antennas, n]``, gaps left out.
        """
        first = 0 if position is None else int(position) - _BEFORE
        kept = [piece[:, max(0, first - start) :] for start, piece in self._pieces]
        nothing = torch.zeros(self._antennas, 0, dtype=torch.complex64)
        return torch.cat([nothing, *kept], dim=-1)[:, :_SAMPLES]
