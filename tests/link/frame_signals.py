"""Test signals: frames through a small channel written here, independent of sdrjscc.channel."""

import math

import torch
from torch import Tensor

from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.link.receiver import Packet, Receiver
from sdrjscc.waveform.ofdm import Config, Ofdm, build

RATE_HZ = 1e6
DIGEST = 0x3FA1


def waveform(symbols: int = 8) -> Ofdm:
    return build(Config(payload_ofdm_symbols=symbols))


def headers(count: int, digest: int = DIGEST) -> list[Header]:
    return [Header(digest, 7, i % 256, i, count, 0, 0, True, 256, 192) for i in range(count)]


def frames(wave: Ofdm, count: int, seed: int = 0, digest: int = DIGEST) -> tuple[Tensor, Tensor]:
    """Frames ``[count, frame_samples]`` and their payloads ``[count, payload_symbols]``."""
    generator = torch.Generator().manual_seed(seed)
    payload = torch.randn(count, wave.payload_symbols, dtype=torch.complex64, generator=generator)
    return wave.modulate(encode_headers(headers(count, digest)), payload), payload


def spaced(parts: Tensor, gap: int, lead: int | None = None) -> Tensor:
    """Frames ``[count, n]`` in one stream ``[1, ...]`` with ``gap`` zeros before each and at the end."""
    count = len(parts)
    silence = torch.zeros(count, gap, dtype=parts.dtype)
    stream = torch.cat([silence, parts], dim=1).flatten()
    if lead is not None:
        stream = torch.cat([torch.zeros(lead, dtype=parts.dtype), stream[gap:]])
    return torch.cat([stream, torch.zeros(gap, dtype=parts.dtype)])[None]


def turned(stream: Tensor, cfo: float, phase: float = 0.0) -> Tensor:
    """The stream with a carrier offset in cycles per sample and a phase in rad."""
    cycles = cfo * torch.arange(stream.shape[-1], dtype=torch.float64) + phase / (2 * math.pi)
    angle = 2 * math.pi * torch.remainder(cycles, 1.0)
    return stream * torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def noisy(stream: Tensor, snr_db: float, seed: int = 1) -> Tensor:
    """White noise for an SNR per active carrier of unit-power frames."""
    variance = 10 ** (-snr_db / 10) * 256 / 208
    generator = torch.Generator().manual_seed(seed)
    return stream + math.sqrt(variance) * torch.randn(
        stream.shape, dtype=torch.complex64, generator=generator
    )


def receiver(wave: Ofdm, **options: object) -> Receiver:
    settings: dict = {"sample_rate_hz": RATE_HZ, "clock_ppm": 10.0, "center_frequency_hz": 2.4e9, **options}
    return Receiver(wave, **settings)


def receive(wave: Ofdm, stream: Tensor, **options: object) -> list[Packet]:
    """Packets of a whole stream pushed at once."""
    rx = receiver(wave, **options)
    return rx.push(stream) + rx.flush()


def error_power(packet: Packet, payload: Tensor) -> float:
    return float((packet.symbols - payload[packet.header.packet]).abs().square().mean())
