"""A channel process in a thread, ends at free ports, and what the tests of the virtual radio send."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

import torch
import zmq

from sdrjscc.channel._stream import LONGEST_SAMPLES, ChannelStream
from sdrjscc.radio._virtual_channel import ChannelProcess
from sdrjscc.radio.virtual import Config, build

RATE_HZ = 1e6
PATIENCE_S = 60.0


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def end(address, kind, **options):
    options = {"timeout_s": PATIENCE_S, "sample_rate_hz": RATE_HZ, **options}
    return build(Config(address=address, end=kind, **options), channel=None, occupied_share=1.0)


@dataclass
class Running:
    """A channel process between ``tx`` and ``rx``, until ``stop``."""

    tx: str
    rx: str
    process: ChannelProcess
    stop: threading.Event

    def transmitter(self, **options):
        return end(self.tx, "transmit", **options)

    def receiver(self, **options):
        return end(self.rx, "receive", **options)


@contextlib.contextmanager
def joined(channel=None, *, tx=None, rx=None, antennas=1, rate_hz=RATE_HZ, real_time=False, **options):
    tx, rx = tx or free_address(), rx or free_address()
    settings = {"longest_samples": LONGEST_SAMPLES, "seed": 3, **options}
    stream = ChannelStream(
        channel, antennas=antennas, sample_rate_hz=rate_hz, occupied_bandwidth_hz=rate_hz, **settings
    )
    process = ChannelProcess(zmq, stream, tx=tx, rx=rx, sample_rate_hz=rate_hz, real_time=real_time)
    running = Running(tx, rx, process, threading.Event())

    def work():
        with process:
            while not running.stop.is_set():
                process.step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        thread.join()


def burst(length, seed=0):
    """Samples of unit power, none of them 0."""
    return torch.randn(length, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def receive_until(radio, enough):
    """All that ``radio`` receives, ``[antennas, n]``, until ``enough`` says so of it."""
    received = [radio.receive().samples]
    ends_s = time.monotonic() + PATIENCE_S
    while not enough(torch.cat(received, dim=-1)):
        assert time.monotonic() < ends_s, "not enough arrived"
        received.append(radio.receive().samples)
    return torch.cat(received, dim=-1)


def signal(samples):
    """Those samples of the first antenna that are not 0."""
    return samples[0][samples[0] != 0]
