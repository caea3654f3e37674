"""Samples that wait for the disk, in bounded memory."""

from collections import deque
from threading import Condition

from sdrjscc.capture._samples import Complex


class Backlog:
    """A queue between one receiver, who must not wait, and one writer, who may.

    Once it is full it takes nothing until half of it is free: a disk that cannot keep up then
    makes few long gaps, between which whole frames survive, rather than many short ones.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._chunks: deque[Complex] = deque()
        self._held_bytes = 0
        self._overflowing = self._closed = False
        self._changed = Condition()

    def admits(self, size_bytes: int) -> bool:
        """Whether the receiver may ``put`` so much now."""
        with self._changed:
            self._overflowing = not self._has_room(size_bytes)
            return not (self._overflowing or self._closed)

    def put(self, chunk: Complex) -> None:
        """Queue what was admitted; it is kept as it is."""
        with self._changed:
            self._chunks.append(chunk)
            self._held_bytes += chunk.nbytes
            self._changed.notify_all()

    def wait_for_room(self, size_bytes: int) -> None:
        """Wait until so much will be admitted, or the writer has closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size_bytes))

    def take(self, timeout_s: float) -> Complex | None:
        """The next chunk, which counts as held until ``done``; ``None`` after the timeout or at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed, max(0.0, timeout_s))
            return self._chunks.popleft() if self._chunks else None

    def done(self, chunk: Complex) -> None:
        """Free the memory of a chunk that was taken."""
        with self._changed:
            self._held_bytes -= chunk.nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """No more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Close, and forget what waits."""
        with self._changed:
            self._held_bytes -= sum(chunk.nbytes for chunk in self._chunks)
            self._chunks.clear()
        self.close()

    @property
    def finished(self) -> bool:
        """Closed, with nothing left to take."""
        with self._changed:
            return self._closed and not self._chunks

    @property
    def held_bytes(self) -> int:
        """Memory in use."""
        return self._held_bytes

    def _has_room(self, size_bytes: int) -> bool:
        limit = self.limit_bytes // 2 if self._overflowing else self.limit_bytes
        return self._held_bytes + size_bytes <= limit or (
            self._held_bytes == 0 and size_bytes <= self.limit_bytes
        )
