"""Starts and stops whole flowgraphs, in a process of its own: prints what came of each case as JSON.

Called as ``restart_graph.py FOLDER [CASE]``.
"""

import gc
import json
import os
import sys
import threading
from pathlib import Path

import torch
from gnuradio import blocks, gr
from gr_ends import Listener, wait_for

from sdrjscc import grblocks

RUNS = 10
RATE_HZ = 1e6


class Chain(gr.top_block):
    """Image source to image sink, with a recording."""

    def __init__(self, folder, **source):
        gr.top_block.__init__(self, "Chain")
        link = grblocks.open_link("loopback")
        self.source = grblocks.ImageSource("samples", crop=64, **source)
        self.encoder, self.mapper = grblocks.JsccEncoder(link), grblocks.SymbolMapper(link)
        self.sender = grblocks.FrameTransmitter(link)
        self.channel = grblocks.ImpairmentChannel(link, RATE_HZ, snr_db=15.0)
        self.receiver = grblocks.FrameReceiver(link, RATE_HZ)
        self.demapper, self.decoder = grblocks.SymbolDemapper(link), grblocks.JsccDecoder(link)
        self.sink, self.heard = grblocks.ImageSink(str(folder / "pictures"), 20), Listener()
        self.recorder = grblocks.SigmfSink(link, str(folder / "air"), RATE_HZ)
        messages = [
            (self.source, "pictures", self.encoder),
            (self.encoder, "payloads", self.mapper),
            (self.mapper, "symbols", self.sender),
            (self.sender, "next", self.source),
            (self.receiver, "transmissions", self.demapper),
            (self.demapper, "payloads", self.decoder),
            (self.decoder, "pictures", self.sink),
            (self.receiver, "packets", self.recorder),
        ]
        for block, port, other in messages:
            self.msg_connect(block, port, other, port)
        self.msg_connect(self.decoder, "pictures", self.heard, "in")
        self.connect(self.sender, self.channel, self.receiver)
        self.connect(self.channel, self.recorder)


def stopped(chain):
    """End it, as Companion does."""
    chain.stop()
    chain.wait()


def threads():
    return len(list(Path("/proc/self/task").iterdir()))


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def running(folder):
    """Stopped while pictures pass."""
    chain = Chain(folder, repeat=True)
    heard, counts, sizes = [], [], []
    for _ in range(RUNS):
        chain.heard.heard.clear()
        chain.start()
        wait_for(lambda: len(chain.heard.heard) >= 3)
        stopped(chain)
        heard.append(len(chain.heard.heard))
        gc.collect()
        counts.append(threads())
        sizes.append(resident_bytes())
    return {"heard": heard, "threads": counts, "bytes": sizes}


def ending(folder):
    """Run to its own end each time."""
    chain = Chain(folder, count=2)
    heard = []
    for _ in range(RUNS):
        chain.heard.heard.clear()
        chain.run()
        heard.append(len(chain.heard.heard))
    return {"heard": heard, "recordings": len(list(folder.glob("*.sigmf-meta"))), "threads": threads()}


def at_once(folder):
    """Stopped as soon as it started, and twice."""
    chain = Chain(folder, repeat=True)
    for _ in range(RUNS):
        chain.start()
        stopped(chain)
        stopped(chain)
    return {"threads": threads()}


class Halting(gr.sync_block):
    """A source that gives samples for a while and then none, without ending."""

    def __init__(self):
        gr.sync_block.__init__(self, "Halting", None, ["complex64"])
        self.left, self.halted, self.go_on = 20_000, threading.Event(), threading.Event()

    def work(self, input_items, output_items):
        if not self.left:
            self.halted.set()
            self.go_on.wait(0.05)
            return 0
        count = min(self.left, len(output_items[0]))
        output_items[0][:count] = 0
        self.left -= count
        return count


def halted(folder):
    """An upstream that stands still does not keep the others from ending."""
    link = grblocks.open_link("loopback")
    source, receiver = Halting(), grblocks.FrameReceiver(link, RATE_HZ)
    demapper, recorder = grblocks.SymbolDemapper(link), grblocks.SigmfSink(link, str(folder / "air"), RATE_HZ)
    graph = gr.top_block()
    graph.connect(source, receiver)
    graph.connect(source, recorder)
    graph.msg_connect(receiver, "transmissions", demapper, "transmissions")
    graph.msg_connect(receiver, "packets", recorder, "packets")
    graph.start()
    file = folder / "air.sigmf-data"
    wait_for(lambda: file.stat().st_size == 4 * 20_000)
    stopped(graph)
    return {"samples": file.stat().st_size // 4, "halted": source.halted.is_set()}


def ended(folder):
    """An upstream that ends in the middle of a frame ends the graph."""
    chain = Chain(folder, count=1)
    head = blocks.head(gr.sizeof_gr_complex, 10_000)
    chain.disconnect(chain.channel, chain.receiver)
    chain.connect(chain.channel, head, chain.receiver)
    chain.run()
    return {"heard": len(chain.heard.heard)}


CASES = (running, ending, at_once, halted, ended)

if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {}
    for case in CASES:
        if case.__name__ in (sys.argv[2:] or [case.__name__]):
            place = Path(sys.argv[1]) / case.__name__
            place.mkdir()
            found[case.__name__] = case(place)
    print(json.dumps(found), flush=True)
