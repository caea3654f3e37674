"""JSCC encoder: pictures in, payloads out."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.grblocks.worker import call_of
from sdrjscc.link.parts import Parts, mode_at_snr, sending_mode
from sdrjscc.link.placing import on_device
from sdrjscc.link.transmitter import encode_payload
from sdrjscc.payload import PayloadKind

_TYPES = {
    PayloadKind.LATENT: torch.float32,
    PayloadKind.INDICES: torch.int32,
    PayloadKind.BITS: torch.uint8,
}


class JsccEncoder(gr.basic_block):
    """See ``specs_sending.JSCC_ENCODER``."""

    def __init__(
        self,
        link: Link,
        mode: int | Literal["auto"] = "auto",
        snr_db: float | None = None,
        device: str = "cpu",
        own_process: bool = False,
    ) -> None:
        gr.basic_block.__init__(self, "JSCC Encoder", in_sig=None, out_sig=None)
        self._parts = on_device(parts_of(link), device)
        self._snr_db = snr_db
        self.set_mode(mode)
        self._call = call_of(_Encoding(self._parts), own_process, device)
        add_ports(self, {"pictures": self._encode}, ["payloads"], forward="payloads")

    def start(self) -> bool:
        """Blocks compute side by side: one thread each."""
        torch.set_num_threads(1)
        return True

    def set_snr_db(self, snr_db: float | None) -> None:
        """Choose for another SNR from the next picture on, where the mode is left to it."""
        self._snr_db = snr_db
        self.set_mode(self._wished)

    def set_mode(self, mode: int | Literal["auto"]) -> None:
        """Take another mode from the next picture on."""
        parts = self._parts
        if mode != "auto":
            if not isinstance(mode, int) or isinstance(mode, bool):
                raise ConfigError(f"mode must be a modulation order's number or 'auto' (got {mode!r})")
            parts = replace(parts, config=parts.config.model_copy(update={"mode": mode}))
        self._wished = mode
        if mode == "auto" and self._snr_db is not None:
            self._mode = mode_at_snr(parts.codec, parts.mapper, self._snr_db)
        else:
            self._mode = sending_mode(parts, otherwise=0)

    def _encode(self, meta: Meta, data: Array) -> None:
        more, payload = self._call("encode", meta, data, self._mode)
        publish(self, "payloads", {**meta, **more}, payload)


class _Encoding:
    """What it does, here or in a process of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def encode(self, meta: Meta, data: Array, mode: int) -> tuple[Meta, Array]:
        parts, pixels = self._parts, picture_pixels(meta, data)
        payload, plan = encode_payload(parts.codec, pixels, mode=mode, device=parts.device)
        more: Meta = {"payload": str(plan.kind), "mode": plan.mode, "prefix": plan.prefix}
        more["shape"] = np.array(payload.shape[1:], np.int32)
        return more, payload.to("cpu", _TYPES[plan.kind]).numpy()
