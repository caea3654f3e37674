"""Radios for tests of a receiving end: given samples in given pieces, live or waiting."""

import threading

import torch

from sdrjscc.images.io import to_uint8
from sdrjscc.link.parts import build_parts
from sdrjscc.link.sending import SendingEnd
from sdrjscc.linkfile import parse_link
from sdrjscc.radio.base import Reception, Status

RATE_HZ = 1e6
LOOPBACK = {"name": "loopback", "sample_rate_hz": RATE_HZ, "clock_ppm": 10.0}


def config(codec=None, **tables):
    """Frames of 3 OFDM symbols; dsc_jscc without training, or ``codec``."""
    table = {
        "codec": {"name": "dsc_jscc", "weights": "untrained"} if codec is None else codec,
        "waveform": {"name": "ofdm", "payload_ofdm_symbols": 3},
        "radios": {"tx": LOOPBACK},
    }
    return parse_link({**table, **tables})


def picture(width=96, height=64, seed=0):
    """Smooth colours with some noise, uint8 ``[3, H, W]``."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.arange(width) / width, torch.arange(height).unsqueeze(1) / height
    smooth = torch.stack([x.expand(height, width), y.expand(height, width), (x + y) / 2])
    return to_uint8(smooth + 0.05 * torch.randn(3, height, width, generator=generator))


class Given:
    """A radio that gives receptions, and then nothing or an error; what is transmitted is kept."""

    sample_rate_hz, center_frequency_hz, clock_ppm = RATE_HZ, 2.4e9, 10.0

    def __init__(self, receptions=(), *, live=False, ends=None, antennas=1):
        self.live, self.antennas, self._ends = live, antennas, ends
        self._receptions = list(receptions)
        self.sent = []
        self.done = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        pass

    def transmit(self, samples):
        self.sent.append(samples)

    def receive(self):
        if self._receptions:
            return self._receptions.pop(0)
        self.done.set()
        if self._ends is not None:
            raise self._ends
        return None

    def status(self):
        return Status({"rx_gain_db": 20.0}, overflows=3)


def sent_signal(link, pictures, gap=3000, level=0.1):
    """All pictures' frames with noise around, complex64 ``[n]``, and where each picture begins."""
    radio = Given()
    end = SendingEnd(build_parts(link), radio, nonce=7)
    stream, starts = [torch.zeros(gap, dtype=torch.complex64)], []
    for one in pictures:
        end.send(one)
        starts.append(sum(len(part) for part in stream))
        stream += [radio.sent[-1], torch.zeros(gap, dtype=torch.complex64)]
    samples = level * torch.cat(stream)
    generator = torch.Generator().manual_seed(1)
    return samples + 0.02 * level * torch.randn(
        len(samples), dtype=torch.complex64, generator=generator
    ), starts


def pieces(samples, size, gaps=()):
    """Receptions of ``size`` samples; ``gaps`` are (position, length) that the radio lost and tells of."""
    cuts = sorted([(first, first + length) for first, length in gaps])
    receptions, position, dropped = [], 0, 0
    for first, end in [*cuts, (samples.shape[-1], samples.shape[-1])]:
        for start in range(position, first, size):
            part = samples[..., start : min(start + size, first)]
            receptions.append(Reception(part if part.ndim == 2 else part[None], dropped))
            dropped = 0
        position, dropped = end, end - first
    return receptions
