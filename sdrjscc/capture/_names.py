"""The two files of a recording, by any of its names."""

from dataclasses import dataclass
from pathlib import Path

from sdrjscc.errors import CaptureError

DATA, META, ARCHIVE = ".sigmf-data", ".sigmf-meta", ".sigmf"
_PACKED = (".sigmf.gz", ".sigmf.xz", ".sigmf.zip")


@dataclass(frozen=True)
class Names:
    """Where a recording's samples, its metadata and an archive of both lie."""

    data: Path
    meta: Path
    archive: Path


def names_of(path: str | Path) -> Names:
    """The files behind NAME, NAME.sigmf-meta, NAME.sigmf-data or NAME.sigmf.

    Raises:
        CaptureError: a compressed archive, which could only be read as a whole.
    """
    path = Path(path).expanduser()
    if path.name.endswith(_PACKED):
        raise CaptureError(f"{path} must be an uncompressed .sigmf archive or be unpacked first")
    name = path.name
    if path.suffix in (DATA, META, ARCHIVE):
        name = path.stem
    if not name:
        raise CaptureError(f"a recording must have a name (got '{path}')")
    return Names(*(path.with_name(name + ending) for ending in (DATA, META, ARCHIVE)))


def taken(path: str | Path) -> bool:
    """Whether there is something of a recording of that name.

    Raises:
        CaptureError: as :func:`names_of`.
    """
    names = names_of(path)
    return names.meta.exists() or (names.data.exists() and names.data.stat().st_size > 0)


def numbered(path: str | Path, number: int) -> Path:
    """NAME-2 and so on, from NAME with or without a suffix; NAME itself is number 1.

    Raises:
        CaptureError: as :func:`names_of`.
    """
    plain = names_of(path).data.with_suffix("")
    return plain if number == 1 else plain.with_name(f"{plain.name}-{number}")
