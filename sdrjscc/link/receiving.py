"""The receiving end: samples in, pictures out. Every way to receive goes through here."""

import logging
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import Undecodable
from sdrjscc.framing.header import Header
from sdrjscc.images.io import to_uint8
from sdrjscc.images.padding import crop
from sdrjscc.link.assemble import Assembled, Assembler, Limits
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiver import Receiver
from sdrjscc.link.transmitter import plan_picture
from sdrjscc.mapping.base import Mapper
from sdrjscc.payload import Plan
from sdrjscc.radio.base import Radio

_log = logging.getLogger("sdrjscc.link")


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


class ReceivingEnd:
    """Receiver, reassembler and decoder of one link."""

    def __init__(self, parts: Parts, radio: Radio, sender_clock_ppm: float) -> None:
        """Build the receiving end.

        Args:
            parts: the link's codec, mapper and waveform.
            radio: where the samples come from (its rate, carrier, clock and antennas).
            sender_clock_ppm: accuracy of the other end's clock.

        Raises:
            ConfigError: the sample rate leaves no room for the clocks' offset.
        """
        self._codec, self._mapper = parts.codec, parts.mapper
        self.receiver = Receiver(
            parts.waveform,
            sample_rate_hz=radio.sample_rate_hz,
            clock_ppm=(radio.clock_ppm + sender_clock_ppm) / 2,
            center_frequency_hz=radio.center_frequency_hz,
            antennas=radio.antennas,
            digest=parts.digest,
        )
        limits = parts.config.receiver
        self.assembler = Assembler(
            self._plan,
            parts.waveform.payload_symbols,
            Limits(
                timeout_samples=round(limits.timeout_s * radio.sample_rate_hz),
                max_side=limits.max_side,
                max_open=limits.max_open,
            ),
        )

    def push(self, samples: Tensor, *, dropped: int = 0) -> list[ReceivedPicture]:
        """Take samples ``[antennas, n]``; return the pictures they completed.

        Args:
            samples: complex64, full scale 1.0; NaN and infinite ones count as dropped.
            dropped: samples lost before these.
        """
        packets = self.receiver.push(samples, dropped=dropped)
        assembled = [one for packet in packets for one in self.assembler.push(packet)]
        assembled += self.assembler.advance(self.receiver.position)
        return [self._decode(one) for one in assembled]

    def flush(self) -> list[ReceivedPicture]:
        """End of the stream: return what is left, incomplete pictures included."""
        assembled = [one for packet in self.receiver.flush() for one in self.assembler.push(packet)]
        return [self._decode(one) for one in assembled + self.assembler.flush()]

    def _plan(self, header: Header) -> Plan:
        return plan_picture(self._codec, header.width, header.height, header.mode, header.prefix)

    @torch.inference_mode()
    def _decode(self, assembled: Assembled) -> ReceivedPicture:
        began = time.perf_counter()
        try:
            pixels, reason = decode_picture(self._codec, self._mapper, assembled), None
        except Undecodable as error:
            pixels, reason = None, str(error)
            _log.warning("transmission %d: %s", assembled.header.transmission, error)
        return ReceivedPicture(assembled, pixels, reason, 1e3 * (time.perf_counter() - began))


def decode_picture(codec: Codec, mapper: Mapper, assembled: Assembled) -> Tensor:
    """Demap and decode a transmission.

    Returns:
        uint8 ``[3, H, W]``, cropped to the header's size.

    Raises:
        Undecodable: the codec can make no picture of it.
    """
    header = assembled.header
    symbols, noise_var = assembled.symbols.unsqueeze(0), assembled.noise_var.unsqueeze(0)
    payload_hat = mapper.demap(symbols, noise_var, header.mode)
    images = codec.decode(payload_hat, noise_var, assembled.plan)
    return to_uint8(crop(images, header.width, header.height))[0]
