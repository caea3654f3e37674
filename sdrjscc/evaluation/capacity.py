"""What a picture coder reaches behind a perfect channel code: the bound of separate coding.

At symbol level k complex symbols carry k log2(1 + SNR) bits. Over a link the frames are those that the
codecs fill too, with the same preamble, header, pilots and prefix, at equal airtime: their payload
symbols alone carry bits, as many as a perfect code could take from what the receiver hands up, its
equalised symbols ``y`` each with the noise variance ``v`` that the receiver believes. That is the
generalised mutual information of Gaussian symbols with the metric ``|y - x|^2 / v``, summed over all
payload symbols, those that a codec leaves to copies included:

    log2(1 + 1 / v) + (|y|^2 / (1 + v) - |y - x|^2 / v) / ln 2,

with the symbols ``x`` that were sent, and all variances of a packet raised by the one factor that gives
most, as a receiver may believe too much. It is log2(1 + SNR) where the variances are right. Lost symbols
carry nothing.
Source: A. Lapidoth and S. Shamai, "Fading channels: how perfect need 'perfect side information' be?",
IEEE Trans. Inf. Theory 48 (2002).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sdrjscc.codecs._source_coders import CODERS, SourceCoder, encode_within
from sdrjscc.errors import ImageError
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour
from sdrjscc.framing.packetise import packetise
from sdrjscc.images.io import Picture, to_float, to_uint8
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.link.receiver import Packet
from sdrjscc.linkfile import Table
from sdrjscc.units import from_db, to_db

_RAISED = 10.0 ** (torch.arange(31, dtype=torch.float64) / 10.0)  # 0 to 30 dB


def capacity_bytes(symbols: int, snr_db: float) -> int:
    """Whole bytes that complex symbols carry at the capacity of white noise, log2(1 + SNR) bits each."""
    return math.floor(symbols * math.log2(1.0 + from_db(snr_db)) / 8)


def delivered_bits(packets: Sequence[Packet], sent: Tensor, payload_symbols: int) -> float:
    """Bits that a perfect code could take from the packets of one transmission; see the module.

    Args:
        packets: those that arrived.
        sent: complex64 ``[k]``, the symbols that were sent.
        payload_symbols: of one packet.
    """
    references = packetise(sent, payload_symbols)
    return sum(
        symbol_bits(packet.symbols, packet.noise_var, references[packet.header.packet]) for packet in packets
    )


def effective_snr_db(bits: float) -> float:
    """The SNR in dB at which white noise leaves a symbol so many bits, ``log2(1 + SNR)``; -inf for none.

    No scheme holds that needs more in white noise.
    """
    return to_db(2.0**bits - 1.0)


def symbol_bits(received: Tensor, noise_var: Tensor, sent: Tensor) -> float:
    """The sum of the module's formula for one packet.

    Args:
        received: complex64 ``[n]``, equalised.
        noise_var: float32 ``[n]``, infinite where lost.
        sent: complex64 ``[n]``, unit mean power.
    """
    there = torch.isfinite(noise_var)
    y, x = (one[there].to(torch.complex128) for one in (received, sent))
    v = noise_var[there].double() * _RAISED.unsqueeze(1)
    metric = y.abs().square() / (1.0 + v) - (y - x).abs().square() / v
    return max(0.0, float((torch.log2(1.0 + 1.0 / v) + metric / math.log(2.0)).sum(dim=1).max()))


def code_within(table: Table, multiple: int, picture: Picture, budget: int, symbols: int) -> Delivered:
    """A picture coded into so many bytes, of which none is lost.

    Args:
        table: of codec separation: its ``variant`` is the picture coder, ``speed`` that coder's.
        multiple: sides are padded to it.
        picture: to send.
        budget: bytes.
        symbols: k, for the record.
    """
    coder, speed = CODERS[str(table["variant"])], table["speed"]
    assert isinstance(speed, int)
    pixels = to_uint8(pad_to_multiple(to_float(picture.pixels).unsqueeze(0), multiple))[0]
    try:
        decoded = _coded(coder, pixels, budget, speed)
    except ImageError as error:
        return Delivered(mean_colour(picture), symbols, str(error))
    return Delivered(crop(decoded.unsqueeze(0), picture.width, picture.height)[0], symbols)


def _coded(coder: SourceCoder, pixels: Tensor, budget: int, speed: int) -> Tensor:
    return coder.decode(encode_within(coder, pixels, budget, speed), pixels.shape[-1], pixels.shape[-2])
