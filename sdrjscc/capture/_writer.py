"""The recorder's thread: from the backlog to the data file, and the metadata every second."""

import logging
import threading
import time
from pathlib import Path

from sdrjscc.capture._backlog import Backlog
from sdrjscc.capture._datafile import DataFile
from sdrjscc.capture._journal import Journal
from sdrjscc.capture._samples import Complex, encode
from sdrjscc.files import write_text_atomic

_log = logging.getLogger("sdrjscc.capture")

_BLOCK = 32_768  # fits a cache with its temporaries
_SPARE_BYTES = 1 << 20


class Writer(threading.Thread):
    """Writes until the backlog is closed and empty, or the disk fails.

    It is a daemon: a program that ends without closing its recorder is as one that was killed.

    Attributes:
        data: the file of samples; closed when the thread ends.
        clipped: samples beyond full scale.
        failure: what ended it early.
    """

    def __init__(
        self,
        data: DataFile,
        meta: Path,
        datatype: str,
        backlog: Backlog,
        journal: Journal,
        interval_s: float,
    ) -> None:
        super().__init__(name="sdrjscc recorder", daemon=True)
        self.data, self.clipped = data, 0
        self.failure: Exception | None = None
        self._meta, self._datatype, self._backlog, self._journal = meta, datatype, backlog, journal
        self._interval_s, self._due_s = interval_s, 0.0

    def run(self) -> None:
        """The thread."""
        try:
            while not self._backlog.finished:
                self._step()
            self._finish()
        except Exception as error:
            self.failure = error
            self._backlog.abandon()
            self._rescue()
        finally:
            self.data.close()

    def _step(self) -> None:
        """One chunk, or none when the metadata is due before one comes."""
        wait_s = self._due_s - time.monotonic() if self.data.samples else self._interval_s
        chunk = self._backlog.take(wait_s)
        if chunk is not None:
            self._append(chunk)
            self._backlog.done(chunk)
        self._describe_if_due()

    def _append(self, chunk: Complex) -> None:
        for first in range(0, chunk.shape[-1], _BLOCK):
            codes, clipped = encode(chunk[:, first : first + _BLOCK], self._datatype)
            self.data.append(codes)
            self.clipped += clipped
            self._describe_if_due()

    def _describe_if_due(self) -> None:
        """Not before the first samples: sigmf-python cannot open a recording without any."""
        if self.data.samples and time.monotonic() >= self._due_s:
            self.data.sync()
            self._describe(None)
            self._due_s = time.monotonic() + self._interval_s

    def _describe(self, sha512: str | None) -> None:
        write_text_atomic(self._meta, self._journal.text(self.data.samples, self.clipped, sha512))
        self.data.mark()

    def _finish(self) -> None:
        """The last state; what was accepted and never written counts as lost."""
        self._journal.give_up(self.data.samples)
        self.data.sync()
        self._describe(self.data.sha512())

    def _rescue(self) -> None:
        """After a failure: whole samples, described.

        Where there is no room for the metadata, some samples make room; at the worst they end where
        the last metadata does, because the gaps it knows and those of the samples must agree.
        """
        self.data.salvage()
        kept, spare = self.data.samples, _SPARE_BYTES // self.data.bytes_per_sample
        for samples in (kept, max(self.data.marked, kept - spare), self.data.marked):
            try:
                self.data.cut(samples)
                self._finish()
            except OSError as error:
                _log.warning("%s must be renewed (got: %s)", self._meta, error)
            else:
                return
