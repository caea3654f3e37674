"""Frame transmitter: symbols of pictures in, tagged bursts of samples out."""

import secrets
import time
from collections import deque
from threading import Timer
from typing import Any, Literal

import numpy as np
import pmt
import torch
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta, to_pmt, wanted
from sdrjscc.grblocks.ports import add_ports, publish, wake
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.transmitter import IDS, Framer, Stamp

_PAUSE_S = 0.1
_TAIL = np.zeros(SETTLING_SAMPLES, np.complex64)


class FrameTransmitter(gr.basic_block):
    """See ``specs_sending.FRAME_TRANSMITTER``."""

    def __init__(
        self,
        link: Link,
        idle: Literal["wait", "zeros"] = "wait",
        gap_samples: int = 0,
        nonce: int = -1,
        length_tag: str = "packet_len",
    ) -> None:
        gr.basic_block.__init__(self, "Frame Transmitter", in_sig=None, out_sig=[np.complex64])
        if not -1 <= nonce <= 255:
            raise ConfigError(f"nonce must be -1 or 0 to 255 (got {nonce})")
        parts = parts_of(link)
        nonce = secrets.randbelow(256) if nonce < 0 else nonce
        self._framer = Framer(parts.waveform, digest=parts.digest, nonce=nonce)
        self._idle, self._gap, self._tag = idle, gap_samples, pmt.intern(length_tag)
        self._bursts: deque[tuple[Meta, Array]] = deque()
        self._now, self._next_id = np.empty(0, np.complex64), 0
        self._last, self._settled = False, True
        self._timer: Timer | None = None
        self._ends_s = 0.0
        add_ports(self, {"symbols": self._take}, ["next", "sent"])
        self.set_min_output_buffer(2 * parts.waveform.frame_samples)

    def _take(self, meta: Meta, data: Array) -> None:
        self._last = bool(meta.get("last"))
        if "error" in meta:  # it did not become symbols: another one may
            publish(self, "next", {})
            return
        width, height = wanted(meta, "width", "height")
        number = int(meta.get("transmission", self._next_id)) % IDS
        self._next_id = (number + 1) % IDS
        stamp = Stamp(self._framer.nonce, number, meta.get("mode", 0), meta.get("prefix", 0))
        samples = self._framer.frame(torch.from_numpy(data), stamp, width, height).numpy()
        sent = {**meta, "transmission": number, "nonce": self._framer.nonce, "samples": len(samples)}
        self._bursts.append((sent, samples))

    def general_work(self, input_items: Any, output_items: Any) -> int:
        """Give out the burst at hand, then zeros for a receiver to read it, when nothing follows."""
        out = output_items[0]
        if not len(self._now):
            if self._bursts:
                self._begin()
            elif self._idle == "zeros":
                out[:] = 0
                return len(out)
            elif not self._settled and (self._last or self._paused()):
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
        self._settled, self._timer = False, None
        publish(self, "sent", meta)
        publish(self, "next", {})

    def _paused(self) -> bool:
        """Whether nothing has come for a while since the last burst."""
        if self._timer is None:
            self._ends_s = time.monotonic() + _PAUSE_S
            self._timer = Timer(1.1 * _PAUSE_S, wake, [self])
            self._timer.daemon = True
            self._timer.start()
        return time.monotonic() >= self._ends_s
