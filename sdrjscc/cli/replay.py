"""``sdrjscc replay``: receive recordings, with their own decoder or another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._console import console, fail
from sdrjscc.cli._out import check_out

if TYPE_CHECKING:
    from sdrjscc.cli._reception import Album
    from sdrjscc.link.log import LogLine
    from sdrjscc.link.parts import Parts
    from sdrjscc.link.replay import Replay


def replay(
    captures: Annotated[
        list[str], typer.Argument(help="SigMF recordings; or a folder, or 'captures' for the bundled ones.")
    ],
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="Link TOML or preset instead of the recording's own.")
    ] = None,
    codec: Annotated[str | None, typer.Option(help="Decode with this codec, or codec/variant.")] = None,
    weights: Annotated[str | None, typer.Option(help="Its weights: a file, or 'untrained'.")] = None,
    mapping: Annotated[str | None, typer.Option(help="Mapping instead of the recording's.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for pictures, results and report.")] = Path(
        "sdrjscc-replay"
    ),
    images: Annotated[
        list[Path] | None, typer.Option(help="The true pictures, files or folders, to measure against.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="The transmitter's log, which tells them apart.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the index beside them; exit code 4 if one differs.")
    ] = False,
    channels: Annotated[
        Path | None,
        typer.Option(help="Write the channels met to this .safetensors file, for channel 'recorded'."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of --channels.")] = False,
) -> None:
    """Receive what was recorded: a regression test, or another decoder on the same air."""
    from sdrjscc.cli._replay import check_all, find_captures
    from sdrjscc.link.log import read_log
    from sdrjscc.link.soundings import Soundings

    files = find_captures(captures)
    if check:
        raise typer.Exit(check_all(files))
    check_out(out)
    _check_channels(channels, force)
    lines = [] if log is None else read_log(log)
    choice, soundings, pictures = _Choice(config, codec, weights, mapping), Soundings(), 0
    for file in files:
        folder = out / file.name.removesuffix(".sigmf-meta") if len(files) > 1 else out
        one, encoder = choice.replay(file)
        if encoder is not None:
            names = f"sent by {encoder.codec_name}, decoded by {one.parts.codec_name}"
            console.print(names, markup=False, highlight=False)
        album = _album(one, encoder, folder, images or [], lines)
        _receive(one, album)
        pictures += len(album.records)
        soundings.add(one.packets, one.capture.header.sample_rate_hz)
    if channels is not None:
        soundings.write(channels)
        console.print(f"{len(soundings)} channels written to {channels}", markup=False, highlight=False)
    if not pictures:
        raise typer.Exit(fail(f"at least one picture must be received (got none in {len(files)})", 4))


def _check_channels(path: Path | None, force: bool) -> None:
    from sdrjscc.errors import ConfigError

    if path is None:
        return
    if path.suffix != ".safetensors":
        raise ConfigError(f"--channels must be a .safetensors file (got {path})")
    if path.exists() and not force:
        raise ConfigError(f"--channels must be a new file, or --force be given (there is a {path})")


@dataclass(frozen=True)
class _Choice:
    """The configuration to receive with, where it is not the recording's own."""

    config: str | None
    codec: str | None
    weights: str | None
    mapping: str | None

    def replay(self, file: Path) -> "tuple[Replay, Parts | None]":
        """A replay, and the parts of what sent where another codec decodes."""
        from sdrjscc.capture.sigmf import open_capture
        from sdrjscc.errors import CaptureError
        from sdrjscc.link.parts import build_parts
        from sdrjscc.link.replay import Replay, recorded_link
        from sdrjscc.linkfile import load_link, with_codec

        capture = open_capture(file)
        recorded = recorded_link(capture) if self.config is None else load_link(self.config)
        if recorded is None:
            raise CaptureError(f"{file} must hold a link's configuration (it holds none: give one with -c)")
        used = with_codec(recorded, self.codec, weights=self.weights, mapping=self.mapping)
        encoder = None if used == recorded else build_parts(recorded)
        return Replay(capture, used, own=self.config is None), encoder


def _album(
    one: "Replay", encoder: "Parts | None", folder: Path, images: Sequence[Path], lines: "Sequence[LogLine]"
) -> "Album":
    from sdrjscc.cli._reception import Album
    from sdrjscc.evaluation.golden import recorded_references
    from sdrjscc.link.log import References

    references = References(images, lines) if lines else recorded_references(one, images)
    folder.mkdir(parents=True, exist_ok=True)
    rate_hz = one.capture.header.sample_rate_hz
    return Album("replay", folder, one.parts, references, rate_hz, encoder)


def _receive(one: "Replay", album: "Album") -> None:
    """Receive all of a recording; what came before Ctrl-C is kept."""
    from rich.progress import Progress

    from sdrjscc.cli._live import summary_line

    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(one.capture.path.name, total=one.capture.samples)
            for samples, pictures in one.pictures():
                progress.advance(task, samples.shape[-1])
                for received in pictures:
                    line = summary_line(album.take(received, one.excerpt))
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
    finally:
        album.finish()
    refusals = one.receiving.refusals
    for reason in refusals:
        console.print(f"refused {refusals.count(reason)} x: {reason}", markup=False, highlight=False)
