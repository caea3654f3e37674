"""Make the pictures of GNU Radio flowgraphs in this folder anew.

    ./run python docs/make_screenshots.py

Needs Xvfb and ImageMagick (apt: xvfb imagemagick) beside GNU Radio.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FLOWGRAPHS = DOCS.parent / "flowgraphs"
HARNESS = DOCS.parent / "tests" / "flowgraphs" / "run_gui.py"
COMPILE = "from gnuradio.grc.compiler import main; main()"
SIZE = (1900, 1060)
WINDOWS = {
    "loopback_gui": "--pictures=60 --set=snr_db=5 --set=snr_db=20 --picture=coffee",
    "digital_qam": "--pictures=12 --set=mode=1 --set=mode=2 --picture=chelsea",
}
COMPANION = """[main]
main_window_width = {}
main_window_height = {}
console_window_visible = False
blocks_window_visible = False
variable_editor_visable = False
[files_open]
[files_recent]
"""
PATIENCE_S = 90


def main() -> None:
    """Make all of them."""
    if missing := [name for name in ("Xvfb", "import", "gnuradio-companion") if shutil.which(name) is None]:
        raise SystemExit(f"these must be installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder, screen(Path(folder)) as environment:
        files = [str(FLOWGRAPHS / f"{name}.grc") for name in WINDOWS]
        subprocess.run([sys.executable, "-c", COMPILE, "-o", folder, *files], env=environment, check=True)
        for name, words in WINDOWS.items():
            take_window(Path(folder), name, words.split(), environment)
        take_companion(Path(folder), FLOWGRAPHS / "loopback_gui.grc", environment)


@contextmanager
def screen(folder: Path) -> Iterator[dict[str, str]]:
    """A screen in memory: the environment of programs that show themselves there."""
    read_end, write_end = os.pipe()
    words = ["-displayfd", str(write_end), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(["Xvfb", *words], pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    number = os.read(read_end, 16).decode().strip()
    preferences = folder / "grc.conf"
    preferences.write_text(COMPANION.format(*SIZE))
    try:
        yield os.environ | {
            "DISPLAY": f":{number}",
            "XDG_CONFIG_HOME": str(folder),  # no window sizes of before
            "GRC_PREFS_PATH": str(preferences),
            "GRC_BLOCKS_PATH": str(FLOWGRAPHS / "blocks"),
            "OMP_NUM_THREADS": "1",
        }
    finally:
        server.terminate()
        server.wait()
        os.close(read_end)


def take_window(folder: Path, name: str, words: list[str], environment: dict[str, str]) -> None:
    """Run a compiled flowgraph; keep its window as it was at the end."""
    out = folder / f"{name}-window"
    program = [sys.executable, str(HARNESS), str(folder / f"{name}.py"), str(out)]
    subprocess.run([*program, "--limit-s=300", *words], env=environment, check=True)
    last = len([word for word in words if word.startswith("--set")])
    shutil.copyfile(out / f"{last}.png", DOCS / f"{name}.png")


def take_companion(folder: Path, flowgraph: Path, environment: dict[str, str]) -> None:
    """Open a flowgraph in Companion; keep the screen once nothing changes any more."""
    program = [sys.executable, shutil.which("gnuradio-companion") or "", str(flowgraph)]
    companion = subprocess.Popen(
        program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        shot, before, ends_s = folder / "screen.png", b"", time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_s:
            time.sleep(3)
            subprocess.run(["import", "-window", "root", "-strip", str(shot)], env=environment, check=True)
            now = shot.read_bytes()
            if len(now) > 60_000 and _alike(now, before):  # an empty window is smaller
                break
            before = now
        shutil.copyfile(shot, DOCS / "companion.png")
    finally:
        companion.terminate()
        companion.wait()


def _alike(one: bytes, other: bytes) -> bool:
    return abs(len(one) - len(other)) < 16


if __name__ == "__main__":
    main()
