"""Ctrl-C as a wish to stop, so that what is being received and decoded then is not lost."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from sdrjscc.cli._console import console

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Within its ``with``, the first Ctrl-C is only noted; a second one interrupts at once."""

    def __init__(self) -> None:
        """Nobody wished to stop yet."""
        self._wished = self._told = False
        self._former: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._wished

    def tell(self) -> None:
        """Say that it was noted, once."""
        if self._wished and not self._told:
            self._told = True
            console.print("stopping: what was received is still decoded; Ctrl-C again ends at once")

    def __enter__(self) -> Self:
        """Take over the signals that would interrupt; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.default_int_handler:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._wished:
            raise KeyboardInterrupt
        self._wished = True
