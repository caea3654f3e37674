"""Make a recording whole again after its recorder, the disk or a copy was interrupted."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdrjscc.capture._datafile import hash_of, lock
from sdrjscc.capture._journal import Journal
from sdrjscc.capture._meta import OWN, Header, check_valid, check_writable, described_samples, document, parse
from sdrjscc.capture._names import ARCHIVE, Names, names_of
from sdrjscc.capture._samples import FORMATS
from sdrjscc.errors import CaptureError
from sdrjscc.files import write_text_atomic


@dataclass(frozen=True)
class Report:
    """What ``recover`` found.

    Attributes:
        samples: in the recording now.
        trimmed_bytes: of half a sample, cut off the data.
        actions: what was done, a sentence each; empty where nothing had to be.
    """

    samples: int
    trimmed_bytes: int
    actions: tuple[str, ...]


def recover(path: str | Path, header: Header | None = None) -> Report:
    """Trim half a sample, make the metadata speak of what is there and add the hash.

    Samples written after the last metadata are kept, as a segment that says so. Metadata that is
    missing is taken from what an interrupted recorder left beside it, or made from ``header``.

    Args:
        path: the recording.
        header: what it is, where no metadata is left; the rate and the datatype cannot be told from
            samples.

    Raises:
        CaptureError: there are no samples, they are being recorded, they were changed since their
            hash was taken, or nothing honest can be said about them.
    """
    names = names_of(path)
    if Path(path).suffix == ARCHIVE:
        raise CaptureError(f"a recording to recover must be two files, not an archive (got '{path}')")
    if not names.data.is_file():
        raise CaptureError(f"{names.data} must exist to be recovered (it does not)")
    try:
        with _locked(names.data) as descriptor:
            return _recover(names, header, descriptor)
    except OSError as error:
        raise CaptureError(f"{names.data} must be writable (got: {error.strerror or error})") from error


def _recover(names: Names, header: Header | None, descriptor: int) -> Report:
    actions: list[str] = []
    metadata = _metadata(names, header, actions)
    if metadata["global"].get("core:datatype") not in FORMATS:
        raise CaptureError(
            f"{names.meta}: core:datatype must be one of {', '.join(FORMATS)} "
            f"(got '{metadata['global'].get('core:datatype')}')"
        )
    top = metadata["global"]
    width = FORMATS[top["core:datatype"]].bytes_per_sample(top.get("core:num_channels", 1))
    samples, rest = divmod(names.data.stat().st_size, width)
    if rest:
        actions.append(f"{rest} bytes of half a sample were cut off")
    claimed = described_samples(top)
    _fit(metadata, samples, actions)
    cut_off = bool(actions) if claimed is None else samples < claimed
    _renew_hash(metadata, names, samples * width, cut_off, actions)
    if actions:
        check_valid(metadata, names.meta)
        os.ftruncate(descriptor, samples * width)
        write_text_atomic(names.meta, _text(metadata))
    for part in _leftovers(names):
        part.unlink()
        actions.append(f"{part.name} was removed, which an interrupted recorder had left")
    return Report(samples, rest, tuple(actions))


def _metadata(names: Names, header: Header | None, actions: list[str]) -> dict[str, Any]:
    if names.meta.exists():
        return _checked(names.meta)
    for part in _leftovers(names):
        try:
            metadata = _checked(part)
        except CaptureError:
            continue
        actions.append(f"the metadata was taken from {part.name}")
        return metadata
    if header is None:
        raise CaptureError(
            f"{names.meta} must be there, or its header be given: samples alone do not tell their rate, "
            "datatype and antennas (it is missing)"
        )
    check_writable(header)
    actions.append("the metadata was made from the header that was given")
    made = parse(Journal(header).text(0, 0, None), names.meta)
    for key in ("samples", "clipped", "dropped", "lost"):  # nobody counted
        del made["global"][f"{OWN}{key}"]
    changed = datetime.fromtimestamp(names.data.stat().st_mtime, UTC)
    made["captures"][0]["core:datetime"] = changed.strftime("%Y-%m-%dT%H:%M:%SZ")
    made["captures"][0][f"{OWN}comment"] = "time of the file's last change; gaps are unknown"
    return made


def _checked(path: Path) -> dict[str, Any]:
    metadata = parse(path.read_bytes(), path)
    check_valid(metadata, path)
    return metadata


def _leftovers(names: Names) -> list[Path]:
    """Temporary files of :func:`sdrjscc.files.write_atomic`, newest first."""
    prefix, suffix = f".{names.meta.name}.", ".part"
    found = [
        path
        for path in names.meta.parent.iterdir()
        if path.name.startswith(prefix) and path.name.endswith(suffix)
    ]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _fit(metadata: dict[str, Any], samples: int, actions: list[str]) -> None:
    """Make segments and annotations speak of ``samples`` samples."""
    first = int(metadata["global"].get("core:offset", 0))
    end = first + samples
    for key in ("captures", "annotations"):
        entries = metadata[key]
        kept = [entry for entry in entries if entry["core:sample_start"] < max(end, first + 1)]
        for entry in kept:
            if entry["core:sample_start"] + entry.get("core:sample_count", 0) > end:
                entry["core:sample_count"] = end - entry["core:sample_start"]
                actions.append("an annotation that the data ends within was shortened")
        if len(kept) < len(entries):
            actions.append(f"{len(entries) - len(kept)} {key} beyond the end of the data were removed")
        metadata[key] = kept
    claimed = described_samples(metadata["global"])
    if claimed is None or claimed == samples:
        return
    metadata["global"][f"{OWN}samples"] = samples
    actions.append(f"the metadata spoke of {claimed} samples, the data holds {samples}")
    if claimed < samples:
        metadata["captures"].append(_unwatched(metadata["captures"], first + claimed))


def _unwatched(captures: list[dict[str, Any]], start: int) -> dict[str, Any]:
    """The segment of what was written after the last metadata."""
    last = captures.pop() if captures and captures[-1]["core:sample_start"] == start else {}
    before = last or (captures[-1] if captures else {})
    ahead = before.get("core:global_index", 0) - before.get("core:sample_start", 0)
    inherited = {key: before[key] for key in ("core:frequency",) if key in before}
    return {
        **last,
        **inherited,
        "core:sample_start": start,
        "core:global_index": start + ahead,
        f"{OWN}comment": "written after the last metadata: gaps from here on are not marked",
    }


def _renew_hash(
    metadata: dict[str, Any], names: Names, size_bytes: int, cut_off: bool, actions: list[str]
) -> None:
    """A hash of less than there was says nothing any more; of as much as there was, it must agree."""
    said = metadata["global"].get("core:sha512")
    found = hash_of(names.data, 0, size_bytes)
    if said is not None and said.lower() == found:
        return
    if said is not None and not cut_off:
        raise CaptureError(
            f"{names.data} must have the SHA-512 of its metadata (got another: its samples were changed, "
            "which cannot be undone)"
        )
    metadata["global"]["core:sha512"] = found
    actions.append("the hash was added" if said is None else "the hash was taken anew")


def _text(metadata: dict[str, Any]) -> str:
    entries = {key: [json.dumps(entry) for entry in metadata[key]] for key in ("captures", "annotations")}
    return document(metadata["global"], entries["captures"], entries["annotations"])


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        lock(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)
