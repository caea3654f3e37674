"""Progress bars over points and frames, and a Ctrl-C that waits for a place to stop at."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[int], None]


class Watch:
    """Progress on the screen.

    Ctrl-C inside a peer's callback or flowgraph would be swallowed there: the first one is noted
    and raised by the next step, the second one at once.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._stop = False
        self._progress = Progress(
            TextColumn("{task.description:40s}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> "Watch":
        self._former = signal.signal(signal.SIGINT, self._asked_to_stop)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        signal.signal(signal.SIGINT, self._former)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Step]:
        """A bar for as long as the block runs; what it yields is called with the work done."""
        task = self._progress.add_task(label, total=total)

        def step(done: int) -> None:
            self._progress.advance(task, done)
            if self._stop:
                raise KeyboardInterrupt

        try:
            yield step
        finally:
            self._progress.remove_task(task)
