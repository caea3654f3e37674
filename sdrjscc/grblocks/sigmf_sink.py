"""SigMF sink: samples to a recording, with an annotation for each frame that a receiver found."""

from typing import Any, Literal

import numpy as np
import torch
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta
from sdrjscc.grblocks.place import Place
from sdrjscc.grblocks.ports import add_ports
from sdrjscc.grblocks.received import parse_packet
from sdrjscc.grblocks.rx_time import Timeline
from sdrjscc.link.tape import Tape

_CLOCK_PPM = 20.0
"""Assumed of a clock that the link says nothing about, as a replay does."""


class SigmfSink(gr.hier_block2):
    """See ``specs_receiving.SIGMF_SINK``.

    Two blocks: the receiver's last packets come after the stream's end, and would not reach one block.
    """

    def __init__(
        self,
        link: Link,
        path: str,
        samp_rate: float,
        center_freq: float = 2.4e9,
        antennas: int = 1,
        datatype: Literal["ci16_le", "cf32_le"] = "ci16_le",
        *,
        overwrite: bool = False,
    ) -> None:
        if datatype not in ("ci16_le", "cf32_le"):
            raise ConfigError(f"datatype must be ci16_le or cf32_le (got '{datatype}')")
        place = Place(float(samp_rate), float(center_freq), _CLOCK_PPM, int(antennas))
        tape = Tape(path, parts_of(link), place, datatype, overwrite=overwrite)
        size = gr.sizeof_gr_complex
        signature = gr.io_signature(antennas, antennas, size), gr.io_signature(0, 0, 0)
        gr.hier_block2.__init__(self, "SigMF Sink", *signature)
        self._samples, self._notes = _Samples(tape, place), _Notes(tape)
        for port in range(antennas):
            self.connect((self, port), (self._samples, port))
        self.message_port_register_hier_in("packets")
        self.msg_connect(self, "packets", self._notes, "packets")


class _Samples(gr.sync_block):
    def __init__(self, tape: Tape, place: Place) -> None:
        gr.sync_block.__init__(self, "SigMF Sink", [np.complex64] * place.antennas, None)
        self._tape, self._rate = tape, place.sample_rate_hz
        self._timeline = Timeline(self._rate)

    def start(self) -> bool:
        self._timeline = Timeline(self._rate)
        self._tape.begin(self)
        return True

    def stop(self) -> bool:
        self._tape.end(self)
        return True

    def work(self, input_items: Any, output_items: Any) -> int:
        count = len(input_items[0])
        samples = torch.from_numpy(np.stack(input_items))
        for part in self._timeline.stretches(self, count):
            self._tape.write(samples[:, part.first : part.last], part.dropped)
        return count


class _Notes(gr.basic_block):
    def __init__(self, tape: Tape) -> None:
        gr.basic_block.__init__(self, "SigMF Sink's notes", in_sig=None, out_sig=None)
        self._tape = tape
        add_ports(self, {"packets": self._note})

    def start(self) -> bool:
        self._tape.begin(self)
        return True

    def stop(self) -> bool:
        self._tape.end(self)
        return True

    def _note(self, meta: Meta, data: Array) -> None:
        self._tape.packet(parse_packet(meta, data[:0]))
