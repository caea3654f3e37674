"""The recorder: takes samples without ever waiting, writes them on a thread of its own."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sdrjscc.capture._backlog import Backlog
from sdrjscc.capture._datafile import DataFile
from sdrjscc.capture._journal import Journal
from sdrjscc.capture._meta import Annotation, Header, check_valid, check_writable, parse
from sdrjscc.capture._names import ARCHIVE, names_of
from sdrjscc.capture._samples import Complex
from sdrjscc.capture._writer import Writer
from sdrjscc.errors import CaptureError, SignalError

_log = logging.getLogger("sdrjscc.capture")

_BYTES_WAITING = np.dtype(np.complex64).itemsize


class Recorder:
    """Writes a recording; use it in a ``with``, or ``close`` it.

    The data file grows under its final name. The metadata appears with the first samples and is
    replaced as a whole every ``flush_interval_s``, after the samples it describes are on the disk.
    When the process dies, at most the last interval's annotations and gaps are missing; when the
    disk is too slow, samples are lost, counted and marked as a gap.
    """

    def __init__(
        self,
        path: str | Path,
        header: Header,
        *,
        memory_bytes: int = 256 << 20,
        force: bool = False,
        flush_interval_s: float = 1.0,
    ) -> None:
        """Create the recording.

        Args:
            path: its name, with or without ``.sigmf-data`` or ``.sigmf-meta``.
            header: what is known beforehand; ``note`` adds to it.
            memory_bytes: limit for samples that wait for the disk, 8 bytes each.
            force: overwrite an existing recording.
            flush_interval_s: between two states of the metadata.

        Raises:
            CaptureError: the header cannot be written, the recording exists, or the file system
                refuses it.
        """
        check_writable(header)
        self._names, self._header = names_of(path), header
        if Path(path).suffix == ARCHIVE:
            raise CaptureError(f"a recording's name must not be an archive's (got '{path}')")
        self._journal = Journal(header)
        check_valid(parse(self._journal.text(0, 0, None), "a header"), "a header")
        self._closed = self._reported = self._losing = False
        self._backlog = Backlog(memory_bytes)
        self._writer = Writer(
            self._open(force),
            self._names.meta,
            header.datatype,
            self._backlog,
            self._journal,
            flush_interval_s,
        )
        self._writer.start()

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; an error on the way out does not hide the one that led there."""
        try:
            self.close()
        except CaptureError as failure:
            if kind is None:
                raise
            _log.warning("%s", failure)

    @property
    def written(self) -> int:
        """Samples in the data file."""
        return self._writer.data.samples

    @property
    def clipped(self) -> int:
        """Samples beyond full scale (``ci16_le`` only)."""
        return self._writer.clipped

    @property
    def lost(self) -> int:
        """Samples that the disk was too slow for, or refused."""
        return self._journal.lost

    @property
    def held_bytes(self) -> int:
        """Memory of the samples that wait for the disk."""
        return self._backlog.held_bytes

    def write(self, samples: Tensor, dropped: int = 0) -> None:
        """Record complex ``[antennas, n]``, full scale 1.0; copies them and never waits.

        Args:
            samples: any device; ``n`` may be 0.
            dropped: samples that the radio lost immediately before these.

        Raises:
            CaptureError: the disk failed earlier (full, gone), or the recorder is closed.
            SignalError: not as many antennas as the header says.
        """
        self._check()
        if samples.ndim != 2 or not samples.is_complex() or len(samples) != self._header.antennas:
            raise SignalError(
                f"samples to record must be complex [{self._header.antennas}, n] (got {tuple(samples.shape)})"
            )
        if dropped < 0:
            raise SignalError(f"dropped must be at least 0 (got {dropped})")
        self._journal.miss(dropped=dropped)
        count = samples.shape[-1]
        if count and self._backlog.admits(_BYTES_WAITING * samples.numel()):
            self._losing = False
            chunk = _copied(samples)
            self._journal.accept(count)
            self._backlog.put(chunk)
        elif count:
            self._lose(count)

    def wait_for_room(self, samples: int) -> None:
        """Wait until ``samples`` can be written without loss: for sources that wait, not for live radios.

        Raises:
            CaptureError: the disk failed, or so many never fit into the memory.
        """
        size_bytes = _BYTES_WAITING * self._header.antennas * samples
        if size_bytes > self._backlog.limit_bytes:
            raise CaptureError(
                f"samples at once must fit into memory_bytes = {self._backlog.limit_bytes} (got {size_bytes})"
            )
        self._backlog.wait_for_room(size_bytes)
        self._check()

    def annotate(self, annotation: Annotation) -> None:
        """Add an annotation of samples written before; ``position_in_file`` gives its positions.

        What reaches beyond the samples written so far is cut off: a frame's end may have been lost.

        Raises:
            CaptureError: a negative position or count, or a field outside the project's namespace.
        """
        if annotation.start < 0 or annotation.count < 0:
            raise CaptureError(
                "an annotation's start and count must be at least 0 "
                f"(got {annotation.start} and {annotation.count})"
            )
        self._journal.annotate(annotation)

    def note(self, extra: Mapping[str, Any]) -> None:
        """Add to the header's ``extra``, or replace there: what is only known later."""
        self._journal.note(extra)

    def position_in_file(self, stream_position: int) -> int:
        """Turn a position that counts dropped and lost samples into one in the data.

        A lost sample's is that of the next one held; never beyond what was written so far. An
        annotation's ``count`` is the difference of two such positions.
        """
        return self._journal.position_in_file(stream_position)

    def close(self) -> None:
        """Write all that waits, add the hash and let go. A second Ctrl-C gives up what still waits.

        Raises:
            CaptureError: the disk failed, and no ``write`` has said so yet.
        """
        self._closed = True
        self._backlog.close()
        try:
            self._writer.join()
        except BaseException:
            self._backlog.abandon()
            self._writer.join()
            raise
        if not self._reported:
            self._report_failure()

    def _open(self, force: bool) -> DataFile:
        names = self._names
        try:
            data = DataFile(names.data, self._header.bytes_per_sample)
            if not force and (data.size_bytes or names.meta.exists()):
                data.close()
                raise CaptureError(
                    f"{names.data} must not exist, or be overwritten on purpose (got: it does)"
                )
            names.meta.unlink(missing_ok=True)
            data.empty()
        except OSError as error:
            raise CaptureError(f"{names.data} must be writable (got: {error.strerror})") from error
        return data

    def _check(self) -> None:
        self._report_failure()
        if self._closed:
            raise CaptureError(f"{self._names.data} must be open to record (it is closed)")

    def _report_failure(self) -> None:
        failure = self._writer.failure
        if failure is None:
            return
        self._reported = True
        reason = getattr(failure, "strerror", None) or failure
        raise CaptureError(
            f"{self._names.data} must be written without an error "
            f"(got: {reason}; what was written before stays readable)"
        ) from failure

    def _lose(self, count: int) -> None:
        self._journal.miss(lost=count)
        if not self._losing:
            _log.warning(
                "%s: the disk does not keep up, samples are lost (marked as a gap)", self._names.data
            )
        self._losing = True


def _copied(samples: Tensor) -> Complex:
    """A copy of its own in memory, complex64 ``[antennas, n]``."""
    plain = samples.detach().resolve_conj().to("cpu", torch.complex64)
    return np.array(plain.numpy(), dtype=np.complex64, order="C", copy=True)
