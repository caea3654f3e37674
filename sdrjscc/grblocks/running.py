"""Flowgraphs run from the command line: compiled into a folder that is gone afterwards."""

import contextlib
import logging
import os
import re
import runpy
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdrjscc.errors import RadioError, SdrJsccError
from sdrjscc.grblocks.companion import CompanionError, compile_flowgraph, has_screen

_DRIVER = re.compile(r"\b(uhd|iio|soapy|osmosdr)[._]")


def run_flowgraph(source: Path, arguments: Sequence[str], folder: Path) -> int | None:
    """Compile a flowgraph and run its program in this process until it ends or is interrupted.

    Args:
        source: ``.grc`` file.
        arguments: of its program: the flowgraph's parameters.
        folder: where it runs, so that relative paths of what it writes begin there. What exists is found
            from the working folder, and so are modules.

    Returns:
        How many pictures its image sinks have written; ``None``: it has none.

    Raises:
        CompanionError: there is no GNU Radio, or no screen for its windows.
        ConfigError: the flowgraph is not valid.
        RadioError: a block of a radio's driver failed, as where there is no such device.
        KeyboardInterrupt: it was stopped by Ctrl-C.
        SystemExit: as its program ends, e.g. after ``--help``.
    """
    os.environ.setdefault("GR_CONF_LOG_LOG_LEVEL", "warn")  # its notes on buffer sizes are for its makers
    with _blocks_heard(), tempfile.TemporaryDirectory(prefix="sdrjscc-grc-") as compiled:
        program, windows = compile_flowgraph(source, Path(compiled))
        if windows and not (has_screen() or os.environ.get("QT_QPA_PLATFORM")):
            raise CompanionError(f"{source} must have a screen for its windows (DISPLAY is not set)")
        found = [_found(argument) for argument in arguments]
        with _as_program(program, found), contextlib.chdir(folder):
            _run(program, found)
    from sdrjscc.grblocks.image_sink import ImageSink

    return ImageSink.written if ImageSink.made else None


@contextlib.contextmanager
def _blocks_heard() -> Iterator[None]:
    """What blocks say is shown on standard error."""
    log, handler = logging.getLogger("sdrjscc.grblocks"), logging.StreamHandler()
    before = log.level, log.propagate
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def _found(argument: str) -> str:
    """An argument whose value is a path from the working folder, as an absolute one."""
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    there = value not in ("", "samples") and not value.startswith("-") and Path(value).exists()
    return f"{option}{equals}{Path(value).resolve()}" if there else argument


def _run(program: Path, arguments: Sequence[str]) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
    except SystemExit as end:
        if end.code == 0 and not {"-h", "--help"} & set(arguments):  # what the program does at Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except (SdrJsccError, KeyboardInterrupt):
        raise
    except Exception as error:
        if (block := _radio_block(error, program)) is None:
            raise
        text = " ".join(str(error).split())
        raise RadioError(
            f"the radio of block {block} must be there and take its settings (got: {text})"
        ) from None


@contextlib.contextmanager
def _as_program(program: Path, arguments: Sequence[str]) -> Iterator[None]:
    """What the interpreter gives a program: its arguments, and the modules beside it."""
    before, path = sys.argv, sys.path.copy()
    sys.argv = [str(program), *arguments]
    sys.path[:0] = [str(program.parent), str(Path.cwd())]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before, path


def _radio_block(error: Exception, program: Path) -> str | None:
    """The block of a radio's driver whose line failed; drivers raise plain RuntimeErrors.

    ``None``: the line is of something else.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line or "" for frame in frames if frame.filename == str(program)]
    line = lines[-1] if lines else ""
    block = re.match(r"self\.(\w+)", line)
    return block[1] if block and _DRIVER.search(line) else None
