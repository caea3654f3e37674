"""The benchmark's JSON: rows as they are measured, the machine and the versions behind them."""

import math
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sdrjscc.files import write_json_atomic

_PACKAGES = ("sdrjscc", "torch", "numpy", "numba", "liquid-dsp")


class Results:
    """Everything measured so far, written whole after every row.

    Args:
        path: the JSON file; ``None`` keeps the results in memory.
        options: what was asked for.
    """

    def __init__(self, path: Path | None, options: dict[str, Any]) -> None:
        self._path = path
        self.content: dict[str, Any] = {
            "schema": 2,
            "complete": False,
            "options": options,
            "machine": machine(),
            "versions": versions(),
            "missing": [],
            "curves": [],
            "moving": [],
            "throughput": [],
            "stages": [],
            "papr": [],
            "false_headers": [],
        }

    def add(self, table: str, *rows: Any) -> None:
        """Append rows to one of the tables and write."""
        self.content[table] += [_finite(row) for row in rows]
        self.write()

    def finish(self) -> None:
        """Mark the results as complete and write."""
        self.content["complete"] = True
        self.write()

    def write(self) -> None:
        """Write the JSON, if there is a file for it."""
        if self._path is not None:
            write_json_atomic(self._path, self.content)


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not a number becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def machine() -> dict[str, Any]:
    """Processor, cores and system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Versions of all that took part; the commit of this package where it is known."""
    found = {"python": platform.python_version(), "commit": _commit()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    try:
        from gnuradio import gr

        found["gnuradio"] = gr.version()
    except ImportError:
        found["gnuradio"] = "not installed"
    return found


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
