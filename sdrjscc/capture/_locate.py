"""Find a recording's metadata and the bytes of its samples: two files, or one archive of both."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from sdrjscc.capture._names import DATA, META, Names, names_of
from sdrjscc.errors import CaptureError


@dataclass(frozen=True)
class Source:
    """Where a recording lies.

    Attributes:
        meta: its metadata, not yet parsed.
        meta_name: what to call it in errors.
        data: file that holds the samples.
        offset: of their first byte in it.
        size_bytes: of all samples.
    """

    meta: bytes
    meta_name: str
    data: Path
    offset: int
    size_bytes: int


def locate(path: str | Path) -> Source:
    """Read the metadata of a recording under any of its names, and find its samples.

    Raises:
        CaptureError: something is missing or unreadable.
    """
    names = names_of(path)
    try:
        if names.archive.is_file() and (Path(path).suffix == names.archive.suffix or not names.meta.exists()):
            return _in_archive(names.archive)
        return _two_files(names, path)
    except OSError as error:
        raise CaptureError(f"recording {path} must be readable (got: {error.strerror or error})") from error


def _two_files(names: Names, path: str | Path) -> Source:
    if not names.meta.exists():
        if names.data.exists():
            raise CaptureError(f"{names.meta} must be beside its samples (got only {names.data.name})")
        raise CaptureError(
            f"recording {path} must exist (got neither {names.meta.name} nor {names.data.name})"
        )
    if not names.data.exists():
        raise CaptureError(f"{names.data} must be beside its metadata (got only {names.meta.name})")
    return Source(names.meta.read_bytes(), str(names.meta), names.data, 0, names.data.stat().st_size)


def _in_archive(archive: Path) -> Source:
    """The samples stay in the archive, which is not compressed."""
    try:
        with tarfile.open(archive, "r:") as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            meta, data = _only(members, META, archive), _only(members, DATA, archive)
            file = tar.extractfile(meta)
            text = file.read() if file is not None else b""
            return Source(text, f"{meta.name} in {archive}", archive, data.offset_data, data.size)
    except tarfile.TarError as error:
        raise CaptureError(f"{archive} must be an uncompressed tar archive (got: {error})") from None


def _only(members: list[tarfile.TarInfo], ending: str, archive: Path) -> tarfile.TarInfo:
    found = [member for member in members if member.name.endswith(ending)]
    if len(found) != 1:
        raise CaptureError(f"{archive} must hold one {ending} file (got {len(found)})")
    return found[0]
