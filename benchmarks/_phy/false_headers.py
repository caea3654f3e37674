"""Signals that are not ours: what the receiver's search, preamble check and CRC make of them."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from _phy.air import CENTER_FREQUENCY_HZ
from sdrjscc.link.receiver import Receiver
from sdrjscc.waveform.base import Waveform

LEVELS_DB = (0.0, 20.0, 40.0)
_BLOCK = 1 << 20
_BURST, _PERIOD = 700, 9000


def _noise(start: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dtype=torch.complex64, generator=generator)


def _tone(start: int, count: int, generator: torch.Generator) -> Tensor:
    instants = start + torch.arange(count, dtype=torch.float64)
    return _phasor(0.0137 * instants)


def _bursts(start: int, count: int, generator: torch.Generator) -> Tensor:
    """Noise for 700 samples in every 9,000."""
    on = torch.remainder(start + torch.arange(count), _PERIOD) < _BURST
    return _noise(start, count, generator) * on


def _chirps(start: int, count: int, generator: torch.Generator) -> Tensor:
    """Linear chirps over 0.8 of the band, up and down in turn, of 400 to 1,500 samples."""
    pieces: list[Tensor] = []
    length = 0
    while length < count:
        n = int(torch.randint(400, 1500, (1,), generator=generator))
        way = 1 if len(pieces) % 2 else -1
        t = torch.arange(n, dtype=torch.float64) - n / 2
        pieces.append(_phasor(way * 0.4 * t.square() / n))
        length += n
    return torch.cat(pieces)[:count]


def _other_ofdm(start: int, count: int, generator: torch.Generator) -> Tensor:
    """Bursts like those of Wi-Fi: 64 carriers, short and long training, 24 symbols, then a pause."""
    symbols, pause = 24, 480
    each = 320 + symbols * 80 + pause
    bursts = count // each + 1
    used = torch.cat([torch.arange(-26, 0), torch.arange(1, 27)])
    turns = torch.randint(4, (bursts, symbols, len(used)), generator=generator) / 4 + 0.125
    data = _ofdm(used, _phasor(turns))
    body = torch.cat([data[..., -16:], data], dim=-1).flatten(1)
    fixed = torch.Generator().manual_seed(80211)
    short = _ofdm(used[used % 4 == 0], _phasor(torch.randint(4, (12,), generator=fixed) / 4)) * 2
    long = _ofdm(used, _phasor(torch.randint(2, (len(used),), generator=fixed) / 2))
    start_word = torch.cat([short.repeat(3)[:160], long[-32:], long, long]).expand(bursts, -1)
    silence = torch.zeros(bursts, pause, dtype=torch.complex64)
    return torch.cat([start_word, body, silence], dim=-1).flatten()[:count]


def _ofdm(carriers: Tensor, values: Tensor) -> Tensor:
    """Samples ``[..., 64]`` of unit power from values ``[..., n]`` on carriers ``[n]``."""
    spectrum = torch.zeros(*values.shape[:-1], 64, dtype=torch.complex64)
    spectrum[..., torch.remainder(carriers, 64)] = values
    return torch.fft.ifft(spectrum) * 64 / math.sqrt(52)


def _phasor(turns: Tensor) -> Tensor:
    angle = (math.tau * torch.remainder(turns.double(), 1.0)).float()
    return torch.polar(torch.ones_like(angle), angle)


SIGNALS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "noise": _noise,
    "tone": _tone,
    "noise bursts": _bursts,
    "foreign chirps": _chirps,
    "other OFDM": _other_ofdm,
}


def blocks(name: str, level_db: float, antennas: int, samples: int, seed: int) -> Iterator[Tensor]:
    """A signal ``level_db`` above a noise floor of unit power, in blocks ``[antennas, n]``."""
    generator = torch.Generator().manual_seed(seed)
    phases = _phasor(torch.arange(antennas) * 0.3)[:, None]
    gain = 10 ** (level_db / 20)
    for start in range(0, samples, _BLOCK):
        count = min(_BLOCK, samples - start)
        floor = torch.randn(antennas, count, dtype=torch.complex64, generator=generator)
        yield floor + gain * phases * SIGNALS[name](start, count, generator)


def trial(
    waveform: Waveform, name: str, level_db: float, antennas: int, samples: int, step: Callable[[int], None]
) -> dict[str, Any]:
    """What a receiver with its ordinary thresholds counts in a signal that is not ours."""
    receiver = Receiver(
        waveform,
        sample_rate_hz=1e6,
        clock_ppm=10.0,
        center_frequency_hz=CENTER_FREQUENCY_HZ,
        antennas=antennas,
    )
    packets = 0
    for block in blocks(name, level_db, antennas, samples, seed=3):
        packets += len(receiver.push(block))
        step(block.shape[-1])
    counters = receiver.counters
    return {
        "signal": name,
        "level_db": level_db,
        "antennas": antennas,
        "samples": samples,
        "triggers": counters.triggers,
        "preambles": counters.preambles,
        "headers": counters.headers,
        "packets": packets,
    }
