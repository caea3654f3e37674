"""A block on the bench: messages posted into it, and what comes out of its message ports."""

import threading
import time

import pmt
import torch
from gnuradio import gr

from sdrjscc.grblocks.pdu import parse_pdu, pdu, picture_data

PATIENCE_S = 15  # only a hang takes so long


class Keeper(gr.basic_block):
    """Keeps every PDU that it gets."""

    def __init__(self):
        gr.basic_block.__init__(self, "Keeper", in_sig=None, out_sig=None)
        self.heard = []
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.keep)

    def keep(self, message):
        self.heard.append(parse_pdu(message))


def post(block, port, meta, data):
    """A PDU into a block's port, as if it had been sent there."""
    post_message(block, port, pdu(meta, data))


def post_message(block, port, message):
    block.to_basic_block()._post(pmt.intern(port), message)


class Rig:
    """A running graph of one block; ``with`` starts and stops it."""

    def __init__(self, block, *outputs, graph=None):
        self.block, self.graph = block, graph or gr.top_block()
        self.keepers = {port: Keeper() for port in outputs}
        for port, keeper in self.keepers.items():
            self.graph.msg_connect(block, port, keeper, "in")

    def __enter__(self):
        self.graph.start()
        return self

    def __exit__(self, *exception):
        self.graph.stop()
        self.graph.wait()

    def post(self, port, meta, data):
        post(self.block, port, meta, data)

    def wait(self, port, count):
        """The first ``count`` PDUs of an output."""
        until(lambda: len(self.keepers[port].heard) >= count)
        return self.keepers[port].heard[:count]


def until(there):
    """Wait for something that must happen."""
    end_s = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < end_s, "nothing came"
        time.sleep(0.005)


def run_to_end(graph, chunk=100_000):
    """Run a graph that ends by itself, with at most so many items at once; a hang is a failure."""
    graph.start(chunk)
    done = []
    waiter = threading.Thread(target=lambda: done.append(graph.wait()), daemon=True)
    waiter.start()
    waiter.join(PATIENCE_S)
    if not done:
        graph.stop()
    assert done, "the graph did not end"


def picture(width=32, height=32, seed=0, **keys):
    """Dictionary and vector of a noisy picture."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    return {"name": f"p{seed}", "width": width, "height": height, **keys}, picture_data(pixels)


def through(heard, *steps):
    """A dictionary and vector through blocks, each alone: (block, port in, port out)."""
    for block, before, after in steps:
        with Rig(block, after) as rig:
            rig.post(before, *heard)
            (heard,) = rig.wait(after, 1)
    return heard
