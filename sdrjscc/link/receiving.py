"""The receiving end: samples in, pictures out. Every way to receive goes through here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import SdrJsccError, Undecodable
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

SETTLING_SAMPLES = 1 << 15
"""More than the receiver waits beyond the end of a frame before it reads it."""


@dataclass(frozen=True)
class ReceivedPicture:
    """A transmission with its picture.

    Attributes:
        assembled: symbols, noise variance and packets.
        pixels: uint8 ``[3, H, W]``, or ``None`` if there is nothing to show.
        reason: why the codec could not decode it, ``None`` if it could; ``pixels`` may then be what
            it has in its place.
        decode_ms: time of mapper and codec.
    """

    assembled: Assembled
    pixels: Tensor | None
    reason: str | None
    decode_ms: float

    @property
    def decoded(self) -> bool:
        """Whether the codec could decode it: what it shows in its place does not count."""
        return self.reason is None


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


class Collector:
    """Receiver and reassembler of one link: samples in, transmissions out.

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
        """Build receiver and reassembler.

        Args:
            parts: the link's codec and waveform.
            radio: where the samples come from (its rate, carrier, clock and antennas).
            sender_clock_ppm: accuracy of the other end's clock.
            digest: of the configuration to accept; ``None``: that of ``parts``. Another one lets a
                recording be read with another decoder.
            on_packet: told every packet that is accepted.
            on_undecodable: told where a preamble stood whose header could not be decoded.

        Raises:
            ConfigError: the sample rate leaves no room for the clocks' offset.
        """
        # Frames that began before this have come out of the receiver.
        self._lag = parts.waveform.frame_samples + SETTLING_SAMPLES
        self.refusals = Refusals()
        self.receiver = Receiver(
            parts.waveform,
            sample_rate_hz=radio.sample_rate_hz,
            clock_ppm=(radio.clock_ppm + sender_clock_ppm) / 2,
            center_frequency_hz=radio.center_frequency_hz,
            antennas=radio.antennas,
            digest=parts.digest if digest is None else digest,
            on_foreign=partial(_refuse_foreign, self.refusals),
            on_undecodable=on_undecodable,
        )
        self._on_packet = on_packet
        self.assembler = Assembler(
            partial(_plan_of, parts.codec),
            parts.waveform.payload_symbols,
            _limits(parts, radio.sample_rate_hz),
            self.refusals,
        )

    def push(self, samples: Tensor, *, dropped: int = 0) -> list[Assembled]:
        """Take samples ``[antennas, n]``; return the transmissions they completed or ended.

        Args:
            samples: complex64, full scale 1.0; NaN and infinite ones count as dropped.
            dropped: samples lost before these.
        """
        with self._counting():
            packets = self.receiver.push(samples, dropped=dropped)
        assembled = [one for packet in packets for one in self._take(packet)]
        return assembled + self.assembler.advance(self.receiver.position - self._lag)

    def flush(self) -> list[Assembled]:
        """End of the stream: return what is left, incomplete transmissions included."""
        with self._counting():
            packets = self.receiver.flush()
        assembled = [one for packet in packets for one in self._take(packet)]
        return assembled + self.assembler.flush()

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


def _refuse_foreign(refusals: Refusals, header: Header, position: float) -> None:
    number, presets = f"0x{header.digest:04x}", " or ".join(presets_with(header.digest))
    refusals.add(
        f"sender has another configuration than this receiver: preset {presets} ({number})"
        if presets
        else f"unknown configuration {number}"
    )


def _plan_of(codec: Codec, header: Header) -> Plan:
    return plan_picture(codec, header.width, header.height, header.mode, header.prefix)


class ReceivingEnd:
    """Receiver, reassembler and decoder of one link: samples in, pictures out.

    Attributes:
        refusals: why something that came over the air was not accepted, or could not be decoded.
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
        """Build the receiving end; arguments and errors are those of :class:`Collector`."""
        self._parts = parts
        self._collector = Collector(
            parts, radio, sender_clock_ppm, digest=digest, on_packet=on_packet, on_undecodable=on_undecodable
        )
        self.refusals = self._collector.refusals

    @property
    def receiver(self) -> Receiver:
        """With its own counters."""
        return self._collector.receiver

    @property
    def assembler(self) -> Assembler:
        """With its own counters."""
        return self._collector.assembler

    def push(self, samples: Tensor, *, dropped: int = 0) -> list[ReceivedPicture]:
        """Take samples ``[antennas, n]``, as :meth:`Collector.push`; return the pictures they completed."""
        return [self._decode(one) for one in self._collector.push(samples, dropped=dropped)]

    def flush(self) -> list[ReceivedPicture]:
        """End of the stream: return what is left, incomplete pictures included."""
        return [self._decode(one) for one in self._collector.flush()]

    def _decode(self, assembled: Assembled) -> ReceivedPicture:
        began = time.perf_counter()
        parts = self._parts
        try:
            pixels: Tensor | None = decode_picture(parts.codec, parts.mapper, assembled, parts.device)
            reason = None
        except SdrJsccError as error:
            header = assembled.header
            pixels = picture_instead(error, width=header.width, height=header.height)
            reason = str(error)
            self.refusals.add(reason)
        return ReceivedPicture(assembled, pixels, reason, 1e3 * (time.perf_counter() - began))


@torch.inference_mode()
def demap_symbols(
    mapper: Mapper, symbols: Tensor, noise_var: Tensor, mode: int = 0, device: torch.device | str = "cpu"
) -> Tensor:
    """The payload's estimate of one transmission, a batch of one, on ``device``.

    Args:
        mapper: bound to the codec.
        symbols: complex64 ``[k]``.
        noise_var: float32 ``[k]``, infinite where lost.
        mode: of the header.
        device: where the codec is.
    """
    return mapper.demap(symbols.unsqueeze(0).to(device), noise_var.unsqueeze(0).to(device), mode)


@torch.inference_mode()
def decode_payload(
    codec: Codec, payload_hat: Tensor, noise_var: Tensor, plan: Plan, *, width: int, height: int
) -> Tensor:
    """The picture of a payload's estimate.

    Args:
        codec: the link's.
        payload_hat: a batch of one, on the codec's device.
        noise_var: float32 ``[k]``, infinite where lost.
        plan: what was sent.
        width, height: of the picture, px.

    Returns:
        uint8 ``[3, H, W]`` on the CPU, cropped to the picture's size.

    Raises:
        Undecodable: the codec can make no picture of it.
    """
    images = codec.decode(payload_hat, noise_var.unsqueeze(0).to(payload_hat.device), plan)
    return to_uint8(crop(images, width, height))[0].cpu()


def decode_picture(
    codec: Codec, mapper: Mapper, assembled: Assembled, device: torch.device | str = "cpu"
) -> Tensor:
    """Demap and decode a transmission with a codec that is on ``device``.

    Returns:
        uint8 ``[3, H, W]`` on the CPU, cropped to the header's size.

    Raises:
        Undecodable: the codec can make no picture of it.
    """
    header, noise_var = assembled.header, assembled.noise_var
    payload_hat = demap_symbols(mapper, assembled.symbols, noise_var, header.mode, device)
    return decode_payload(
        codec, payload_hat, noise_var, assembled.plan, width=header.width, height=header.height
    )


def picture_instead(error: SdrJsccError, *, width: int, height: int) -> Tensor | None:
    """What a codec shows in place of a picture that it could not decode, uint8 ``[3, H, W]``."""
    fallback = error.fallback if isinstance(error, Undecodable) else None
    return None if fallback is None else to_uint8(crop(fallback, width, height))[0].cpu()


def _limits(parts: Parts, sample_rate_hz: float) -> Limits:
    """What is accepted; silence begins at the end of a frame, and time is told by their beginnings."""
    limits = parts.config.receiver
    return Limits(
        timeout_samples=round(limits.timeout_s * sample_rate_hz) + parts.waveform.frame_samples,
        max_side=limits.max_side,
        max_open=limits.max_open,
    )
