"""Which recordings a command means, and the comparison with their index."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.progress import track
from rich.table import Table

from sdrjscc.cli._console import console, fail
from sdrjscc.errors import CaptureError

META = ".sigmf-meta"
BUNDLED = "captures"
_DIFFERENT = 4
_SHOWN = {"cfo_hz": 0, "snr_db": 2, "psnr_db": 2}


def find_captures(names: Sequence[str]) -> list[Path]:
    """Recordings by name, all of a folder, or the bundled ones.

    Raises:
        CaptureError: a folder holds none.
    """
    from sdrjscc.bundled import bundled_folder

    found: list[Path] = []
    for name in names:
        place = Path(name)
        if name.rstrip("/") == BUNDLED and not place.exists():
            place = bundled_folder(BUNDLED)
        if not place.is_dir():
            found.append(place)
            continue
        inside = sorted(place.glob(f"*{META}"))
        if not inside:
            raise CaptureError(f"a folder must hold recordings, *{META} (got {place})")
        found += inside
    return found


def check_all(files: Sequence[Path]) -> int:
    """Receive every recording and compare; prints a table and what differs.

    Returns:
        0, or 4 if anything differs.
    """
    from sdrjscc.evaluation.golden import Measured, differences, find_expected, measure, missing

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("recording", "packets", "decoded", "CFO Hz", "SNR dB", "PSNR dB", ""):
        table.add_column(name, justify="left" if name in ("recording", "") else "right", no_wrap=True)
    wrong: list[str] = []

    def row(file: Path, got: Measured, found: Sequence[str]) -> None:
        numbers = [_number(got.means[key], digits) for key, digits in _SHOWN.items()]
        decoded, verdict = f"{got.counts['decoded']}/{got.counts['pictures']}", "differs" if found else "ok"
        table.add_row(_name(file), str(got.counts["packets"]), decoded, *numbers, verdict)

    for file in track(files, "replaying", console=console, transient=True):
        expected = find_expected(file)
        got = measure(file, expected)
        found = differences(expected, got)
        row(file, got, found)
        wrong += [f"{_name(file)}: {sentence}" for sentence in found]
    wrong += [
        f"{name}: the index has it, but there is no such recording"
        for folder in sorted({file.parent for file in files})
        for name in missing(folder)
    ]
    console.print(table)
    for sentence in wrong:
        fail(sentence, _DIFFERENT)
    count = f"{len(files)} recording{'s' if len(files) != 1 else ''}"
    console.print(f"{count}, {len({one.split(':')[0] for one in wrong})} differ")
    return _DIFFERENT if wrong else 0


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _name(file: Path) -> str:
    return file.name.removesuffix(META)
