"""Link probe: every received picture against the one that was sent, as numbers."""

import math
import time
from collections import deque
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.measured import (
    SparingSsim,
    latency_values,
    picture_values,
    received_values,
    symbol_values,
)
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels, wanted
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.grblocks.recent import Recent

_REFERENCES = ("sent_pictures", "sent_symbols")
_INPUTS = (*_REFERENCES, "packets")
_LARGEST = 8191  # packets of one picture
_CURVES = ("psnr_db", "snr_db", "cfo_hz")
_BYTES = 64 << 20


class LinkProbe(gr.basic_block):
    """See ``specs_receiving.LINK_PROBE``."""

    def __init__(self, link: Link, history: int = 100, ssim_share: float = 0.05) -> None:
        gr.basic_block.__init__(self, "Link Probe", in_sig=None, out_sig=None)
        if history < 1:
            raise ConfigError(f"history must be at least 1 (got {history})")
        if not 0 <= ssim_share <= 1:
            raise ConfigError(f"ssim_share must be 0 to 1 (got {ssim_share})")
        parts = parts_of(link)
        self._codec, self._payload_symbols = parts.codec_name, parts.waveform.payload_symbols
        self._ssim = SparingSsim(ssim_share)
        # by the number that both ends know; of one sender's, 256 are all there can be
        self._kept = {name: Recent[int](256, _BYTES) for name in _REFERENCES}
        self._packets = Recent[tuple[int, int]](_LARGEST, _BYTES)
        self._curves = {name: deque[float](maxlen=history) for name in _CURVES}
        keep = {name: self._keeper(name) for name in _REFERENCES}
        inputs = {**keep, "packets": self._keep_packet, "pictures": self._measure}
        add_ports(self, inputs, ["results", *_CURVES])

    def _keeper(self, name: str) -> Any:
        def keep(meta: Meta, data: Array) -> None:
            (number,) = wanted(meta, "transmission")
            if len(data):
                self._kept[name].put(number, meta, data)

        return keep

    def _keep_packet(self, meta: Meta, data: Array) -> None:
        number, packet = wanted(meta, "transmission", "packet")
        self._packets.put((number, packet), meta, data)

    def _measure(self, meta: Meta, data: Array) -> None:
        now_s = time.time()
        self._catch_up()
        _, number = wanted(meta, "nonce", "transmission")
        picture, symbols = (self._kept[name].get(number) for name in _REFERENCES)
        packets = [self._packets.pop((number, packet)) for packet in range(meta.get("packets", 0))]
        hurry = self.to_basic_block().nmsgs(pmt.intern("pictures")) > 0
        result = {
            "codec": self._codec,
            **received_values(meta),
            **latency_values(meta, picture, now_s),
            **picture_values(meta, picture_pixels(meta, data), picture, self._ssim, hurry=hurry),
            **symbol_values(meta, symbols, [one for one in packets if one], self._payload_symbols),
        }
        result = {key: value for key, value in result.items() if _known(value)}
        publish(self, "results", result)
        self._plot({"snr_db": result.get("pilot_snr_db"), **result})

    def _catch_up(self) -> None:
        """Take what came before the picture: a block's ports are read one after another, in any order."""
        for name in _INPUTS:
            while (message := self.to_basic_block().delete_head_nowait(pmt.intern(name))) is not None:
                getattr(self, f"handle_{name}")(message)

    def _plot(self, result: Meta) -> None:
        for name, curve in self._curves.items():
            if result.get(name) is not None:
                curve.append(result[name])
                publish(self, name, {}, np.array(curve, np.float32))


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
