"""Between a radio and a receiver: every reception passes here, and is recorded where that is asked for.

A live radio is read in a thread of its own, into bounded memory: what the receiver is too slow
for is counted as dropped, and reading goes on. Radios that wait are never made to drop anything.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from sdrjscc.radio.base import Radio, Reception

_BYTES_PER_SAMPLE = 8
_POLL_S = 0.2
_STOPPING_S = 10.0

Tap = Callable[[Reception], None]
Stop = Callable[[], bool]


def _never() -> bool:
    return False


class DirectReader:
    """Reads a radio where it is asked to, in the caller's thread.

    Attributes:
        lost: samples that had no room; always 0 here.
    """

    lost = 0

    def __init__(self, radio: Radio, tap: Tap | None = None) -> None:
        """Read ``radio``, showing every reception to ``tap``, which must not block."""
        self._radio, self._tap = radio, tap

    def receptions(self, duration_s: float | None = None, stop: Stop = _never) -> Iterator[Reception]:
        """Receptions until the radio has no more for now, for so long, or until told to stop."""
        ends_s = _deadline(duration_s)
        while not stop() and time.monotonic() < ends_s and (reception := self._radio.receive()) is not None:
            if self._tap is not None:
                self._tap(reception)
            yield reception

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def forget(self) -> None:
        """Nothing is held."""


class ThreadReader:
    """Reads a radio in a thread of its own, into a queue of bounded memory.

    Attributes:
        lost: samples of a live radio that had no room and were dropped.
    """

    def __init__(self, radio: Radio, tap: Tap | None = None, *, memory_bytes: int = 256 << 20) -> None:
        """Read ``radio``, which is open from :meth:`start` to :meth:`stop`.

        Args:
            radio: where samples come from.
            tap: shown every reception, whether it then finds room or not; must not block.
            memory_bytes: of the samples in the queue.
        """
        self._radio, self._tap = radio, tap
        self._room = memory_bytes // _BYTES_PER_SAMPLE
        self._queue: deque[Reception] = deque()
        self._held = self._owed = 0
        self._changed = threading.Condition()
        self._stopping = self._ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.lost = 0

    def start(self) -> None:
        """Begin to read; nothing is left of an earlier reading."""
        self._queue.clear()
        self._held = self._owed = 0
        self._stopping = self._ended = False
        self._error = None
        self._thread = threading.Thread(target=self._run, name="radio reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End reading; waits until the radio's last reception has come."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_STOPPING_S)

    def forget(self) -> None:
        """Throw away what is in the queue, which then counts as dropped: the next reception is of now."""
        with self._changed:
            self._owed += sum(one.dropped + one.samples.shape[-1] for one in self._queue)
            self._queue.clear()
            self._held = 0
            self._changed.notify_all()

    def receptions(self, duration_s: float | None = None, stop: Stop = _never) -> Iterator[Reception]:
        """Receptions until the radio ends, or for so long.

        Once ``stop`` says so, which is asked often, nothing more is read; what is held is given out.

        Raises:
            RadioError: the radio was lost; what came before is given out first.
        """
        ends_s = _deadline(duration_s)
        while time.monotonic() < ends_s and (reception := self._next(ends_s, stop)) is not None:
            yield reception

    def _next(self, ends_s: float, stop: Stop) -> Reception | None:
        with self._changed:
            self._stopping = self._stopping or stop()
            while not self._queue and not self._ended:
                left_s = ends_s - time.monotonic()
                if left_s <= 0 or stop():
                    return None
                self._changed.wait(min(left_s, _POLL_S))  # wakes for Ctrl-C
            if self._queue:
                reception = self._queue.popleft()
                self._held -= reception.samples.numel()
                self._changed.notify_all()
                return reception
        if self._error is not None:
            raise self._error
        return None

    def _run(self) -> None:
        try:
            while not self._stopping and (reception := self._radio.receive()) is not None:
                if self._tap is not None:
                    self._tap(reception)
                self._put(reception)
        except BaseException as error:  # handed to whoever reads
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, reception: Reception) -> None:
        size = reception.samples.numel()
        with self._changed:
            while self._held and self._held + size > self._room and not self._stopping:
                if self._radio.live:
                    self._owed += reception.dropped + reception.samples.shape[-1]
                    self.lost += reception.samples.shape[-1]
                    return
                self._changed.wait(_POLL_S)
            if self._owed:
                reception = replace(reception, dropped=reception.dropped + self._owed)
                self._owed = 0
            self._queue.append(reception)
            self._held += size
            self._changed.notify_all()


def _deadline(duration_s: float | None) -> float:
    return math.inf if duration_s is None else time.monotonic() + duration_s


Reader = DirectReader | ThreadReader


def make_reader(radio: Radio, tap: Tap | None, *, transmits_here: bool) -> Reader:
    """The reader that fits: a radio that is both ends and waits is read directly.

    Args:
        radio: where samples come from.
        tap: shown every reception.
        transmits_here: whether the same object transmits.
    """
    return DirectReader(radio, tap) if transmits_here and not radio.live else ThreadReader(radio, tap)
