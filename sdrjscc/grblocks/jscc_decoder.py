"""JSCC decoder: estimates of payloads to pictures."""

import time

import numpy as np
import torch
from gnuradio import gr

from sdrjscc.errors import Undecodable
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta, PduError, picture_data, wanted
from sdrjscc.grblocks.ports import add_ports, log, publish
from sdrjscc.grblocks.worker import call_of
from sdrjscc.link.parts import Parts
from sdrjscc.link.placing import on_device
from sdrjscc.link.receiving import decode_payload, picture_instead
from sdrjscc.link.transmitter import plan_picture

_NOT_SENT_ON = ("noise_var", "shape")


class JsccDecoder(gr.basic_block):
    """See ``specs_receiving.JSCC_DECODER``."""

    def __init__(self, link: Link, device: str = "cpu", own_process: bool = False) -> None:
        gr.basic_block.__init__(self, "JSCC Decoder", in_sig=None, out_sig=None)
        self._call = call_of(_Decoding(on_device(parts_of(link), device)), own_process, device)
        add_ports(self, {"payloads": self._decode}, ["pictures"])

    def _decode(self, meta: Meta, data: Array) -> None:
        torch.set_num_threads(1)  # of this thread: the blocks themselves run in parallel
        began = time.perf_counter()
        pixels, reason = self._call("decode", meta, data)
        known = {key: value for key, value in meta.items() if key not in _NOT_SENT_ON}
        if reason is not None:
            log.warning("%s: %s", self.name(), reason)
            known["undecodable"] = reason
        publish(self, "pictures", {**known, "decode_ms": 1e3 * (time.perf_counter() - began)}, pixels)


class _Decoding:
    """What it does, here or in a process of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def decode(self, meta: Meta, data: Array) -> tuple[Array, str | None]:
        codec = self._parts.codec
        width, height, mode, prefix = wanted(meta, "width", "height", "mode", "prefix")
        noise_var, shape = wanted(meta, "noise_var", "shape")
        plan = plan_picture(codec, width, height, mode, prefix)
        if len(noise_var) != plan.symbols or np.prod(shape) != len(data):
            raise PduError(
                f"a payload must be of {plan.symbols} symbols for a picture of {width}x{height}, as many "
                f"values as its shape says (got {len(noise_var)} and {len(data)} in {list(shape)})"
            )
        payload = torch.from_numpy(data.reshape(1, *shape)).to(self._parts.device)
        variance, reason = torch.from_numpy(noise_var), None
        try:
            pixels = decode_payload(codec, payload, variance, plan, width=width, height=height)
        except Undecodable as error:
            instead, reason = picture_instead(error, width=width, height=height), str(error)
            if instead is None:
                raise
            pixels = instead
        return picture_data(pixels), reason
