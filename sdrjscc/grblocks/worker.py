"""A block's work in a process of its own: Python runs one thread of a process at a time.

The process is forked when the block is made, before any flowgraph runs, so that it has the same codec,
random weights included, and costs no second import. It ends with the program, or with its pipe.
"""

import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from sdrjscc.errors import ConfigError, SdrJsccError

Call = Callable[..., Any]
"""Called with a method's name and its arguments."""


class WorkerError(SdrJsccError):
    """The work failed, or its process ended."""


def call_of(worker: object, own_process: bool, device: str = "cpu") -> Call:
    """Calls of ``worker``'s methods, here, or in a process of its own, one after the other.

    Args:
        worker: does the work. For a process of its own, arguments and results must be numbers, text,
            numpy arrays and plain containers of them; what a method raises becomes a :class:`WorkerError`.
        own_process: where.
        device: that it computes on.

    Raises:
        ConfigError: a process of its own cannot be had on this system, or with this device.
    """
    if not own_process:
        return lambda name, *arguments: getattr(worker, name)(*arguments)
    if device != "cpu":
        raise ConfigError(f"own_process must be False where the device is not cpu (got device {device})")
    try:
        context = get_context("fork")
    except ValueError:
        raise ConfigError("own_process must be False on a system that cannot fork (this is one)") from None
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, ours, worker), daemon=True, name=type(worker).__name__
    )
    process.start()
    theirs.close()

    def call(name: str, *arguments: Any) -> Any:
        try:
            ours.send((name, arguments))
            result, failure = ours.recv()
        except (EOFError, OSError):
            raise WorkerError(f"the process of {name} must run (exit code {process.exitcode})") from None
        if failure is not None:
            raise WorkerError(failure)
        return result

    return call


def _serve(theirs: Connection, ours: Connection, worker: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's, which then closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the program's handler
    ours.close()
    torch.set_num_threads(1)
    while True:
        try:
            name, arguments = theirs.recv()
        except EOFError:
            return
        try:
            theirs.send((getattr(worker, name)(*arguments), None))
        except SdrJsccError as error:
            theirs.send((None, str(error)))
        except Exception as error:
            theirs.send((None, f"{type(error).__name__}: {error}"))
