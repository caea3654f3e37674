"""``usrp_tx`` into ``usrp_rx`` in one process, with a recorder and a player in place of UHD's two blocks.

What the programs asked of UHD is on stdout as JSON: the lists ``made`` and ``called``, and the bursts.
"""

import importlib
import json
import sys

import numpy as np
import pmt
from gnuradio import blocks, gr, uhd

from sdrjscc.link.receiving import SETTLING_SAMPLES

LEAD, SILENCE = np.zeros(500, np.complex64), np.zeros(SETTLING_SAMPLES, np.complex64)
_SETTERS = (
    "set_samp_rate",
    "set_center_freq",
    "set_gain",
    "set_antenna",
    "set_bandwidth",
    "set_rx_agc",
    "set_time_unknown_pps",
    "set_time_now",
    "set_auto_dc_offset",
    "set_auto_iq_balance",
)


class _Device:
    """What is asked of either block, kept."""

    def _keep(self, address, arguments, length_tag=""):
        self.made = [address, arguments.cpu_format, list(arguments.channels), length_tag]
        self.called = []
        for name in _SETTERS:
            setattr(self, name, self._keeper(name))

    def _keeper(self, name):
        return lambda *values: self.called.append(
            [name, *(one for one in values if isinstance(one, int | float | str))]
        )

    def told(self):
        return {"made": self.made, "called": self.called}


class Recorder(_Device, gr.sync_block):
    def __init__(self, *arguments):
        gr.sync_block.__init__(self, "recorder", [np.complex64], None)
        self._keep(*arguments)
        self.lengths, self.chunks = {}, []

    def work(self, input_items, output_items):
        for tag in self.get_tags_in_window(0, 0, len(input_items[0])):
            self.lengths[tag.offset] = (str(tag.key), pmt.to_long(tag.value))
        self.chunks.append(input_items[0].copy())
        return len(input_items[0])


class Player(_Device, gr.hier_block2):
    samples = np.zeros(0, np.complex64)

    def __init__(self, *arguments):
        gr.hier_block2.__init__(self, "player", gr.io_signature(0, 0, 0), gr.io_signature(1, 1, 8))
        self._keep(*arguments)
        self.connect(blocks.vector_source_c(self.samples.tolist()), self)


def run(folder, picture):
    sys.path.insert(0, folder)
    uhd.usrp_sink, uhd.usrp_source = Recorder, Player
    sender = importlib.import_module("usrp_tx").usrp_tx(pictures=picture, gain_db=20)
    sender.run()
    sink = sender.usrp_sink
    samples = np.concatenate(sink.chunks)
    Player.samples = np.concatenate([LEAD, samples, SILENCE])  # a receiver hears the silence, too
    receiver = importlib.import_module("usrp_rx").usrp_rx(folder="received")
    receiver.run()
    bursts = [
        [key, offset, length, float(np.mean(np.abs(samples[offset : offset + length]) ** 2))]
        for offset, (key, length) in sorted(sink.lengths.items())
    ]
    told = {"tx": sink.told(), "rx": receiver.usrp_source.told(), "bursts": bursts}
    print(json.dumps({**told, "samples": len(samples)}))


if __name__ == "__main__":
    run(*sys.argv[1:])
