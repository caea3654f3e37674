"""SigMF source: a recording as a stream, with tags where samples are missing and where it ends."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.grblocks.pdu import Array
from sdrjscc.grblocks.ports import log
from sdrjscc.grblocks.rx_time import RX_END, RX_TIME, time_tag
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.recorded import find_recording


class SigmfSource(gr.sync_block):
    """See ``specs_receiving.SIGMF_SOURCE``."""

    def __init__(self, path: str = "awgn-10db", repeat: bool = False, antennas: int = 1) -> None:
        self._capture, self._repeat = open_capture(find_recording(path) or path), repeat
        header = self._capture.header
        if antennas != header.antennas:
            raise ConfigError(f"antennas must be the recording's, {header.antennas} (got {antennas})")
        gr.sync_block.__init__(self, "SigMF Source", None, [np.complex64] * antennas)
        self._parts, self._rest, self._position = self._play(), _zeros(antennas, 0), 0
        log.info("%s: %g Hz, carrier %g Hz", path, header.sample_rate_hz, header.center_frequency_hz)

    def start(self) -> bool:
        """Begin at the first sample."""
        self._parts, self._rest, self._position = self._play(), self._rest[:, :0], 0
        return True

    def work(self, input_items: Any, output_items: Any) -> int:
        """Give out what comes next, never across a tag."""
        if not self._rest.shape[1]:
            part = next(self._parts, None)
            if part is None:
                return int(gr.WORK_DONE)
            self._begin(*part)
        count = min(len(output_items[0]), self._rest.shape[1])
        for out, samples in zip(output_items, self._rest, strict=True):
            out[:count] = samples[:count]
        self._rest = self._rest[:, count:]
        return count

    def _play(self) -> Iterator[tuple[Array, int, bool]]:
        """Samples, how many are missing before them, and whether the recording ended there."""
        again = True
        while again:
            again = self._repeat
            try:
                for samples, dropped in self._capture.chunks():
                    yield samples.numpy(), dropped, False
            except CaptureError as error:
                log.warning("%s: %s", self.name(), error)
                again = False
            yield _zeros(self._capture.header.antennas, SETTLING_SAMPLES), 0, True

    def _begin(self, samples: Array, dropped: int, ended: bool) -> None:
        first = self._position == 0
        self._position += dropped
        if first or dropped:
            self._tag(RX_TIME, time_tag(self._position, self._capture.header.sample_rate_hz))
        if ended:
            self._tag(RX_END, pmt.PMT_T)
        self._rest = samples
        self._position += samples.shape[1]

    def _tag(self, key: str, value: Any) -> None:
        for port in range(self._capture.header.antennas):
            self.add_item_tag(port, self.nitems_written(port), pmt.intern(key), value)


def _zeros(antennas: int, count: int) -> Array:
    return np.zeros((antennas, count), np.complex64)
