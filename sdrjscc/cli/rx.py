"""``sdrjscc rx``: the receiving end of a link."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._console import console, fail
from sdrjscc.cli._out import check_out
from sdrjscc.cli._stop import Stop

if TYPE_CHECKING:
    from sdrjscc.cli._live import Show
    from sdrjscc.cli._reception import Album
    from sdrjscc.link.listening import Listener

NOTHING_RECEIVED = 4


def rx(
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML or preset.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures, results and report.")] = Path("sdrjscc-rx"),
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many transmissions.")] = None,
    duration_s: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Show a dashboard instead of lines.")] = False,
    record: Annotated[Path | None, typer.Option(help="Record all samples to this SigMF name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording of that name.")] = False,
    images: Annotated[
        list[Path] | None, typer.Option(help="The true pictures, files or folders, to measure against.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="The transmitter's log, which tells them apart.")] = None,
    max_side: Annotated[
        int | None, typer.Option(help="Limit that the transmitter shrank them to, where there is no log.")
    ] = None,
) -> None:
    """Receive pictures: one end of a link; another process or host runs tx. Ctrl-C ends it."""
    from sdrjscc.cli._live import Dashboard, Lines
    from sdrjscc.cli._reception import Album
    from sdrjscc.link.listening import Listener, make_radio, need_two_ends
    from sdrjscc.link.log import References
    from sdrjscc.link.parts import build_parts
    from sdrjscc.linkfile import load_link

    check_out(out)
    parts = build_parts(load_link(config))
    need_two_ends(parts)
    references = References(images or [], log=log, max_side=max_side)
    radio = make_radio(parts, "rx")
    listener = Listener(parts, radio, record=record, force=force)
    out.mkdir(parents=True, exist_ok=True)
    album = Album("rx", out, parts, references, radio.sample_rate_hz)
    show = Dashboard(listener, f"{parts.codec_name}, {config}") if live else Lines()
    code = 0
    try:
        # opening a radio may take long, and is interrupted; reception is not
        with radio, Stop() as stop, listener:
            console.print(f"receiving at {radio.center_frequency_hz / 1e6:g} MHz; Ctrl-C ends it")
            with show:
                code = receive(listener, album, show, Ending(stop, count, duration_s))
    finally:
        album.finish()
    raise typer.Exit(conclude(listener, album, code))


@dataclass(frozen=True)
class Ending:
    """What ends a reception: a wish, so many transmissions, so many seconds."""

    stop: Stop
    count: int | None
    duration_s: float | None


def receive(listener: "Listener", album: "Album", show: "Show", ending: Ending) -> int:
    """Receive until told to stop; what is still open then is kept too.

    Returns:
        0; 3 if the radio was lost, 2 if its recording cannot be read on; 130 after Ctrl-C.
    """
    from sdrjscc.errors import SdrJsccError

    code = 0
    try:
        for reception, pictures in listener.pictures(ending.duration_s, ending.stop):
            ending.stop.tell()
            show.samples(reception)
            for one in pictures:
                show.picture(album.take(one, listener.excerpt))
            if ending.count is not None and len(album.records) >= ending.count:
                break
    except SdrJsccError as error:
        code = fail(str(error), error.exit_code)
    for one in listener.rest():
        show.picture(album.take(one, listener.excerpt))
    return 130 if ending.stop() else code


def conclude(listener: "Listener", album: "Album", code: int) -> int:
    """Say what was counted, and what was refused and why; returns the exit code."""
    counters = listener.receiving.receiver.counters
    console.print(
        f"{album.decoded} of {len(album.records)} pictures decoded, "
        f"{counters.headers - counters.foreign} packets, {counters.foreign} of another configuration, "
        f"{counters.header_failures} undecodable, {counters.dropped} samples dropped"
    )
    refusals = listener.receiving.refusals
    for reason in refusals:
        console.print(f"refused {refusals.count(reason)} x: {reason}", markup=False, highlight=False)
    if (recording := listener.recording) is not None:
        console.print(f"recorded {recording.recorder.written} samples, {recording.recorder.lost} lost")
        if recording.failure is not None:
            code = fail(str(recording.failure), recording.failure.exit_code)
    return code if code or album.records else NOTHING_RECEIVED
