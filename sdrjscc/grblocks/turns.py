"""Whose turn it is: when an image source may send its next picture."""

import time
from dataclasses import dataclass, field
from threading import Condition

_UNASKED = 2


@dataclass
class Turns:
    """When a picture may go: some unasked, then one when asked, and not before the interval is over.

    Where nobody ever asks, an interval alone decides.
    """

    interval_s: float
    _left: int = _UNASKED
    _asked: bool = False
    _ended: bool = False
    _before_s: float = -float("inf")
    _change: Condition = field(default_factory=Condition)

    def ask(self) -> None:
        """There is room for one more."""
        with self._change:
            self._left, self._asked = self._left + 1, True
            self._change.notify_all()

    def set_interval(self, interval_s: float) -> None:
        """Change the interval, also of a wait that has begun."""
        with self._change:
            self.interval_s = interval_s
            self._change.notify_all()

    def end(self) -> None:
        """No more turns."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def wait(self) -> bool:
        """Wait for the next turn; ``False``: there is none."""
        with self._change:
            while not self._ended and (wait_s := self._wait_s()) != 0.0:
                self._change.wait(wait_s)
            self._left -= 1
            self._before_s = time.monotonic()
            return not self._ended

    def _wait_s(self) -> float | None:
        """How long to wait at most; ``None``: for a message."""
        if self._left <= 0 and (self._asked or not self.interval_s):
            return None
        return max(0.0, self._before_s + self.interval_s - time.monotonic())
