"""A bounded window on the sample stream, in absolute positions, with marks where samples are missing."""

import torch
from torch import Tensor

from sdrjscc.errors import SignalError
from sdrjscc.receive.condition import BLOCK, Conditioner

_LARGEST_SAMPLE = 1e6


class SampleStream:
    """Conditioned samples from ``start`` to ``end``, absolute positions in the stream.

    Samples that are missing (dropped, not a number, absurdly large) are zero and marked lost.

    Attributes:
        start: position of the first sample held.
        end: position after the last conditioned sample.
        refused: samples that were not finite or larger than a million times full scale.
    """

    def __init__(self, antennas: int, position: int, lead: int) -> None:
        self._antennas = antennas
        self._conditioner = Conditioner(antennas)
        self._raw: list[Tensor] = []
        self._raw_lost: list[Tensor] = []
        self._waiting = 0
        self._samples = torch.zeros(antennas, lead, dtype=torch.complex64)
        self._lost = torch.zeros(lead, dtype=torch.bool)
        self.start = position - lead
        self.end = position
        self.refused = 0

    @property
    def received(self) -> int:
        """Position after the last sample received, conditioned or not."""
        return self.end + self._waiting

    def append(self, samples: Tensor) -> None:
        """Take samples ``[A, n]``; whole blocks of them are conditioned at once."""
        lost = torch.zeros(samples.shape[-1], dtype=torch.bool)
        energy = torch.view_as_real(samples).square().sum()
        if not bool(energy < _LARGEST_SAMPLE):
            good = (torch.view_as_real(samples).abs() < _LARGEST_SAMPLE).all(-1)
            lost = ~good.all(0)
            samples = torch.where(good, samples, torch.zeros_like(samples))
            self.refused += int(lost.sum())
        self._append(samples, lost)

    def append_lost(self, count: int) -> None:
        """Put zeros where ``count`` samples were dropped."""
        self._append(
            torch.zeros(self._antennas, count, dtype=torch.complex64), torch.ones(count, dtype=torch.bool)
        )

    def _append(self, samples: Tensor, lost: Tensor) -> None:
        self._raw.append(samples)
        self._raw_lost.append(lost)
        self._waiting += samples.shape[-1]
        if self._waiting >= BLOCK:
            self._condition(self._waiting // BLOCK * BLOCK)

    def _condition(self, count: int) -> None:
        one = len(self._raw) == 1
        raw = self._raw[0] if one else torch.cat(self._raw, dim=-1)
        lost = self._raw_lost[0] if one else torch.cat(self._raw_lost)
        clean = self._conditioner.correct(raw[:, :count])
        clean = torch.where(lost[:count], torch.zeros_like(clean), clean) if lost[:count].any() else clean
        self._samples = torch.cat([self._samples, clean], dim=-1)
        self._lost = torch.cat([self._lost, lost[:count]])
        self._raw, self._raw_lost = [raw[:, count:].clone()], [lost[count:].clone()]
        self._waiting -= count
        self.end += count

    def finish(self, padding: int) -> None:
        """Condition what is left and add ``padding`` lost samples; nothing may be appended after."""
        if self._waiting:
            self._condition(self._waiting)
        zeros = torch.zeros(self._antennas, padding, dtype=torch.complex64)
        self._samples = torch.cat([self._samples, zeros], dim=-1)
        self._lost = torch.cat([self._lost, torch.ones(padding, dtype=torch.bool)])
        self.end += padding

    def forget(self, position: int) -> None:
        """Drop everything before ``position``; its memory goes when the next block is appended."""
        count = max(0, min(position, self.end) - self.start)
        self._samples = self._samples[:, count:]
        self._lost = self._lost[count:]
        self.start += count

    def view(self, first: int, last: int) -> Tensor:
        """Samples ``[A, last - first]`` of a span that is held."""
        return self._samples[:, first - self.start : last - self.start]

    def windows(self, starts: list[int], length: int) -> Tensor:
        """Windows ``[B, A, length]`` from the given positions, all held.

        Raises:
            SignalError: a window reaches outside of what is held.
        """
        if starts and (min(starts) < self.start or max(starts) + length > self.end):
            raise SignalError(f"windows must lie in {self.start}..{self.end} (got {starts} + {length})")
        return torch.stack([self.view(first, first + length) for first in starts])

    def lost(self, starts: list[int], length: int) -> Tensor:
        """Lost marks ``[B, length]`` of the same windows."""
        return torch.stack([self._lost[s - self.start : s - self.start + length] for s in starts])
