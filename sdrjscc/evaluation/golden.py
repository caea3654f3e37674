"""Recordings as regression tests: an index says what each must decode to.

``index.toml`` beside the recordings has one table ``[[capture]]`` for each; a number that is
measured has a tolerance beside it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.config import Section, read_toml, validate
from sdrjscc.errors import CaptureError, ImageError
from sdrjscc.evaluation.reception import record_reception
from sdrjscc.evaluation.results import Transmission
from sdrjscc.images.samples import sample_names, sample_path
from sdrjscc.link.log import References
from sdrjscc.link.replay import Replay, recorded_lines, recorded_link
from sdrjscc.linkfile import load_link

INDEX = "index.toml"


class Around(Section):
    """A measured value and how far another measurement may lie from it."""

    value: float
    tolerance: float = Field(ge=0)

    def differs(self, got: float | None) -> bool:
        """Whether a measurement lies outside."""
        return got is None or not abs(got - self.value) <= self.tolerance


class Expected(Section):
    """What one recording must decode to.

    Attributes:
        file: the recording's name without suffix.
        what: what was done to the signal.
        link: preset to receive with instead of the recording's own configuration.
        pictures: transmissions given out.
        decoded: pictures among them.
        packets: received, over all transmissions.
        undecodable: preambles without a valid header.
        foreign: headers of another configuration.
        cfo_hz, sco_ppm, snr_db, psnr_db: means over transmissions.
        refusals: how each reason for a refusal begins, in order.
    """

    file: str
    what: str
    link: str | None = None
    pictures: int = Field(ge=0)
    decoded: int = Field(ge=0)
    packets: int = Field(ge=0)
    undecodable: int = Field(0, ge=0)
    foreign: int = Field(0, ge=0)
    cfo_hz: Around | None = None
    sco_ppm: Around | None = None
    snr_db: Around | None = None
    psnr_db: Around | None = None
    refusals: tuple[str, ...] = ()


class _Index(Section):
    capture: tuple[Expected, ...]


@dataclass(frozen=True)
class Measured:
    """What came out of one recording.

    Attributes:
        counts: by the names of :class:`Expected`.
        means: over the transmissions, ``None`` where nothing was measured.
        refusals: reasons.
    """

    counts: dict[str, int]
    means: dict[str, float | None]
    refusals: tuple[str, ...]


def read_index(folder: Path) -> list[Expected]:
    """The index of a folder of recordings.

    Raises:
        ConfigError: it is missing or not valid.
    """
    return list(validate(_Index, read_toml(folder / INDEX), INDEX).capture)


def find_expected(file: Path) -> Expected:
    """What the index beside a recording says of it.

    Raises:
        ConfigError: there is no valid index.
        CaptureError: the recording is not in it.
    """
    name = file.stem if file.suffix.startswith(".sigmf") else file.name
    for one in read_index(file.parent):
        if one.file == name:
            return one
    raise CaptureError(f"{file.parent / INDEX} must have an entry for every recording (none for {name})")


def missing(folder: Path) -> list[str]:
    """Names in a folder's index of which there is no recording.

    Raises:
        ConfigError: there is no valid index.
    """
    return [one.file for one in read_index(folder) if not (folder / f"{one.file}.sigmf-meta").exists()]


def measure(file: Path, expected: Expected | None = None) -> Measured:
    """Receive one recording and sum up.

    Raises:
        CaptureError: it cannot be read, or holds no configuration where none is given.
    """
    capture = open_capture(file)
    own = recorded_link(capture) if expected is None or expected.link is None else None
    config = load_link(expected.link) if expected is not None and expected.link is not None else own
    if config is None:
        raise CaptureError(f"{file} must hold a link's configuration (it holds none)")
    replay = Replay(capture, config, own=own is not None)
    records = list(receive_all(replay, recorded_references(replay)))
    return _summed(replay, records)


def recorded_references(replay: Replay, places: Sequence[Path] = ()) -> References:
    """The pictures that a recording says it holds: among ``places`` and the bundled photographs."""
    lines = recorded_lines(replay.capture)
    return References([*places, *(_samples() if lines else ())], lines)


def _samples() -> Iterator[Path]:
    """The bundled photographs that are installed."""
    for name in sample_names():
        with suppress(ImageError):
            yield sample_path(name)


def receive_all(replay: Replay, references: References) -> list[Transmission]:
    """Records of everything in a recording, without arrays."""
    return [
        record_reception(
            one,
            samples[:, :0],
            parts=replay.parts,
            encoder=replay.parts,
            references=references,
            sample_rate_hz=replay.capture.header.sample_rate_hz,
        ).slim()
        for samples, pictures in replay.pictures()
        for one in pictures
    ]


def _summed(replay: Replay, records: Sequence[Transmission]) -> Measured:
    rows = [record.row() for record in records]
    counters = replay.receiving.receiver.counters
    counts = {
        "pictures": len(rows),
        "decoded": sum(record.decoded for record in records),
        "packets": sum(row["packets_received"] for row in rows),
        "undecodable": counters.header_failures,
        "foreign": counters.foreign,
    }
    means = {key: _mean([row[key] for row in rows]) for key in ("cfo_hz", "sco_ppm", "snr_db", "psnr_db")}
    return Measured(counts, means, tuple(replay.receiving.refusals))


def _mean(values: Sequence[Any]) -> float | None:
    there = [float(value) for value in values if value is not None]
    return sum(there) / len(there) if there else None


def differences(expected: Expected, got: Measured) -> list[str]:
    """Sentences, one for each thing that is not as it must be; none if all is."""
    found = [
        f"{key} must be {getattr(expected, key)} (got {value})"
        for key, value in got.counts.items()
        if value != getattr(expected, key)
    ]
    for key, value in got.means.items():
        around: Around | None = getattr(expected, key)
        if around is not None and around.differs(value):
            shown = "none" if value is None else f"{value:.3f}"
            found.append(f"{key} must be {around.value:g} within {around.tolerance:g} (got {shown})")
    if len(got.refusals) != len(expected.refusals) or not all(
        reason.startswith(start) for reason, start in zip(got.refusals, expected.refusals, strict=False)
    ):
        found.append(f"refusals must be {list(expected.refusals)} (got {list(got.refusals)})")
    return found
