"""From a picture to samples: encode, map, packetise, frame."""

import time
from dataclasses import dataclass, replace

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
IDS = 256
"""Transmission numbers before they begin again."""


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


@dataclass(frozen=True)
class Stamp:
    """What the headers of one transmission say beside its size."""

    nonce: int
    id: int
    mode: int = 0
    prefix: int = 0


@torch.inference_mode()
def encode_payload(
    codec: Codec, pixels: Tensor, *, mode: int = 0, prefix: int = 0, device: torch.device | str = "cpu"
) -> tuple[Tensor, Plan]:
    """What a picture is to a mapper: the codec's payload of one transmission.

    Args:
        codec: the link's, on ``device``.
        pixels: uint8 ``[3, H, W]``.
        mode, prefix: of the headers.
        device: where the codec is.

    Returns:
        The payload, one transmission in its first dimension, and its plan.

    Raises:
        ImageError: not a picture's shape, or larger than a header can state.
        ConfigError: the codec has no such mode or prefix.
    """
    _check_pixels(pixels)
    height, width = pixels.shape[1:]
    plan = plan_picture(codec, width, height, mode, prefix)
    images = to_float(pad_to_multiple(pixels.to(device).unsqueeze(0), codec.multiple))
    return codec.encode(images, plan), plan


@torch.inference_mode()
def map_payload(mapper: Mapper, payload: Tensor, plan: Plan) -> Tensor:
    """Channel symbols of a payload, complex64 ``[k]`` on the CPU.

    Args:
        mapper: bound to the codec.
        payload, plan: as :func:`encode_payload` gives them.

    Raises:
        ConfigError: they are not as many symbols as were planned.
    """
    symbols = mapper.map(payload, plan.mode)[0].cpu()
    if symbols.shape != (plan.symbols,):
        raise ConfigError(
            f"the codec must give the {plan.symbols} symbols that it planned (got {symbols.numel()})"
        )
    return symbols


def encode_picture(
    codec: Codec,
    mapper: Mapper,
    waveform: Waveform,
    pixels: Tensor,
    stamp: Stamp,
    *,
    device: torch.device | str = "cpu",
) -> Transmission:
    """A picture's symbols, as a sender makes them, without samples.

    Args:
        codec, mapper, waveform: the link's parts.
        pixels: uint8 ``[3, H, W]``.
        stamp: of the headers.
        device: where the codec is.

    Raises:
        ImageError: not a picture's shape, or larger than a header can state.
        ConfigError: the codec does not give the symbols that it planned.
        FramingError: it takes more packets than a header can number.
    """
    _check_pixels(pixels)
    height, width = pixels.shape[1:]
    planned = plan_picture(codec, width, height, stamp.mode, stamp.prefix)
    packets = packet_count(planned.symbols, waveform.payload_symbols)
    began = time.perf_counter()
    payload, plan = encode_payload(codec, pixels, mode=stamp.mode, prefix=stamp.prefix, device=device)
    symbols = map_payload(mapper, payload, plan)
    encode_ms = 1e3 * (time.perf_counter() - began)
    nothing = torch.empty(0, dtype=torch.complex64)
    return Transmission(stamp.nonce, stamp.id, width, height, plan, symbols, nothing, packets, encode_ms)


class Framer:
    """Turns a transmission's symbols into the samples of its frames."""

    def __init__(self, waveform: Waveform, *, digest: int, nonce: int) -> None:
        """Set up.

        Args:
            waveform: the link's.
            digest: 16-bit digest of the link's configuration.
            nonce: 8-bit number that tells senders apart, random per start.
        """
        self._waveform, self._digest, self.nonce = waveform, digest, nonce

    @torch.inference_mode()
    def frame(self, symbols: Tensor, stamp: Stamp, width: int, height: int, *, more: bool = False) -> Tensor:
        """All frames of one transmission, back to back.

        Args:
            symbols: complex64 ``[k]``, unit mean power.
            stamp: of the headers; its nonce is not used.
            width, height: of the picture, px.
            more: another transmission follows at once.

        Returns:
            complex64 ``[n]``.

        Raises:
            FramingError: no symbols, or more packets than a header can number; a size or number that
                does not fit the header.
        """
        packets = packetise(symbols, self._waveform.payload_symbols)
        first = Header(
            digest=self._digest,
            nonce=self.nonce,
            transmission=stamp.id,
            packet=0,
            packets=len(packets),
            mode=stamp.mode,
            prefix=stamp.prefix,
            more=more,
            width=width,
            height=height,
        )
        return self._modulate([replace(first, packet=packet) for packet in range(len(packets))], packets)

    def _modulate(self, headers: list[Header], packets: Tensor) -> Tensor:
        frames = [
            self._waveform.modulate(
                encode_headers(headers[first : first + _FRAMES_AT_ONCE]),
                packets[first : first + _FRAMES_AT_ONCE],
            )
            for first in range(0, len(headers), _FRAMES_AT_ONCE)
        ]
        return torch.cat(frames).flatten()


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
        self._framer = Framer(waveform, digest=digest, nonce=nonce)
        self._mode, self._next_id = mode, 0

    @torch.inference_mode()
    def transmit(self, pixels: Tensor, *, more: bool = False, mode: int | None = None) -> Transmission:
        """Encode and modulate one picture.

        Args:
            pixels: uint8 ``[3, H, W]``.
            more: another transmission follows at once (header flag).
            mode: for this picture; ``None``: the sender's own.

        Raises:
            ImageError: not a picture's shape, or larger than a header can state.
            ConfigError: the codec does not give the symbols that it planned.
            FramingError: it takes more packets than a header can number.
        """
        stamp = Stamp(self._framer.nonce, self._next_id, self._mode if mode is None else mode)
        sent = encode_picture(self._codec, self._mapper, self._waveform, pixels, stamp, device=self._device)
        samples = self._framer.frame(sent.symbols, stamp, sent.width, sent.height, more=more)
        self._next_id = (self._next_id + 1) % IDS
        return replace(sent, samples=samples)


def _check_pixels(pixels: Tensor) -> None:
    if pixels.ndim != 3 or pixels.shape[0] != 3 or pixels.dtype != torch.uint8 or pixels.numel() == 0:
        raise ImageError(
            f"a picture must be a uint8 tensor [3, height, width] (got {pixels.dtype} {tuple(pixels.shape)})"
        )
    if max(pixels.shape) > MAX_SIDE:
        raise ImageError(
            f"picture sides must be at most {MAX_SIDE} pixels (got {pixels.shape[2]}x{pixels.shape[1]})"
        )
