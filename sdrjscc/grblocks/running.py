"""Flowgraphs run from the command line: compiled into a folder that is gone afterwards."""

import contextlib
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


def run_flowgraph(source: Path, arguments: Sequence[str], folder: Path) -> None:
    """Compile a flowgraph and run its program in this process until it ends or is interrupted.

    Args:
        source: ``.grc`` file.
        arguments: of its program: the flowgraph's parameters.
        folder: where it runs, so that relative paths of what it reads and writes begin there.

    Raises:
        CompanionError: there is no GNU Radio, or no screen for its windows.
        ConfigError: the flowgraph is not valid.
        RadioError: a block of a radio's driver failed, as where there is no such device.
        SystemExit: as its program ends, e.g. after Ctrl-C or ``--help``.
    """
    with tempfile.TemporaryDirectory(prefix="sdrjscc-grc-") as compiled:
        program, windows = compile_flowgraph(source, Path(compiled))
        if windows and not (has_screen() or os.environ.get("QT_QPA_PLATFORM")):
            raise CompanionError(f"{source} must have a screen for its windows (DISPLAY is not set)")
        with contextlib.chdir(folder), _as_program(program, arguments):
            _run(program)


def _run(program: Path) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
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
    sys.path.insert(0, str(program.parent))
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
