"""The system of this package."""

import time

import torch
from torch import Tensor

from _phy.air import CENTER_FREQUENCY_HZ
from _phy.system import Heard, Sent
from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.link.receiver import Receiver
from sdrjscc.waveform.ofdm import Config, build

NAME = "sdrjscc"
DIGEST = 0x3FA1
_CHUNK = 1 << 20
_AT_ONCE = 50


class Ours:
    """Frames of Gaussian symbols, as an analog codec sends them, and the streaming receiver."""

    name = NAME
    antennas = 16

    def __init__(self, payload_ofdm_symbols: int) -> None:
        self.waveform = build(Config(payload_ofdm_symbols=payload_ofdm_symbols))
        grid = self.waveform.payload
        self.nominal_symbols = self.payload_symbols = self.waveform.payload_symbols
        self.carriers = grid.data_index.flatten()
        self.frequencies = grid.frequencies.double()
        self.occupied_fraction = self.waveform.occupied_bandwidth_hz(1.0)

    def transmit(self, count: int, seed: int) -> tuple[Sent, float]:
        """See :class:`_phy.system.System`."""
        generator = torch.Generator().manual_seed(seed)
        payload = torch.randn(count, self.payload_symbols, dtype=torch.complex64, generator=generator)
        begin = time.process_time()
        headers = [Header(DIGEST, 7, i % 256, i, count, 0, 0, True, 256, 256) for i in range(count)]
        frames = [
            self.waveform.modulate(encode_headers(headers[first : first + _AT_ONCE]), part)
            for first, part in zip(range(0, count, _AT_ONCE), torch.split(payload, _AT_ONCE), strict=True)
        ]
        seconds = time.process_time() - begin
        return Sent(torch.cat(frames), payload), seconds

    def listener(self, sample_rate_hz: float, clock_ppm: float, antennas: int) -> "OurListener":
        """See :class:`_phy.system.System`."""
        receiver = Receiver(
            self.waveform,
            sample_rate_hz=sample_rate_hz,
            clock_ppm=clock_ppm,
            center_frequency_hz=CENTER_FREQUENCY_HZ,
            antennas=antennas,
        )
        return OurListener(receiver)


class OurListener:
    """The streaming receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    @property
    def triggers(self) -> int | None:
        """See :class:`_phy.system.Listener`."""
        return self.receiver.counters.triggers

    def hear(self, samples: Tensor) -> tuple[list[Heard], float]:
        """See :class:`_phy.system.Listener`."""
        begin = time.process_time()
        packets = []
        for chunk in torch.split(samples, _CHUNK, dim=-1):
            packets += self.receiver.push(chunk)
        packets += self.receiver.flush()
        seconds = time.process_time() - begin
        heard = [Heard(p.header.packet, p.symbols, p.noise_var, p.cfo_hz, p.sco_ppm) for p in packets]
        return heard, seconds
