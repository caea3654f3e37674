"""``sdrjscc record``: samples of the receiving radio to a SigMF recording, undecoded."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._console import console, fail

if TYPE_CHECKING:
    from sdrjscc.link.reading import Reader
    from sdrjscc.link.recording import Recording


def record(
    capture: Annotated[Path, typer.Argument(help="Name of the recording, without suffix.")],
    config: Annotated[str | None, typer.Option("--config", "-c", help="Link TOML or preset.")] = None,
    duration_s: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording of that name.")] = False,
    mend: Annotated[
        bool, typer.Option("--recover", help="Mend a recording whose process was killed instead.")
    ] = False,
) -> None:
    """Record what the radio receives, to be received later with replay. Ctrl-C ends it."""
    from sdrjscc.errors import ConfigError

    if mend:
        raise typer.Exit(_recover(capture))
    if config is None:
        raise ConfigError("record needs the link's configuration: -c LINK.toml or a preset's name")
    raise typer.Exit(_record(capture, config, duration_s, force))


def _recover(capture: Path) -> int:
    from sdrjscc.capture.sigmf import recover

    report = recover(capture)
    for action in report.actions or ("nothing had to be mended",):
        console.print(action, markup=False, highlight=False)
    console.print(f"{report.samples} samples")
    return 0


def _record(capture: Path, config: str, duration_s: float | None, force: bool) -> int:
    from sdrjscc.errors import SdrJsccError
    from sdrjscc.link.listening import make_radio, need_two_ends
    from sdrjscc.link.parts import build_parts
    from sdrjscc.link.reading import make_reader
    from sdrjscc.link.recording import Recording
    from sdrjscc.linkfile import load_link

    parts = build_parts(load_link(config))
    need_two_ends(parts)
    radio, radios = make_radio(parts, "rx"), parts.config.radios
    code = 0
    with radio, Recording(capture, parts, radio, radios.rx or radios.tx, force=force) as recording:
        reader = make_reader(radio, recording.tap, transmits_here=False)
        reader.start()
        try:
            _watch(reader, recording, duration_s)
        except KeyboardInterrupt:
            code = 130
        except SdrJsccError as error:
            code = fail(str(error), error.exit_code)
        finally:
            reader.stop()
    recorder = recording.recorder
    console.print(f"recorded {recorder.written} samples to {capture}, {recorder.lost} lost", markup=False)
    if recording.failure is not None:
        code = fail(str(recording.failure), recording.failure.exit_code)
    return code


def _watch(reader: "Reader", recording: "Recording", duration_s: float | None) -> None:
    """Show time, samples and level until the end; nothing more is written after a full disk."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from sdrjscc.units import to_db

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    began_s = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("recording", total=duration_s)
        for reception in reader.receptions(duration_s):
            if recording.failure is not None:
                return
            power = float(reception.samples.abs().square().mean()) if reception.samples.numel() else 0.0
            recorder = recording.recorder
            text = f"{recorder.written / 1e6:.1f} M samples, {recorder.lost} lost, {to_db(power):.1f} dBFS"
            progress.update(task, completed=time.monotonic() - began_s, description=text)
