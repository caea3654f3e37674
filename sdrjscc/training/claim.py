"""One run a folder: a lock that the system takes back when its process dies, however it dies."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from sdrjscc.errors import TrainingError

LOCK = ".lock"
"""Name of the empty file in a run's folder that is locked while the run is at work."""


@contextlib.contextmanager
def claimed(folder: Path, fabric: Any) -> Iterator[None]:
    """Hold ``folder`` for one run; what was made for that and not used is removed in the end.

    Of several processes of one run, rank zero holds it for all.

    Args:
        folder: the run's; made if missing.
        fabric: a launched ``lightning.Fabric``.

    Raises:
        TrainingError: on all ranks, if another run is at work there, or the folder cannot be used.
    """
    with contextlib.ExitStack() as held:
        refusal = None
        if fabric.is_global_zero:
            try:
                held.enter_context(_locked(folder))
            except filelock.Timeout:
                refusal = f"a folder must hold one run at a time (another process is at work in {folder})"
            except OSError as error:
                refusal = f"a run's folder must be one that can be written (got {folder}: {error.strerror})"
        if refusal := fabric.broadcast(refusal):
            raise TrainingError(refusal)
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / LOCK).acquire(timeout=0):
        try:
            yield
        finally:
            if [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
                if made:
                    folder.rmdir()
