"""A bounded window on the sample stream, in absolute positions, with marks where samples are missing."""

import torch
from torch import Tensor

from sdrjscc.errors import SignalError
from sdrjscc.receive.condition import BLOCK, Conditioner

_LARGEST_SAMPLE = 1e6
_LEAST_BUFFER = 1 << 18


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
        self._samples = torch.empty(antennas, 0, dtype=torch.complex64)
        self._lost = torch.empty(0, dtype=torch.bool)
        self._first = 0
        self.refused = 0
        self._last_lost = position - lead - 1
        self.start = self.end = position - lead
        self._room(torch.zeros(lead, dtype=torch.bool)).zero_()

    @property
    def received(self) -> int:
        """Position after the last sample received, conditioned or not."""
        return self.end + self._waiting

    def append(self, samples: Tensor) -> None:
        """Take samples ``[A, n]``; whole blocks of them are conditioned at once."""
        lost = torch.zeros(samples.shape[-1], dtype=torch.bool)
        if not _all_within(samples, _LARGEST_SAMPLE):
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
        whole = (self._waiting + samples.shape[-1]) // BLOCK * BLOCK
        if whole:
            raw = torch.cat([*self._raw, samples], dim=-1) if self._raw else samples
            lost = torch.cat([*self._raw_lost, lost]) if self._raw else lost
            self._condition(raw[:, :whole], lost[:whole])
            self._raw, self._raw_lost, self._waiting = [], [], 0
            samples, lost = raw[:, whole:], lost[whole:]
        if len(lost):  # copied: the caller may use its buffer again
            self._raw.append(samples.clone())
            self._raw_lost.append(lost.clone())
            self._waiting += len(lost)

    def _condition(self, raw: Tensor, lost: Tensor) -> None:
        clean = self._room(lost)
        self._conditioner.correct(raw, clean)
        if self._last_lost == self.end:
            clean.masked_fill_(lost, 0)

    def _room(self, lost: Tensor) -> Tensor:
        """Samples ``[A, n]`` to be written behind those held, marked as ``lost`` ``[n]`` says."""
        count = len(lost)
        if self._first + self.end - self.start + count > self._samples.shape[-1]:
            self._compact(count)
        at = self._first + self.end - self.start
        self._lost[at : at + count] = lost
        self.end += count
        if lost.any():
            self._last_lost = self.end
        return self._samples[:, at : at + count]

    def _compact(self, count: int) -> None:
        """Move what is held to the front, of a larger buffer where there is not much room."""
        held = self.end - self.start
        old, size = slice(self._first, self._first + held), 2 * (held + count)
        samples, lost = self._samples[:, old], self._lost[old]
        if size > self._samples.shape[-1] or held > self._first:
            size = max(2 * size, _LEAST_BUFFER)
            self._samples = torch.empty(self._antennas, size, dtype=torch.complex64)
            self._lost = torch.empty(size, dtype=torch.bool)
        self._samples[:, :held], self._lost[:held], self._first = samples, lost, 0

    def finish(self, padding: int) -> None:
        """Condition what is left and add ``padding`` lost samples; nothing may be appended after."""
        if self._raw:
            self._condition(torch.cat(self._raw, dim=-1), torch.cat(self._raw_lost))
            self._raw, self._raw_lost, self._waiting = [], [], 0
        self._room(torch.ones(padding, dtype=torch.bool)).zero_()

    def forget(self, position: int) -> None:
        """Drop everything before ``position``."""
        count = max(0, min(position, self.end) - self.start)
        self._first += count
        self.start += count

    def view(self, first: int, last: int) -> Tensor:
        """Samples ``[A, last - first]`` of a span that is held."""
        at = self._first - self.start
        return self._samples[:, at + first : at + last]

    def windows(self, starts: list[int], length: int) -> Tensor:
        """Windows ``[B, A, length]`` from the given positions, all held.

        Raises:
            SignalError: a window reaches outside of what is held.
        """
        if starts and (min(starts) < self.start or max(starts) + length > self.end):
            raise SignalError(f"windows must lie in {self.start}..{self.end} (got {starts} + {length})")
        from sdrjscc.receive import _kernels

        out = torch.empty(len(starts), self._antennas, length, dtype=torch.complex64)
        at = torch.tensor(starts, dtype=torch.int64) + (self._first - self.start)
        _kernels.windows(self._samples.numpy(), at.numpy(), out.numpy())
        return out

    def lost(self, starts: list[int], length: int) -> Tensor | None:
        """Lost marks ``[B, length]`` of the same windows, ``None`` if no sample held is lost."""
        if self._last_lost < self.start:
            return None
        at = self._first - self.start
        return torch.stack([self._lost[at + first : at + first + length] for first in starts])


def _all_within(samples: Tensor, limit: float) -> bool:
    """Whether all real and imaginary parts are numbers smaller than ``limit``."""
    if not samples.numel():
        return True
    least, largest = torch.aminmax(torch.view_as_real(samples))
    return bool((least > -limit) & (largest < limit))
