"""The blocks of ``loopback.grc``, connected as there, with pictures back to back and a watch."""

import time
from dataclasses import dataclass
from typing import Any

import pmt
from gnuradio import blocks, gr

from sdrjscc import grblocks
from sdrjscc.grblocks.ports import add_input
from sdrjscc.link.parts import Parts


@dataclass(frozen=True)
class Setup:
    """One flowgraph.

    Attributes:
        rate_hz: sample rate.
        side_px: pictures are squares of this side.
        snr_db: of the impairment channel.
        throttled: whether GNU Radio's Throttle holds it to ``rate_hz``.
        folder: where an image sink writes, a link probe measuring beside it, as in ``loopback.grc``;
            empty: pictures end where they are decoded.
        count: pictures; 0: without end.
        seed: of the channel, and the sender's nonce.
        own_process: whether receiver and decoder have processes of their own.
    """

    rate_hz: float
    side_px: int
    snr_db: float
    throttled: bool
    folder: str = ""
    count: int = 0
    seed: int = 0
    own_process: bool = False


class Watch(gr.basic_block):  # type: ignore[misc]
    """Notes when pictures leave the source, begin on the air, and have been decoded.

    Attributes:
        bursts: how many have begun.
        latencies_s: of every decoded picture, since the source sent it out.
        lost: pictures whose number was left out.
    """

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "Watch", None, None)
        self.bursts, self.lost, self.latencies_s = 0, 0, list[float]()
        self._left_s: dict[int, float] = {}
        self._number: int | None = None
        add_input(self, "pictures", self._leave)
        add_input(self, "sent", self._begin)
        add_input(self, "decoded", self._arrive)

    def _leave(self, message: Any) -> None:
        self._left_s[_of(message, "transmission")] = _of(message, "time_s")

    def _begin(self, _: Any) -> None:
        self.bursts += 1

    def _arrive(self, message: Any) -> None:
        number = _of(message, "transmission")
        if self._number is not None:
            self.lost += (number - self._number - 1) % 256
        self._number = number
        self.latencies_s.append(time.time() - self._left_s[number])


def _of(message: Any, key: str) -> Any:
    return pmt.to_python(pmt.dict_ref(pmt.car(message), pmt.intern(key), pmt.PMT_NIL))


class Chain:
    """A flowgraph of a :class:`Setup`.

    Attributes:
        graph: GNU Radio's top block.
        named: blocks by their titles.
        watch: what it saw.
    """

    def __init__(self, link: Parts, setup: Setup) -> None:
        self.graph, self.watch = gr.top_block("flowgraph benchmark"), Watch()
        made = {
            "Image Source": grblocks.ImageSource(
                "samples", repeat=True, count=setup.count, crop=setup.side_px
            ),
            "JSCC Encoder": grblocks.JsccEncoder(link, own_process=setup.own_process),
            "Symbol Mapper": grblocks.SymbolMapper(link),
            "Frame Transmitter": grblocks.FrameTransmitter(link, nonce=setup.seed),
            "Impairment Channel": grblocks.ImpairmentChannel(
                link, setup.rate_hz, snr_db=setup.snr_db, seed=setup.seed
            ),
            "Frame Receiver": grblocks.FrameReceiver(link, setup.rate_hz, own_process=setup.own_process),
            "Symbol Demapper": grblocks.SymbolDemapper(link),
            "JSCC Decoder": grblocks.JsccDecoder(link, own_process=setup.own_process),
        }
        if setup.throttled:
            made["Throttle"] = blocks.throttle(gr.sizeof_gr_complex, setup.rate_hz)
            made["Throttle"].set_min_output_buffer(1 << 16)  # with 8,192 the channel waits for the receiver
        if setup.folder:
            made["Link Probe"] = grblocks.LinkProbe(link)
            made["Image Sink"] = grblocks.ImageSink(setup.folder, limit=256)
        self.named = made
        self._connect()

    def _connect(self) -> None:
        self._messages("Image Source", "pictures", "JSCC Encoder")
        self._messages("JSCC Encoder", "payloads", "Symbol Mapper")
        self._messages("Symbol Mapper", "symbols", "Frame Transmitter")
        self._messages("Frame Transmitter", "next", "Image Source")
        on_air = [self.named[name] for name in ("Frame Transmitter", "Throttle") if name in self.named]
        self.graph.connect(*on_air, self.named["Impairment Channel"], self.named["Frame Receiver"])
        self._messages("Frame Receiver", "transmissions", "Symbol Demapper")
        self._messages("Symbol Demapper", "payloads", "JSCC Decoder")
        self.graph.msg_connect(self.named["Image Source"], "pictures", self.watch, "pictures")
        self.graph.msg_connect(self.named["Frame Transmitter"], "sent", self.watch, "sent")
        self.graph.msg_connect(self.named["JSCC Decoder"], "pictures", self.watch, "decoded")
        if "Link Probe" in self.named:
            self._messages("Image Source", "pictures", "Link Probe", "sent_pictures")
            self._messages("Symbol Mapper", "symbols", "Link Probe", "sent_symbols")
            self._messages("Frame Receiver", "packets", "Link Probe")
            self._messages("JSCC Decoder", "pictures", "Link Probe")
            self._messages("JSCC Decoder", "pictures", "Image Sink")
            self._messages("Link Probe", "results", "Image Sink")

    def _messages(self, one: str, port: str, other: str, into: str = "") -> None:
        self.graph.msg_connect(self.named[one], port, self.named[other], into or port)
