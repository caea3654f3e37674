"""A radio for tests of tx, rx and record: gives what it was told to, and keeps what it is sent."""

import os
import signal
from types import SimpleNamespace

import torch

from sdrjscc.radio.base import Reception, Status

RATE_HZ = 1e6

SCRIPT = SimpleNamespace(receptions=[], ends=None, sent=[], closed=[], on_transmit=None)


class EndRadio:
    """Live; plays ``SCRIPT``: receptions, errors to raise, and ``"ctrl-c"`` in their order."""

    sample_rate_hz, center_frequency_hz, clock_ppm, antennas, live = RATE_HZ, 2.4e9, 10.0, 1, True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        SCRIPT.closed.append(kind)

    def transmit(self, samples):
        if SCRIPT.on_transmit is not None:
            SCRIPT.on_transmit(len(SCRIPT.sent))
        SCRIPT.sent.append(samples)

    def receive(self):
        if not SCRIPT.receptions:
            return None
        step = SCRIPT.receptions.pop(0)
        if step == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)
            return Reception(torch.zeros(1, 0, dtype=torch.complex64))
        if isinstance(step, Exception):
            raise step
        return step

    def status(self):
        return Status({}, clipped=3, underflows=2)


def build(config, *, channel, occupied_share):
    return EndRadio()
