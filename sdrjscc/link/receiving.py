"""The receiving end: samples in, pictures out. Every way to receive goes through here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import SdrJsccError
from sdrjscc.framing.header import Header
from sdrjscc.images.io import to_uint8
from sdrjscc.images.padding import crop
from sdrjscc.link.assemble import Assembled, Assembler, Limits
from sdrjscc.link.parts import Parts, presets_with
from sdrjscc.link.receiver import Packet, Receiver
from sdrjscc.link.refusals import Refusals
from sdrjscc.link.transmitter import plan_picture
from sdrjscc.mapping.base import Mapper
from sdrjscc.payload import Plan

_SEARCH_SAMPLES = 1 << 15
"""More than the receiver waits beyond the end of a frame before it reads it."""


@dataclass(frozen=True)
class ReceivedPicture:
    """A transmission with its picture.

    Attributes:
        assembled: symbols, noise variance and packets.
        pixels: uint8 ``[3, H, W]``, or ``None`` if the codec could not decode it.
        reason: why there is no picture.
        decode_ms: time of mapper and codec.
    """

    assembled: Assembled
    pixels: Tensor | None
    reason: str | None
    decode_ms: float


class Antennas(Protocol):
    """What a receiver must know of where its samples come from: a radio, or a recording."""

    @property
    def sample_rate_hz(self) -> float:
        """Sample rate."""
        ...

    @property
    def center_frequency_hz(self) -> float:
        """Carrier."""
        ...

    @property
    def clock_ppm(self) -> float:
        """Accuracy of the clock."""
        ...

    @property
    def antennas(self) -> int:
        """Receive channels."""
        ...


class ReceivingEnd:
    """Receiver, reassembler and decoder of one link.

    Attributes:
        receiver, assembler: with their own counters.
        refusals: why something that came over the air was not accepted; each reason is logged
            once.
    """

    def __init__(
        self,
        parts: Parts,
        radio: Antennas,
        sender_clock_ppm: float,
        *,
        digest: int | None = None,
        on_packet: Callable[[Packet], None] | None = None,
        on_undecodable: Callable[[float], None] | None = None,
    ) -> None:
        """Build the receiving end.

        Args:
            parts: the link's codec, mapper and waveform.
            radio: where the samples come from (its rate, carrier, clock and antennas).
            sender_clock_ppm: accuracy of the other end's clock.
            digest: of the configuration to accept; ``None``: that of ``parts``. Another one lets a
                recording be read with another decoder.
            on_packet: told every packet that is accepted.
            on_undecodable: told where a preamble stood whose header could not be decoded.

        Raises:
            ConfigError: the sample rate leaves no room for the clocks' offset.
        """
        self._codec, self._mapper, self._device = parts.codec, parts.mapper, parts.device
        # Frames that began before this have come out of the receiver.
        self._lag = parts.waveform.frame_samples + _SEARCH_SAMPLES
        self.refusals = Refusals()
        self.receiver = Receiver(
            parts.waveform,
            sample_rate_hz=radio.sample_rate_hz,
            clock_ppm=(radio.clock_ppm + sender_clock_ppm) / 2,
            center_frequency_hz=radio.center_frequency_hz,
            antennas=radio.antennas,
            digest=parts.digest if digest is None else digest,
            on_foreign=self._refuse_foreign,
            on_undecodable=on_undecodable,
        )
        self._on_packet = on_packet
        self.assembler = Assembler(
            self._plan,
            parts.waveform.payload_symbols,
            _limits(parts, radio.sample_rate_hz),
            self.refusals,
        )

    def push(self, samples: Tensor, *, dropped: int = 0) -> list[ReceivedPicture]:
        """Take samples ``[antennas, n]``; return the pictures they completed.

        Args:
            samples: complex64, full scale 1.0; NaN and infinite ones count as dropped.
            dropped: samples lost before these.
        """
        with self._counting():
            packets = self.receiver.push(samples, dropped=dropped)
        assembled = [one for packet in packets for one in self._take(packet)]
        assembled += self.assembler.advance(self.receiver.position - self._lag)
        return [self._decode(one) for one in assembled]

    def flush(self) -> list[ReceivedPicture]:
        """End of the stream: return what is left, incomplete pictures included."""
        with self._counting():
            packets = self.receiver.flush()
        assembled = [one for packet in packets for one in self._take(packet)]
        return [self._decode(one) for one in assembled + self.assembler.flush()]

    def _take(self, packet: Packet) -> list[Assembled]:
        if self._on_packet is not None:
            self._on_packet(packet)
        return self.assembler.push(packet)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Refuse, in words, what the receiver only counts."""
        counters = self.receiver.counters
        failures, refused = counters.header_failures, counters.refused
        yield
        if counters.header_failures > failures:
            self.refusals.add("preamble seen, header undecodable", counters.header_failures - failures)
        if counters.refused > refused:
            self.refusals.add(
                "samples must be finite and at most a million times full scale (others count as lost)",
                counters.refused - refused,
            )

    def _refuse_foreign(self, header: Header, position: float) -> None:
        number, presets = f"0x{header.digest:04x}", " or ".join(presets_with(header.digest))
        self.refusals.add(
            f"sender has another configuration than this receiver: preset {presets} ({number})"
            if presets
            else f"unknown configuration {number}"
        )

    def _plan(self, header: Header) -> Plan:
        return plan_picture(self._codec, header.width, header.height, header.mode, header.prefix)

    @torch.inference_mode()
    def _decode(self, assembled: Assembled) -> ReceivedPicture:
        began = time.perf_counter()
        try:
            pixels = decode_picture(self._codec, self._mapper, assembled, self._device)
            reason = None
        except SdrJsccError as error:
            pixels, reason = None, str(error)
            self.refusals.add(reason)
        return ReceivedPicture(assembled, pixels, reason, 1e3 * (time.perf_counter() - began))


def decode_picture(
    codec: Codec, mapper: Mapper, assembled: Assembled, device: torch.device | str = "cpu"
) -> Tensor:
    """Demap and decode a transmission with a codec that is on ``device``.

    Returns:
        uint8 ``[3, H, W]`` on the CPU, cropped to the header's size.

    Raises:
        Undecodable: the codec can make no picture of it.
    """
    header = assembled.header
    symbols = assembled.symbols.unsqueeze(0).to(device)
    noise_var = assembled.noise_var.unsqueeze(0).to(device)
    payload_hat = mapper.demap(symbols, noise_var, header.mode)
    images = codec.decode(payload_hat, noise_var, assembled.plan)
    return to_uint8(crop(images, header.width, header.height))[0].cpu()


def _limits(parts: Parts, sample_rate_hz: float) -> Limits:
    """What is accepted; silence begins at the end of a frame, and time is told by their beginnings."""
    limits = parts.config.receiver
    return Limits(
        timeout_samples=round(limits.timeout_s * sample_rate_hz) + parts.waveform.frame_samples,
        max_side=limits.max_side,
        max_open=limits.max_open,
    )
