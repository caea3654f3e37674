"""Symbol mapper: payloads in, symbols out."""

import math

import torch
from gnuradio import gr

from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta, PduError, wanted
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.link.transmitter import map_payload, plan_picture
from sdrjscc.payload import PayloadKind


class SymbolMapper(gr.basic_block):
    """See ``specs_sending.SYMBOL_MAPPER``."""

    def __init__(self, link: Link) -> None:
        gr.basic_block.__init__(self, "Symbol Mapper", in_sig=None, out_sig=None)
        self._parts = parts_of(link)
        add_ports(self, {"payloads": self._map}, ["symbols"], forward="symbols")

    def start(self) -> bool:
        """Blocks compute side by side: one thread each."""
        torch.set_num_threads(1)
        return True

    def _map(self, meta: Meta, data: Array) -> None:
        parts = self._parts
        width, height, kind, shape = wanted(meta, "width", "height", "payload", "shape")
        plan = plan_picture(parts.codec, width, height, meta.get("mode", 0), meta.get("prefix", 0))
        if kind != parts.mapper.kind or len(data) != math.prod(shape):
            raise PduError(
                f"a payload must be {parts.mapper.kind} of shape {list(shape)} (got {len(data)} {kind})"
            )
        payload = torch.from_numpy(data.reshape(1, *shape))
        if parts.mapper.kind == PayloadKind.INDICES:
            payload = payload.long()
        symbols = map_payload(parts.mapper, payload, plan)
        publish(self, "symbols", {**meta, "mode": plan.mode, "prefix": plan.prefix}, symbols)
