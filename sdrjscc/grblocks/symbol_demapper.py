"""Symbol demapper: received symbols and their noise variance to the payload's estimate."""

import numpy as np
import torch
from gnuradio import gr

from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array, Meta, PduError, wanted
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.link.receiving import demap_symbols


class SymbolDemapper(gr.basic_block):
    """See ``specs_receiving.SYMBOL_DEMAPPER``."""

    def __init__(self, link: Link) -> None:
        gr.basic_block.__init__(self, "Symbol Demapper", in_sig=None, out_sig=None)
        self._parts = parts_of(link)
        add_ports(self, {"transmissions": self._demap}, ["payloads"])

    def _demap(self, meta: Meta, data: Array) -> None:
        torch.set_num_threads(1)  # of this thread: the blocks themselves run in parallel
        noise_var, mode = wanted(meta, "noise_var", "mode")
        if data.dtype != np.complex64 or getattr(noise_var, "shape", None) != data.shape:
            raise PduError(
                "received symbols must be complex64, with a noise variance each "
                f"(got {len(data)} of {data.dtype})"
            )
        symbols, variance = torch.from_numpy(data), torch.from_numpy(noise_var)
        payload = demap_symbols(self._parts.mapper, symbols, variance, mode, self._parts.device)[0].cpu()
        shape = np.array(payload.shape, np.int32)
        publish(self, "payloads", {**meta, "shape": shape}, payload)
