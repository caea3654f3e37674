"""``sdrjscc tx``: the transmitting end of a link."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._console import console, fail

if TYPE_CHECKING:
    from sdrjscc.link.sending import SendingEnd
    from sdrjscc.radio.base import Status


def tx(
    images: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.")],
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML or preset.")],
    repeat: Annotated[bool, typer.Option("--repeat", help="Send them over and over, until Ctrl-C.")] = False,
    pause_s: Annotated[float, typer.Option(min=0, help="Silence between pictures, s.")] = 0.0,
    mode: Annotated[int | None, typer.Option(help="Modulation order's number; default: the lowest.")] = None,
    max_side: Annotated[int | None, typer.Option(help="Shrink larger pictures to this side, px.")] = None,
    log: Annotated[Path, typer.Option(help="Log to append to: JSON lines with picture hashes.")] = Path(
        "sdrjscc-tx.jsonl"
    ),
) -> None:
    """Transmit pictures: one end of a link; another process or host runs rx."""
    from sdrjscc.link.listening import make_radio, need_two_ends
    from sdrjscc.link.log import TransmitLog
    from sdrjscc.link.parts import build_parts
    from sdrjscc.link.sending import SendingEnd
    from sdrjscc.linkfile import load_link, with_codec

    files = picture_files(images)
    parts = build_parts(with_codec(load_link(config), mode=mode))
    need_two_ends(parts)
    radio = make_radio(parts, "tx")
    tally = _Tally()
    try:
        with TransmitLog(log) as lines, radio:
            _send(SendingEnd(parts, radio, log=lines), files, tally, Wishes(repeat, pause_s, max_side))
            tally.status = radio.status()
    except KeyboardInterrupt:  # passed on to the radio, which stops at once
        tally.code = 130
        console.print("stopped")
    console.print(f"{tally.sent} sent{_troubles(tally.status)}; log {log}", markup=False, highlight=False)
    raise typer.Exit(tally.code)


@dataclass(frozen=True)
class Wishes:
    """How pictures are to be sent: over and over, with pauses, shrunk to a side."""

    repeat: bool
    pause_s: float
    max_side: int | None


@dataclass
class _Tally:
    """What came of it."""

    sent: int = 0
    code: int = 0
    status: "Status | None" = None


def picture_files(places: Sequence[Path]) -> list[Path]:
    """Picture files, and all below the folders among ``places``.

    Raises:
        TrainingError: a folder holds none.
    """
    from sdrjscc.images.datasets import find_images

    return [file for place in places for file in (find_images(place) if place.is_dir() else [place])]


def _troubles(status: "Status | None") -> str:
    if status is None:
        return ""
    counts = {"samples clipped": status.clipped, "underflows": status.underflows, "too late": status.late}
    return "".join(f", {count} {name}" for name, count in counts.items() if count)


def _send(end: "SendingEnd", files: Sequence[Path], tally: _Tally, wishes: Wishes) -> None:
    """Send all files, as often as wished; those that cannot be sent are named and left out."""
    from sdrjscc.errors import FramingError, ImageError

    if wishes.repeat and len(files) == 1 and end.repeats:
        _repeat(end, files[0], tally, wishes.max_side)
    bad: set[Path] = set()
    for file in _rounds(files, wishes.repeat):
        if file in bad:
            continue
        try:
            _send_one(end, file, wishes.max_side)
        except (ImageError, FramingError) as error:
            tally.code = fail(str(error), 2)
            bad.add(file)
            if len(bad) == len(set(files)):
                return
            continue
        tally.sent += 1
        time.sleep(wishes.pause_s)


def _send_one(end: "SendingEnd", file: Path, max_side: int | None) -> None:
    from sdrjscc.link.log import read_source

    source, began_s = read_source(file, max_side), time.monotonic()
    sent = end.send(source)
    taken_s = time.monotonic() - began_s
    times = f"{sent.encode_ms:.0f} ms to encode, {taken_s:.2f} s in all"
    console.print(f"{source.picture.name}: {sent.packets} packets, {times}", markup=False, highlight=False)


def _repeat(end: "SendingEnd", file: Path, tally: _Tally, max_side: int | None) -> None:
    """The radio repeats one picture by itself, until Ctrl-C."""
    from sdrjscc.link.log import read_source

    end.repeat(read_source(file, max_side))
    tally.sent += 1
    console.print(f"repeating {file.name}; Ctrl-C stops", markup=False, highlight=False)
    while True:
        time.sleep(0.2)


def _rounds(files: Sequence[Path], repeat: bool) -> Iterator[Path]:
    yield from files
    while repeat:
        yield from files
