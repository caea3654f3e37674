"""Recordings of a campaign: what was on the air then, received by the codec of then or by another one."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdrjscc.bundled import bundled_folder
from sdrjscc.capture.sigmf import open_capture
from sdrjscc.codecs.base import build_codec
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.evaluation.golden import recorded_references
from sdrjscc.evaluation.reception import record_reception
from sdrjscc.evaluation.results import Transmission
from sdrjscc.evaluation.sent import Sent
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour
from sdrjscc.framing.header import Header
from sdrjscc.images.io import Picture
from sdrjscc.link.fit import codec_name
from sdrjscc.link.log import LogLine, References
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivedPicture
from sdrjscc.link.recorded import find_recording
from sdrjscc.link.replay import Replay, recorded_lines, recorded_link
from sdrjscc.link.transmitter import plan_picture
from sdrjscc.linkfile import LinkConfig, Table, parse_link

META = ".sigmf-meta"
BUNDLED = "captures"
_COLUMNS = {"mode": "mode_used", "snr_db": "snr_db_measured"}
_MEASURED = ("mode", "rho_on_air", "pilot_snr_db", "snr_db")
_ANY_PX = 256


def find_recordings(names: Sequence[str]) -> list[Path]:
    """Recordings by name, all of a folder, or, as ``captures``, those bundled.

    Raises:
        CaptureError: there is none of a name, a folder holds none, or two have one name.
    """
    found: list[Path] = []
    for name in names:
        place = bundled_folder(BUNDLED) if name == BUNDLED and not Path(name).exists() else Path(name)
        if place.is_dir():
            inside = sorted(place.glob(f"*{META}"))
            if not inside:
                raise CaptureError(f"a folder must hold recordings, *{META} (got {place})")
            found += inside
            continue
        one = find_recording(name)
        if one is None:
            raise CaptureError(f"level.recordings must be recordings or folders of them (got '{name}')")
        found.append(one)
    _check_names(found)
    return found


def _check_names(found: Sequence[Path]) -> None:
    """Rows know a recording by its name."""
    names = [path.name.removesuffix(META) for path in found]
    for name in names:
        if names.count(name) > 1:
            raise CaptureError(f"level.recordings must be of different names (got two named '{name}')")


def own_link(recording: Path) -> LinkConfig:
    """The configuration inside a recording.

    Raises:
        CaptureError: it cannot be read, or holds none.
    """
    link = recorded_link(open_capture(recording, check_hash=False))
    if link is None:
        raise CaptureError(f"{recording} must hold a link's configuration (it holds none)")
    return link


def decoding(link: LinkConfig, codec: Table, mapping: Table) -> LinkConfig:
    """A recording's link with another codec, and the mapping given or made for it.

    Raises:
        ConfigError: there is no such codec, or an option is wrong.
    """
    return parse_link({**link.model_dump(exclude_none=True), "codec": codec, "mapping": mapping})


def check_decoder(recording: Path, config: LinkConfig) -> None:
    """Check that the codec takes as many symbols as were sent.

    That they mean something to it is another matter: a decoder can only be that of the encoder, or one
    trained for its symbols.

    Raises:
        ConfigError: it takes others.
    """
    capture = open_capture(recording, check_hash=False)
    sender, decoder = build_codec(own_link(recording).codec), build_codec(config.codec)
    lines = recorded_lines(capture)
    sizes = {(line.width, line.height, line.mode) for line in lines} or {(_ANY_PX, _ANY_PX, 0)}
    for width, height, mode in sorted(sizes):
        sent, taken = (plan_picture(codec, width, height, mode) for codec in (sender, decoder))
        if (sent.kind, sent.symbols) != (taken.kind, taken.symbols):
            raise ConfigError(
                f"{codec_name(config.codec)} must take the symbols that are in recording "
                f"{recording.name.removesuffix(META)} to decode it: a picture of {width}x{height} px has "
                f"{sent.symbols} of {sent.kind.name.lower()} there (got a codec that takes "
                f"{taken.symbols} of {taken.kind.name.lower()})"
            )


def from_recording(recording: Path, config: LinkConfig, data: Path | None) -> Iterator[Sent]:
    """Receive all of a recording; what it says it holds and was not received is lost.

    Args:
        recording: SigMF.
        config: to receive with.
        data: folder of the true pictures, beside the bundled photographs.

    Raises:
        SdrJsccError: a part cannot be built.
    """
    capture = open_capture(recording)
    replay = Replay(capture, config, own=True)
    sender = build_parts(own_link(recording))
    references = recorded_references(replay, [] if data is None else [data])
    headers: list[Header] = []
    for samples, pictures in replay.pictures():
        for received in pictures:
            headers.append(received.assembled.header)
            record = record_reception(
                received,
                samples[:, :0],
                parts=replay.parts,
                encoder=sender,
                references=references,
                sample_rate_hz=capture.header.sample_rate_hz,
            )
            yield _received(received, record)
    yield from _lost(replay, headers, references)


def _received(received: ReceivedPicture, record: Transmission) -> Sent:
    header, row = received.assembled.header, record.row()
    columns = {_COLUMNS.get(name, name): row[name] for name in _MEASURED}
    symbols = received.assembled.plan.symbols
    if record.sent is not None and record.sent.shape[1:] == (header.height, header.width):
        picture, known = Picture(record.sent, record.image, ()), True
        pixels = mean_colour(picture) if received.pixels is None else received.pixels
    else:
        pixels = _blank(header.width, header.height) if received.pixels is None else received.pixels
        picture, known = Picture(pixels, record.image, ()), False
    return Sent(picture, Delivered(pixels, symbols, received.reason), columns, known)


def _lost(replay: Replay, headers: Sequence[Header], references: References) -> Iterator[Sent]:
    failure = "; ".join(["no packet arrived", *replay.receiving.refusals])
    for line in recorded_lines(replay.capture):
        if any(line.fits(header) for header in headers):
            continue
        picture = references.match(_header(line), None)
        known = picture is not None
        if picture is None:
            picture = Picture(_blank(line.width, line.height), line.image, ())
        yield Sent(picture, Delivered(mean_colour(picture), line.k, failure), {"mode_used": line.mode}, known)


def _header(line: LogLine) -> Header:
    """Of the first packet of a transmission that was logged."""
    shared = {name: getattr(line, name) for name in ("digest", "nonce", "transmission", "packets", "mode")}
    return Header(**shared, packet=0, prefix=0, more=False, width=line.width, height=line.height)


def _blank(width: int, height: int) -> Tensor:
    """What stands where neither what was sent nor what was received is there to be seen."""
    return torch.full((3, height, width), 128, dtype=torch.uint8)
