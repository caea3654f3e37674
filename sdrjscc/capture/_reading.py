"""Recordings as a stream: what is there is read, what is wrong is said."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from sdrjscc.capture._datafile import hash_of
from sdrjscc.capture._locate import Source, locate
from sdrjscc.capture._meta import (
    NAMESPACE,
    OWN,
    Annotation,
    Gap,
    Header,
    check_valid,
    described_samples,
    only_own,
    parse,
)
from sdrjscc.capture._samples import FORMATS, decode
from sdrjscc.errors import CaptureError

_log = logging.getLogger("sdrjscc.capture")

_COUNTS = ("clipped", "dropped", "lost")
_KEPT_APART = frozenset(f"{OWN}{key}" for key in ("samples", "full_scale", *_COUNTS))


@dataclass(frozen=True)
class Capture:
    """A recording, opened for reading.

    Attributes:
        path: the file with the samples.
        header: what it says of itself; ``extra`` holds the project's own fields.
        annotations: sorted by their start.
        gaps: samples that are missing within it.
        samples: held in the file, per antenna.
        counts: ``clipped``, ``dropped`` and ``lost`` as the recorder counted them, where it did.
        warnings: what is wrong with it although it can be read, a sentence each; logged as well.
    """

    path: Path
    header: Header
    annotations: tuple[Annotation, ...]
    gaps: tuple[Gap, ...]
    samples: int
    counts: dict[str, int]
    warnings: tuple[str, ...]
    _offset: int

    def chunks(self, size: int = 262_144) -> Iterator[tuple[Tensor, int]]:
        """Read it from the beginning, ``size`` samples at most in memory; may be called again.

        Yields:
            Complex64 ``[antennas, n]`` with full scale 1.0, and how many samples are missing
            immediately before it. A chunk never crosses a gap.

        Raises:
            CaptureError: the samples cannot be read, or ``size`` is not positive.
        """
        if size < 1:
            raise CaptureError(f"the size of a chunk must be at least 1 (got {size})")
        missing = Counter[int]()
        for gap in self.gaps:
            missing[gap.start] += gap.dropped
        cuts = [0, *(gap.start for gap in self.gaps if gap.start > 0), self.samples]
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for first, end in pairwise(cuts):
                    for start in range(first, end, size):
                        count = min(size, end - start)
                        yield self._read(file, count), missing[start]
        except OSError as error:
            raise CaptureError(f"{self.path} must be readable (got: {error.strerror})") from error

    def _read(self, file: BinaryIO, count: int) -> Tensor:
        raw = file.read(count * self.header.bytes_per_sample)
        if len(raw) < count * self.header.bytes_per_sample:
            raise CaptureError(f"{self.path} must stay as long as it was when it was opened (it was cut off)")
        return decode(raw, self.header.datatype, self.header.antennas)


def open_capture(path: str | Path, *, check_hash: bool = True) -> Capture:
    """Open a recording by NAME, NAME.sigmf-meta, NAME.sigmf-data, or as an archive NAME.sigmf.

    Args:
        path: any of these.
        check_hash: read the whole file once (not into memory) and compare its SHA-512; another one is
            a warning, because the samples are still there.

    Raises:
        CaptureError: a file is missing, the metadata is not valid, or it asks for what cannot be
            read here: another datatype, an extension that must be understood, samples in a file that
            is not SigMF's own.
    """
    source = locate(path)
    metadata = parse(source.meta, source.meta_name)
    check_valid(metadata, source.meta_name)
    _check_readable(metadata, source)
    header = _header(metadata, source)
    samples, rest = divmod(source.size_bytes, header.bytes_per_sample)
    warnings = _warnings(metadata, samples, rest)
    if check_hash:
        warnings += _hash_warnings(metadata["global"], source)
    for warning in warnings:
        _log.warning("%s: %s", source.data, warning)
    counts = {key: metadata["global"].get(f"{OWN}{key}") for key in _COUNTS}
    return Capture(
        path=source.data,
        header=header,
        annotations=tuple(_annotations(metadata, samples)),
        gaps=tuple(_gaps(metadata, samples)),
        samples=samples,
        counts={key: count for key, count in counts.items() if isinstance(count, int)},
        warnings=tuple(warnings),
        _offset=source.offset,
    )


def _check_readable(metadata: dict[str, Any], source: Source) -> None:
    top, name = metadata["global"], source.meta_name
    if top["core:datatype"] not in FORMATS:
        raise CaptureError(
            f"{name}: core:datatype must be one of {', '.join(FORMATS)} (got '{top['core:datatype']}')"
        )
    if "core:sample_rate" not in top or not top["core:sample_rate"] > 0:
        raise CaptureError(f"{name}: core:sample_rate must be there and positive (it is not)")
    for extension in top.get("core:extensions", []):
        if not extension["optional"] and extension["name"] != NAMESPACE:
            raise CaptureError(
                f"{name}: extensions that a reader must understand must be '{NAMESPACE}' only "
                f"(got '{extension['name']}')"
            )
    foreign = [key for key in ("core:dataset", "core:trailing_bytes", "core:metadata_only") if top.get(key)]
    foreign += [
        key for key in ("core:header_bytes",) if any(entry.get(key) for entry in metadata["captures"])
    ]
    if foreign:
        raise CaptureError(f"{name}: the samples must lie in a plain .sigmf-data file (got {foreign[0]})")


def _header(metadata: dict[str, Any], source: Source) -> Header:
    top, captures = metadata["global"], metadata["captures"] or [{}]
    datatype = top["core:datatype"]
    full_scale = top.get(f"{OWN}full_scale", FORMATS[datatype].full_scale)
    if full_scale != FORMATS[datatype].full_scale:
        raise CaptureError(
            f"{source.meta_name}: {OWN}full_scale of {datatype} must be "
            f"{FORMATS[datatype].full_scale:g} (got {full_scale})"
        )
    return Header(
        sample_rate_hz=float(top["core:sample_rate"]),
        center_frequency_hz=float(captures[0].get("core:frequency", 0.0)),
        antennas=int(top.get("core:num_channels", 1)),
        datatype=datatype,
        hardware=top.get("core:hw", ""),
        author=top.get("core:author"),
        description=top.get("core:description", ""),
        extra={key: value for key, value in only_own(top).items() if key not in _KEPT_APART},
    )


def _warnings(metadata: dict[str, Any], samples: int, rest: int) -> list[str]:
    top, first = metadata["global"], _first_sample(metadata)
    found = []
    if rest:
        found.append(f"the data must end with a whole sample (got {rest} bytes more, which are left out)")
    ends = [
        entry["core:sample_start"] - first + entry.get("core:sample_count", 0) for entry in _marks(metadata)
    ]
    claimed = described_samples(top)
    spoken_of = max([claimed or 0, *ends])
    if spoken_of > samples:
        found.append(
            f"the data must hold the {spoken_of} samples that its metadata speaks of (got {samples}: cut off)"
        )
    elif claimed is not None and claimed < samples:
        found.append(
            f"the metadata must speak of all {samples} samples (got {claimed}: the recorder was "
            "interrupted, and gaps in what follows are not marked)"
        )
    carriers = {entry["core:frequency"] for entry in metadata["captures"] if "core:frequency" in entry}
    if len(carriers) > 1:
        found.append(
            f"the carrier must not change within a recording (got {len(carriers)}; the first is used)"
        )
    return found


def _hash_warnings(top: dict[str, Any], source: Source) -> list[str]:
    said = top.get("core:sha512")
    if said is None:
        return []
    try:
        found = hash_of(source.data, source.offset, source.size_bytes)
    except OSError as error:
        raise CaptureError(f"{source.data} must be readable (got: {error.strerror})") from error
    if found == str(said).lower():
        return []
    return [f"the samples must have the SHA-512 {said[:8]}... of the metadata (got {found[:8]}...: changed)"]


def _annotations(metadata: dict[str, Any], samples: int) -> Iterator[Annotation]:
    """Those that begin within the data; without a count, up to its end."""
    first = _first_sample(metadata)
    for entry in metadata["annotations"]:
        start = entry["core:sample_start"] - first
        if 0 <= start < samples:
            yield Annotation(
                start=start,
                count=min(entry.get("core:sample_count", samples - start), samples - start),
                label=entry.get("core:label", ""),
                comment=entry.get("core:comment", ""),
                extra=only_own(entry),
            )


def _gaps(metadata: dict[str, Any], samples: int) -> Iterator[Gap]:
    """Where ``core:global_index`` runs ahead of ``core:sample_start``.

    At the first sample only where our own recorder counted from the beginning of a stream: for
    others the index may count from when a device was switched on.
    """
    first = _first_sample(metadata)
    ahead = 0
    for number, entry in enumerate(metadata["captures"]):
        start = entry["core:sample_start"] - first
        now = entry.get("core:global_index", entry["core:sample_start"] + ahead) - entry["core:sample_start"]
        counted = number > 0 or described_samples(metadata["global"]) is not None
        if counted and now > ahead and start < samples:
            yield Gap(start, now - ahead)
        ahead = now


def _first_sample(metadata: dict[str, Any]) -> int:
    """SigMF's positions count from here: not 0 in a part of a recording in several files."""
    return int(metadata["global"].get("core:offset", 0))


def _marks(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    return [*metadata["captures"], *metadata["annotations"]]
