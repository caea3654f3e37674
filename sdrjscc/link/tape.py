"""A recording of a flowgraph's stream: samples come in one thread, packets in another."""

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from torch import Tensor

from sdrjscc.capture.sigmf import numbered, taken
from sdrjscc.errors import CaptureError
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import Antennas
from sdrjscc.link.recording import Recording
from sdrjscc.linkfile import Table
from sdrjscc.radio.base import Reception, Status

_log = logging.getLogger("sdrjscc.link")


@dataclass
class _Stream:
    """A flowgraph's stream in a radio's place; ``overflows`` counts how often samples were lost."""

    sample_rate_hz: float
    center_frequency_hz: float
    clock_ppm: float
    antennas: int
    overflows: int = 0
    live = True

    def status(self) -> Status:
        """Rate and carrier, and the gaps."""
        settings = {"sample_rate_hz": self.sample_rate_hz, "center_frequency_hz": self.center_frequency_hz}
        return Status(settings, overflows=self.overflows)


class Tape:
    """Recordings of a stream, one from each start to its stop.

    The first has the given name, those after a new start NAME-2 and so on: what a start recorded is
    never written over by the next one. Parts of a flowgraph that end one after the other use it; the
    first of them begins a recording, the last one ends it.
    """

    def __init__(
        self, path: str | Path, parts: Parts, place: Antennas, sample_type: str, *, overwrite: bool
    ) -> None:
        """Choose the name.

        Args:
            path: of the first recording, with or without a suffix.
            parts: of the link, for its configuration.
            place: where the stream comes from, as far as it is known.
            sample_type: SigMF's datatype.
            overwrite: replace recordings that were there before.

        Raises:
            CaptureError: there is one of that name, which may not be replaced.
        """
        if not overwrite and taken(path):
            raise CaptureError(f"recording {path} must be a new one, or overwrite be on (got: it exists)")
        self._path, self._parts = path, parts
        self._stream = _Stream(
            place.sample_rate_hz, place.center_frequency_hz, place.clock_ppm, place.antennas
        )
        self._sample_type, self._overwrite = sample_type, overwrite
        self._lock, self._users = Lock(), set[int]()
        self._recording: Recording | None = None
        self._number = self._position = 0
        self._early: list[Packet] = []

    def begin(self, user: object) -> None:
        """Begin a recording, if this is the first part of the flowgraph to start; a failure is logged."""
        with self._lock:
            if not self._users:
                self._open()
            self._users.add(id(user))

    def write(self, samples: Tensor, dropped: int = 0) -> None:
        """Record complex64 ``[antennas, n]``, before which ``dropped`` samples were lost; never waits."""
        with self._lock:
            if self._recording is not None:
                self._stream.overflows += dropped > 0
                self._recording.tap(Reception(samples, dropped))
                self._position += dropped + samples.shape[-1]
                self._annotate()

    def packet(self, packet: Packet) -> None:
        """Annotate a packet's frame, as soon as its samples are here."""
        with self._lock:
            if self._recording is not None:
                self._early.append(packet)
                self._annotate()

    def end(self, user: object) -> None:
        """Finish the recording, if this is the last part of the flowgraph to stop."""
        with self._lock:
            self._users.discard(id(user))
            if self._recording is None or self._users:
                return
            for packet in self._early:
                self._recording.packet(packet)
            recording, self._recording = self._recording, None
            recording.close()

    def _open(self) -> None:
        self._number += 1
        while not self._overwrite and taken(numbered(self._path, self._number)):
            self._number += 1
        self._early, self._position, self._stream.overflows = [], 0, 0
        path = numbered(self._path, self._number)
        table: Table = {"name": "gnuradio"}
        try:
            self._recording = Recording(
                path,
                self._parts,
                self._stream,
                table,
                force=self._overwrite,
                sample_type=self._sample_type,
            )
        except CaptureError as error:
            _log.warning("nothing is recorded: %s", error)

    def _annotate(self) -> None:
        """Packets may arrive ahead of their samples: an annotation is cut at what was written."""
        assert self._recording is not None
        reach = self._position - self._parts.waveform.frame_samples
        for packet in self._early:
            if packet.start_sample <= reach:
                self._recording.packet(packet)
        self._early = [packet for packet in self._early if packet.start_sample > reach]
