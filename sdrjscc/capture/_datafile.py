"""The file of samples while it is written: whole samples, a running hash, one writer."""

import fcntl
import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdrjscc.errors import CaptureError

_BLOCK_BYTES = 1 << 20


class DataFile:
    """NAME.sigmf-data, open and locked for as long as this process lives.

    Writes go straight to the operating system: what was written survives the death of the process.

    Attributes:
        samples: whole samples in the file.
        marked: how many of them ``mark`` has seen; their hash is never taken again.
        bytes_per_sample: of all antennas.
    """

    def __init__(self, path: Path, bytes_per_sample: int) -> None:
        """Open or create it; its content stays until ``empty``.

        Raises:
            OSError: from the file system.
            CaptureError: another process writes to it.
        """
        self.samples = 0
        self._path, self.bytes_per_sample = path, bytes_per_sample
        self._hash = hashlib.sha512()
        self.marked, self._marked_hash = 0, self._hash.copy()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            lock(self._descriptor, path)
        except BaseException:
            self.close()
            raise

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._descriptor).st_size

    def empty(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)

    def append(self, codes: NDArray[np.generic]) -> None:
        """Write whole samples.

        Raises:
            OSError: from the file system; the file may then end within a sample.
        """
        raw = codes.reshape(-1).view(np.uint8).data
        written = 0
        while written < len(raw):
            written += os.write(self._descriptor, raw[written:])
        self._hash.update(raw)
        self.samples += len(raw) // self.bytes_per_sample

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        os.fsync(self._descriptor)

    def mark(self) -> None:
        """No ``cut`` will be shorter than what there is now."""
        self.marked, self._marked_hash = self.samples, self._hash.copy()

    def salvage(self) -> None:
        """After a failed ``append``: keep what reached the file, in whole samples."""
        self.cut(self.size_bytes // self.bytes_per_sample)

    def cut(self, samples: int) -> None:
        """Keep the first ``samples`` samples, ``marked`` at least."""
        width = self.bytes_per_sample
        os.ftruncate(self._descriptor, samples * width)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        self.samples = samples
        self._hash = self._marked_hash.copy()
        add_to_hash(self._hash, self._path, self.marked * width, (samples - self.marked) * width)

    def sha512(self) -> str:
        """Of all samples."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._descriptor)


def lock(descriptor: int, path: Path) -> None:
    """Keep other writers out until the file is closed.

    Raises:
        CaptureError: another process writes to it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CaptureError(f"{path} must not be in use (got: a recording is being written to it)") from None
    except OSError:
        return  # some network file systems know no locks


def hash_of(path: Path, offset: int, size: int) -> str:
    """SHA-512 of ``size`` bytes from ``offset``, in hexadecimal digits."""
    digest = hashlib.sha512()
    add_to_hash(digest, path, offset, size)
    return digest.hexdigest()


def add_to_hash(digest: "hashlib._Hash", path: Path, offset: int, size: int) -> None:
    """Hash ``size`` more bytes from ``offset``, read in blocks."""
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0 and (block := file.read(min(size, _BLOCK_BYTES))):
            digest.update(block)
            size -= len(block)
