"""Flowgraphs compiled as Companion does it, and run in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from sdrjscc.bundled import bundled_folder
from sdrjscc.images.io import read_image
from sdrjscc.images.metrics import psnr_db

FLOWGRAPHS = bundled_folder("flowgraphs")
PATIENCE_S = 120.0
_COMPILE = "from gnuradio.grc.compiler import main; main()"
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def compile_flowgraphs(names, folder):
    """What the compiler says; the programs are ``folder/NAME.py``."""
    files = [str(FLOWGRAPHS / f"{name}.grc") for name in names]
    return subprocess.run(
        [sys.executable, "-c", _COMPILE, "-o", str(folder), *files],
        env={**os.environ, **_ONE_THREAD, "GRC_BLOCKS_PATH": str(FLOWGRAPHS / "blocks")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def _begin(program, where, options):
    words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    return subprocess.Popen(
        [sys.executable, "-u", str(program), *words],
        cwd=where,
        env={**os.environ, **_ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    """``(exit code, stdout, stderr)`` of a process that ends by itself."""
    try:
        out, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, errors = process.communicate()
        raise AssertionError(f"it did not end:\n{out}\n{errors}") from None
    return process.returncode, out, errors


def run(program, where, **options):
    """Run a program in a folder to its end, which must be a good one."""
    code, out, errors = finished(_begin(program, where, options))
    assert code == 0, f"exit code {code}:\n{out}\n{errors}"


def fail(program, where, **options):
    """Run a program that must end with an error by itself; its stderr."""
    code, out, errors = finished(_begin(program, where, options))
    assert code > 0, f"exit code {code}:\n{out}\n{errors}"
    return errors


@contextmanager
def running(program, where, **options):
    """A program while it runs; it must end cleanly when it is asked to, as by Ctrl-C."""
    process = _begin(program, where, options)
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        code, out, errors = finished(process)
        assert code == 0, f"exit code {code}:\n{out}\n{errors}"
    finally:
        process.kill()


def wait_for(enough, *processes):
    """Wait until ``enough()``, while the processes go on or ended well."""
    ends_s = time.monotonic() + PATIENCE_S
    while not enough():
        for process in processes:
            assert process.poll() in (None, 0), process.communicate()
        assert time.monotonic() < ends_s, "not enough came"
        time.sleep(0.05)


def received(folder):
    """Pictures of an image sink in their order, as tensors."""
    return [read_image(path).pixels for path in sorted(Path(folder).glob("*.png"))]


def results(folder):
    """What the probe measured, a dictionary for every picture."""
    path = Path(folder) / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def psnrs(sent, folder):
    """PSNR of every received picture against the one sent at its place."""
    return [psnr_db(one, other).value for one, other in zip(sent, received(folder), strict=True)]
