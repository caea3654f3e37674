"""A pause between bursts: a block that waits for messages learns that none has come for a while."""

import time
from threading import Timer
from typing import Any

from sdrjscc.grblocks.ends import wake

_PAUSE_S = 0.1


class Pause:
    """Begins when it is first asked for, and has the scheduler ask the block again when it is over."""

    def __init__(self, block: Any) -> None:
        self._block, self._ends_s = block, 0.0
        self._timer: Timer | None = None

    def over(self) -> bool:
        """Whether it is over."""
        if self._timer is None:
            self._ends_s = time.monotonic() + _PAUSE_S
            self._timer = Timer(1.1 * _PAUSE_S, wake, [self._block])
            self._timer.daemon = True
            self._timer.start()
        return time.monotonic() >= self._ends_s

    def forget(self) -> None:
        """It was none; the next one begins anew."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
