"""Blocks and runs that the tests of receiving blocks share."""

import time
from threading import Timer

import numpy as np
import torch
from gnuradio import blocks, gr

from sdrjscc.grblocks.ends import finish
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.images.samples import read_sample
from sdrjscc.link.transmitter import Framer, Stamp, encode_payload, map_payload

WIDTH, HEIGHT = 96, 64


class Listener(gr.basic_block):
    """Keeps the PDUs that come out of another block's port."""

    def __init__(self):
        gr.basic_block.__init__(self, "Listener", in_sig=None, out_sig=None)
        self.heard = []
        add_ports(self, {"in": lambda meta, data: self.heard.append((meta, data))})


class Feeder(gr.basic_block):
    """Sends PDUs, one whenever it is asked, the first two unasked."""

    def __init__(self, port, items):
        gr.basic_block.__init__(self, "Feeder", in_sig=None, out_sig=None)
        self._port, self._items, self._next = port, items, 0
        add_ports(self, {"next": lambda meta, data: self._send()}, [port])

    def start(self):
        self._next = 0
        self._send()
        self._send()
        return True

    def _send(self):
        if self._next == len(self._items):
            finish(self)
            return
        meta, data = self._items[self._next]
        self._next += 1
        publish(self, self._port, {**meta, "last": self._next == len(self._items)}, data)


class Teller(gr.basic_block):
    """Sends PDUs at once, then ends."""

    def __init__(self, port, items):
        gr.basic_block.__init__(self, "Teller", in_sig=None, out_sig=None)
        self._port, self._items = port, items
        add_ports(self, {}, [port])

    def start(self):
        for meta, data in self._items:
            publish(self, self._port, meta, data)
        finish(self)
        return True


def run_graph(graph, limit_s=60.0):
    """Run to the end; what hangs is stopped and fails."""
    late = []

    def stop():
        late.append(True)
        graph.stop()

    timer = Timer(limit_s, stop)
    timer.start()
    graph.run()
    timer.cancel()
    assert not late


def wait_for(condition, limit_s=30.0):
    """Wait until something is so; whether it became so."""
    end_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.005)
    return condition()


def picture():
    """A small picture of something, uint8 ``[3, HEIGHT, WIDTH]``."""
    return read_sample("astronaut").pixels[:, 20 : 20 + HEIGHT, 180 : 180 + WIDTH].contiguous()


def picture_symbols(parts, mode=0):
    """Its symbols."""
    payload, plan = encode_payload(parts.codec, picture(), mode=mode)
    return map_payload(parts.mapper, payload, plan)


def picture_samples(parts, number=0, nonce=5, mode=0):
    """Its frames."""
    framer = Framer(parts.waveform, digest=parts.digest, nonce=nonce)
    return framer.frame(picture_symbols(parts, mode), Stamp(nonce, number, mode), WIDTH, HEIGHT)


def noisy(samples, noise_var=0.01, seed=1):
    """Samples ``[..., n]`` with noise."""
    draw = torch.Generator().manual_seed(seed)
    return samples + noise_var**0.5 * torch.randn(samples.shape, dtype=samples.dtype, generator=draw)


def stream(samples, tags=()):
    """A source of samples ``[n]``, with tags of (offset, key, value)."""
    marks = []
    for offset, key, value in tags:
        mark = gr.tag_t()
        mark.offset, mark.key, mark.value = offset, key, value
        marks.append(mark)
    return blocks.vector_source_c(np.asarray(samples).tolist(), False, 1, marks)
