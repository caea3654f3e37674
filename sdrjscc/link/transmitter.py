"""From a picture to samples: encode, map, packetise, frame."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.framing.packetise import packet_count, packetise
from sdrjscc.images.io import MAX_SIDE, to_float
from sdrjscc.images.padding import pad_to_multiple
from sdrjscc.mapping.base import Mapper
from sdrjscc.payload import Plan
from sdrjscc.waveform.base import Waveform

_FRAMES_AT_ONCE = 16
_IDS = 256


@dataclass(frozen=True)
class Transmission:
    """One picture on its way, with what a receiver's result is measured against.

    Attributes:
        nonce, id: sender nonce and transmission id of its headers.
        width, height: of the picture, px.
        plan: what the codec sends for the padded picture.
        symbols: complex64 ``[k]``, unit mean power, before packetising.
        samples: complex64 ``[n]``, all frames back to back.
        packets: number of frames.
        encode_ms: time of codec and mapper.
    """

    nonce: int
    id: int
    width: int
    height: int
    plan: Plan
    symbols: Tensor
    samples: Tensor
    packets: int
    encode_ms: float


def plan_picture(codec: Codec, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
    """The codec's plan for a picture of any size, padded to the codec's multiple."""
    multiple = codec.multiple
    return codec.plan(-(-width // multiple) * multiple, -(-height // multiple) * multiple, mode, prefix)


class Transmitter:
    """Turns pictures into samples; numbers transmissions under one sender nonce."""

    def __init__(
        self,
        codec: Codec,
        mapper: Mapper,
        waveform: Waveform,
        *,
        digest: int,
        nonce: int,
        mode: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up a sender.

        Args:
            codec, mapper, waveform: the link's parts.
            digest: 16-bit digest of the link's configuration.
            nonce: 8-bit number that tells senders apart, random per start.
            mode: modulation order index or MCS of the header; 0 for analog.
            device: where the codec is.
        """
        self._device = torch.device(device)
        self._codec, self._mapper, self._waveform = codec, mapper, waveform
        self._digest, self._nonce, self._mode, self._next_id = digest, nonce, mode, 0

    @torch.inference_mode()
    def transmit(self, pixels: Tensor, *, more: bool = False) -> Transmission:
        """Encode and modulate one picture.

        Args:
            pixels: uint8 ``[3, H, W]``.
            more: another transmission follows at once (header flag).

        Raises:
            ImageError: not a picture's shape, or larger than a header can state.
            ConfigError: the codec does not give the symbols that it planned.
            FramingError: it takes more packets than a header can number.
        """
        _check_pixels(pixels)
        height, width = pixels.shape[1:]
        began = time.perf_counter()
        plan = plan_picture(self._codec, width, height, self._mode)
        packets = packet_count(plan.symbols, self._waveform.payload_symbols)
        symbols = self._encode(pixels, plan)
        encode_ms = 1e3 * (time.perf_counter() - began)
        headers = self._headers(packets, width, height, more)
        samples = self._modulate(headers, packetise(symbols, self._waveform.payload_symbols))
        sent = Transmission(
            self._nonce, self._next_id, width, height, plan, symbols, samples, packets, encode_ms
        )
        self._next_id = (self._next_id + 1) % _IDS
        return sent

    def _encode(self, pixels: Tensor, plan: Plan) -> Tensor:
        images = to_float(pad_to_multiple(pixels.to(self._device).unsqueeze(0), self._codec.multiple))
        symbols = self._mapper.map(self._codec.encode(images, plan), self._mode)[0].cpu()
        if symbols.shape != (plan.symbols,):
            raise ConfigError(
                f"the codec must give the {plan.symbols} symbols that it planned (got {symbols.numel()})"
            )
        return symbols

    def _headers(self, packets: int, width: int, height: int, more: bool) -> list[Header]:
        return [
            Header(
                digest=self._digest,
                nonce=self._nonce,
                transmission=self._next_id,
                packet=packet,
                packets=packets,
                mode=self._mode,
                prefix=0,
                more=more,
                width=width,
                height=height,
            )
            for packet in range(packets)
        ]

    def _modulate(self, headers: list[Header], packets: Tensor) -> Tensor:
        frames = [
            self._waveform.modulate(
                encode_headers(headers[first : first + _FRAMES_AT_ONCE]),
                packets[first : first + _FRAMES_AT_ONCE],
            )
            for first in range(0, len(headers), _FRAMES_AT_ONCE)
        ]
        return torch.cat(frames).flatten()


def _check_pixels(pixels: Tensor) -> None:
    if pixels.ndim != 3 or pixels.shape[0] != 3 or pixels.dtype != torch.uint8 or pixels.numel() == 0:
        raise ImageError(
            f"a picture must be a uint8 tensor [3, height, width] (got {pixels.dtype} {tuple(pixels.shape)})"
        )
    if max(pixels.shape) > MAX_SIDE:
        raise ImageError(
            f"picture sides must be at most {MAX_SIDE} pixels (got {pixels.shape[2]}x{pixels.shape[1]})"
        )
