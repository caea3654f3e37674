"""The transmitter's log, one JSON object a line, and what a receiving end learns from it.

A line says which picture file, by its hash, went out under which header. With the log and the
files the far end, or a replay years later, measures against the true pictures.
"""

import datetime
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pydantic import Field
from torch import Tensor

from sdrjscc.config import Section, validate
from sdrjscc.errors import CaptureError, ImageError
from sdrjscc.framing.header import Header
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.link.transmitter import Transmission


class LogLine(Section):
    """One transmission.

    Attributes:
        time: when it was handed to the radio, ISO 8601 with zone.
        image: the file's name.
        sha256: of the file's bytes; ``None`` where the picture came from no file.
        max_side: what it was shrunk to before it was sent, px.
        nonce, transmission, packets, width, height, mode: as in its headers.
        digest: of the link's configuration.
        k: channel symbols.
        airtime_s: duration of its frames.
        repeated: it was sent over and over.
    """

    time: str
    image: str
    sha256: str | None = None
    max_side: int | None = Field(None, ge=1)
    nonce: int = Field(ge=0, le=255)
    transmission: int = Field(ge=0, le=255)
    packets: int = Field(ge=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    mode: int = Field(ge=0)
    digest: int = Field(ge=0, le=0xFFFF)
    k: int = Field(ge=1)
    airtime_s: float = Field(ge=0)
    repeated: bool = False

    def fits(self, header: Header) -> bool:
        """Whether a header may be of this transmission."""
        return all(getattr(self, name) == getattr(header, name) for name in _SHARED)


_BEGINNING = b'{"time"'
_SHARED = ("nonce", "transmission", "packets", "width", "height", "mode", "digest")


@dataclass(frozen=True)
class Source:
    """Where a picture came from.

    Attributes:
        picture: as it is sent.
        sha256: of its file's bytes; ``None`` without a file.
        max_side: limit it was read with.
    """

    picture: Picture
    sha256: str | None = None
    max_side: int | None = None


def read_source(path: Path, max_side: int | None = None) -> Source:
    """Read a picture file and its hash.

    Raises:
        ImageError: as :func:`sdrjscc.images.io.read_image`.
    """
    picture = read_image(path, max_side=max_side)
    return Source(picture, file_hash(path), max_side)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{path} must be readable (got: {error.strerror})") from error


def log_line(
    sent: Transmission, source: Source, *, digest: int, mode: int, airtime_s: float, repeated: bool = False
) -> LogLine:
    """The line of a transmission that is handed to the radio now."""
    return LogLine(
        time=datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"),
        image=source.picture.name.encode("utf-8", "replace").decode(),  # names may hold any bytes
        sha256=source.sha256,
        max_side=source.max_side,
        nonce=sent.nonce,
        transmission=sent.id,
        packets=sent.packets,
        width=sent.width,
        height=sent.height,
        mode=mode,
        digest=digest,
        k=sent.plan.symbols,
        airtime_s=airtime_s,
        repeated=repeated,
    )


class TransmitLog:
    """Appends lines to a file; each is on its way to the disk before the next picture is sent."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` for appending, its folder made where it is missing.

        A last line that was cut off, by the death of its writer, is closed.

        Raises:
            OSError: from the file system.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab+")
        size = self._file.seek(0, os.SEEK_END)
        if size and not self._ends_line(size):
            self._file.write(b"\n")

    def write(self, line: LogLine) -> None:
        """Append one line."""
        self._file.write(line.model_dump_json(exclude_none=True).encode() + b"\n")
        self._file.flush()

    def _ends_line(self, size: int) -> bool:
        self._file.seek(size - 1)
        return self._file.read(1) == b"\n"

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def read_log(path: Path) -> list[LogLine]:
    """The lines of a log; those that were cut off, by the death of their writer, are left out.

    Raises:
        CaptureError: it is missing, or a line is not one of ours.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise CaptureError(f"{path} must be a readable transmitter log (got: {error.strerror})") from error
    parsed = (_parsed(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())
    return [line for line in parsed if line is not None]


def _parsed(path: Path, number: int, line: bytes) -> LogLine | None:
    try:
        table: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        if _BEGINNING.startswith(line[: len(_BEGINNING)]):
            return None
        raise CaptureError(f"{path}, line {number}, must be a JSON object (got: {error})") from error
    return validate(LogLine, table, f"{path}, line {number}")


class References:
    """The true pictures that may come over the link, and which of them a transmission is."""

    def __init__(
        self,
        places: Iterable[Path] = (),
        lines: Sequence[LogLine] = (),
        *,
        log: Path | None = None,
        max_side: int | None = None,
    ) -> None:
        """Gather references.

        Args:
            places: picture files, or folders of them.
            lines: of a transmitter's log; with neither lines nor log, a picture is told by its size
                and look.
            log: a transmitter's log that is still growing; it need not be there yet.
            max_side: limit that the sender read its pictures with, where there is no log.

        Raises:
            ImageError, TrainingError: a file is no picture, or a folder holds none.
        """
        files = [file for place in places for file in (find_images(place) if place.is_dir() else [place])]
        self._lines, self._log, self._read = list(lines), log, -1
        self._by_hash = {file_hash(file): file for file in files}
        told = bool(lines) or log is not None
        self._unlogged = [] if told else [read_image(file, max_side=max_side) for file in files]
        self._used: set[int] = set()
        self._next: int | None = None

    def match(self, header: Header, pixels: Tensor | None) -> Picture | None:
        """The picture that was sent under ``header``; ``None`` where that is not known.

        Args:
            header: of the transmission.
            pixels: uint8 ``[3, H, W]`` as received, to choose among pictures of one size.
        """
        self._follow()
        if self._lines or self._log is not None:
            return self._logged(header)
        same = [one for one in self._unlogged if (one.width, one.height) == (header.width, header.height)]
        if pixels is None or len(same) < 2:
            return same[0] if len(same) == 1 else None
        return min(same, key=lambda one: float((one.pixels.float() - pixels.float()).square().mean()))

    def _follow(self) -> None:
        """Read the log again if it has grown."""
        if self._log is not None and self._log.exists() and self._log.stat().st_size != self._read:
            self._read = self._log.stat().st_size
            self._lines = read_log(self._log)

    def _logged(self, header: Header) -> Picture | None:
        fitting = [index for index, line in enumerate(self._lines) if line.fits(header)]
        if not fitting:
            return None
        index = self._nearest([one for one in fitting if one not in self._used] or fitting)
        self._used.add(index)
        self._next = index + 1
        line = self._lines[index]
        file = None if line.sha256 is None else self._by_hash.get(line.sha256)
        return None if file is None else read_image(file, max_side=line.max_side)

    def _nearest(self, fitting: Sequence[int]) -> int:
        """Numbers repeat after 256 transmissions: the one nearest to what is due, as some are never received.

        A receiver that begins while the log grows hears the newest.
        """
        due = self._next
        if due is None:
            due = 0 if self._log is None else len(self._lines)
        return min(fitting, key=lambda one: abs(one - due))
