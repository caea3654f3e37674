"""The rows of a campaign: one a picture and cell, in Parquet, a file for every finished cell."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sdrjscc.errors import ConfigError
from sdrjscc.files import write_atomic

KEYS = ("level", "codec", "mapping", "channel", "sender_knows", "mode", "snr_db", "seed")
"""What names a cell."""

COLUMNS = {
    "level": "string",
    "codec": "string",
    "mapping": "string",
    "channel": "string",
    "sender_knows": "string",
    "mode": "string",
    "snr_db": "float64",
    "seed": "int64",
    "image": "string",
    "width": "int32",
    "height": "int32",
    "mode_used": "int32",
    "psnr_db": "float64",
    "ssim": "float64",
    "ms_ssim": "float64",
    "lpips": "float64",
    "undecodable": "bool_",
    "reason": "string",
    "k": "int64",
    "rho": "float64",
    "rho_on_air": "float64",
    "pilot_snr_db": "float64",
    "snr_db_measured": "float64",
    "recording": "string",
}
"""Columns and their Arrow types; empty where not measured. Times are not among them: they differ."""
_LATER = ("recording",)  # columns that parts of earlier versions do not have

Row = dict[str, Any]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as Parquet, atomically.

    Raises:
        ConfigError: the extra 'campaign' is not installed.
        OSError: from the file system.
    """
    arrow, parquet = _arrow()
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])
    table = arrow.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema)
    write_atomic(path, lambda part: parquet.write_table(table, part))


def read_rows(path: Path) -> list[Row]:
    """Read what :func:`write_rows` wrote.

    Raises:
        ConfigError: the extra 'campaign' is not installed, or the file is none of ours.
    """
    arrow, parquet = _arrow()
    try:
        table = parquet.ParquetFile(path).read()
    except (OSError, arrow.ArrowException) as error:
        raise ConfigError(f"{path} must be a readable Parquet file (got: {error})") from None
    there = table.column_names
    if {*there, *_LATER} != set(COLUMNS):
        raise ConfigError(f"{path} must have the columns of a campaign (got {', '.join(there)})")
    return [{name: row.get(name) for name in COLUMNS} for row in table.to_pylist()]


class Parts:
    """The folder of finished cells, each a file named by the cell's digest.

    What a cell's rows depend on is in its name: parts of another campaign, other weights or other
    pictures in the same folder are never taken for this one's.
    """

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which need not be there."""
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where the rows of a cell lie, or will."""
        return self.folder / f"{digest}.parquet"

    def missing(self, digests: Sequence[str]) -> list[int]:
        """Positions of the cells that are still to be done."""
        return [number for number, digest in enumerate(digests) if not self.path(digest).exists()]

    def write(self, digest: str, rows: Iterable[Row]) -> None:
        """Keep a finished cell; see :func:`write_rows`."""
        write_rows(self.path(digest), rows)

    def read(self, digests: Sequence[str]) -> list[Row]:
        """Rows of all finished cells among ``digests``, in their order, pictures by name."""
        done = [self.path(digest) for digest in digests if self.path(digest).exists()]
        return [row for path in done for row in sorted(read_rows(path), key=lambda row: str(row["image"]))]

    def forget(self, digests: Sequence[str]) -> None:
        """Remove the parts of these cells, so that they are done again."""
        for digest in digests:
            self.path(digest).unlink(missing_ok=True)


def require_arrow() -> None:
    """Ask for the extra before anything is computed.

    Raises:
        ConfigError: it is not installed.
    """
    _arrow()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f"campaigns need the extra 'campaign': pip install 'sdrjscc[campaign]' (got: {error})"
        ) from None
    return pyarrow, parquet
