"""Frame transmitter: symbols of pictures in, tagged bursts of samples out."""

import secrets
from collections import deque
from typing import Any, Literal

import numpy as np
import pmt
import torch
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pause import Pause
from sdrjscc.grblocks.pdu import Array, Meta, to_pmt, wanted
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.transmitter import IDS, Framer, Stamp

_IDLE = ("wait", "zeros", "nothing")
_TAIL = np.zeros(SETTLING_SAMPLES, np.complex64)


class FrameTransmitter(gr.basic_block):
    """See ``specs_sending.FRAME_TRANSMITTER``."""

    def __init__(
        self,
        link: Link,
        idle: Literal["wait", "zeros", "nothing"] = "wait",
        gap_samples: int = 0,
        nonce: int = -1,
        length_tag: str = "packet_len",
    ) -> None:
        gr.basic_block.__init__(self, "Frame Transmitter", in_sig=None, out_sig=[np.complex64])
        if not -1 <= nonce <= 255:
            raise ConfigError(f"nonce must be -1 or 0 to 255 (got {nonce})")
        if idle not in _IDLE or gap_samples < 0:
            raise ConfigError(
                f"idle must be one of {', '.join(_IDLE)}, gap_samples at least 0 "
                f"(got {idle!r} and {gap_samples})"
            )
        parts = parts_of(link)
        nonce = secrets.randbelow(256) if nonce < 0 else nonce
        self._framer = Framer(parts.waveform, digest=parts.digest, nonce=nonce)
        self._idle, self._gap, self._tag = idle, gap_samples, pmt.intern(length_tag)
        self._bursts: deque[tuple[Meta, Array]] = deque()
        self._pause = Pause(self)
        add_ports(self, {"symbols": self._take}, ["next", "sent"])
        self.set_min_output_buffer(2 * parts.waveform.frame_samples)

    def start(self) -> bool:
        """Begin anew: what was not sent before a stop is forgotten."""
        self._bursts.clear()
        self._now, self._next_id = np.empty(0, np.complex64), 0
        self._last, self._settled = False, True
        torch.set_num_threads(1)  # blocks compute side by side
        return True

    def stop(self) -> bool:
        """Leave no timer behind."""
        self._pause.forget()
        return True

    def _take(self, meta: Meta, data: Array) -> None:
        self._last = bool(meta.get("last"))
        burst = None
        try:
            burst = None if "error" in meta else self._framed(meta, data)
        finally:
            if burst is None:  # another one may come in its place
                publish(self, "next", {})
        if burst is not None:
            self._bursts.append(burst)

    def _framed(self, meta: Meta, data: Array) -> tuple[Meta, Array]:
        width, height = wanted(meta, "width", "height")
        number = int(meta.get("transmission", self._next_id)) % IDS
        self._next_id = (number + 1) % IDS
        stamp = Stamp(self._framer.nonce, number, meta.get("mode", 0), meta.get("prefix", 0))
        samples = self._framer.frame(torch.from_numpy(data), stamp, width, height).numpy()
        sent = {**meta, "transmission": number, "nonce": self._framer.nonce, "samples": len(samples)}
        return sent, samples

    def general_work(self, input_items: Any, output_items: Any) -> int:
        """Give out the burst at hand, then zeros for a receiver to read it, when nothing follows."""
        out = output_items[0]
        if not len(self._now):
            if self._bursts:
                self._begin()
            elif self._idle == "zeros":
                out[:] = 0
                return len(out)
            elif not self._settled and (self._last or self._pause.over()):
                self._now, self._settled = _TAIL, True
            elif self._last:
                return int(gr.WORK_DONE)
        count = min(len(out), len(self._now))
        out[:count], self._now = self._now[:count], self._now[count:]
        return count

    def _begin(self) -> None:
        meta, samples = self._bursts.popleft()
        self.add_item_tag(0, self.nitems_written(0), self._tag, to_pmt(len(samples)))
        self._now = np.concatenate([samples, np.zeros(self._gap, np.complex64)])
        self._settled = self._idle == "nothing"
        self._pause.forget()
        publish(self, "sent", meta)
        publish(self, "next", {})
