"""Frame receiver: samples in, packets and pictures' symbols out."""

import time
from typing import Any

import numpy as np
from gnuradio import gr

from sdrjscc.errors import SdrJsccError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.place import Place
from sdrjscc.grblocks.ports import add_ports, log, publish
from sdrjscc.grblocks.reception import Reception
from sdrjscc.grblocks.rx_time import Timeline
from sdrjscc.grblocks.worker import call_of

CHUNK_SAMPLES = 1 << 13
"""Samples come in multiples of it, which costs less; up to so many are left unread at a stream's end."""

_ENOUGH_SAMPLES = 3 << 14
_PAUSE_S = 0.02
"""Frames that are received together cost less: unless enough samples wait, more are waited for."""


class FrameReceiver(gr.sync_block):
    """See ``specs_receiving.FRAME_RECEIVER``."""

    def __init__(
        self,
        link: Link,
        samp_rate: float,
        center_freq: float = 2.4e9,
        clock_ppm: float = 10.0,
        antennas: int = 1,
        own_process: bool = False,
    ) -> None:
        place = Place(float(samp_rate), float(center_freq), float(clock_ppm), int(antennas))
        reception = Reception(parts_of(link), place)
        self._call = call_of(reception, own_process)
        self._timeline, self._rate = Timeline(place.sample_rate_hz), place.sample_rate_hz
        gr.sync_block.__init__(self, "Frame Receiver", [np.complex64] * place.antennas, None)
        add_ports(self, {}, ["packets", "transmissions"])
        self.set_output_multiple(CHUNK_SAMPLES)

    def start(self) -> bool:
        """A new stream begins."""
        self._timeline = Timeline(self._rate)
        self._call("begin")
        return True

    def work(self, input_items: Any, output_items: Any) -> int:
        """Receive what is there."""
        count = len(input_items[0])
        if count < _ENOUGH_SAMPLES:
            time.sleep(_PAUSE_S)
        samples = np.stack(input_items)
        try:
            messages = self._call("receive", samples, list(self._timeline.stretches(self, count)))
        except SdrJsccError as error:
            log.warning("%s: %s", self.name(), error)
            return count
        for port, meta, data in messages:
            publish(self, port, meta, data)
        return count
