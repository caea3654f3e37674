"""The frame header: 108 bits that let any packet explain itself, as 1000 QPSK symbols.

Fields in order of transmission, most significant bit first: version 2, digest 16, nonce 8,
transmission 8, packet 13, packets 13, mode 4, prefix 3, more 1, width 12, height 12, CRC-16.
They are coded with 5G-NR LDPC base graph 2, repeated to 2000 bits, scrambled and mapped to QPSK.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sdrjscc.coding.crc import crc16
from sdrjscc.coding.ldpc import LdpcCode
from sdrjscc.coding.lfsr import gold_sequence
from sdrjscc.errors import FramingError

VERSION = 1
HEADER_SYMBOLS = 1000
MAX_PACKETS = 8191

# Name, bits and smallest value of each field, in order of transmission.
_FIELDS = (
    ("digest", 16, 0),
    ("nonce", 8, 0),
    ("transmission", 8, 0),
    ("packet", 13, 0),
    ("packets", 13, 1),
    ("mode", 4, 0),
    ("prefix", 3, 0),
    ("more", 1, 0),
    ("width", 12, 1),
    ("height", 12, 1),
)
_VERSION_BITS = 2
_FIELD_BITS = sum(bits for _, bits, _ in _FIELDS)
_MESSAGE_BITS = _VERSION_BITS + _FIELD_BITS
_INFO_BITS = _MESSAGE_BITS + 16
_CODED_BITS = 2 * HEADER_SYMBOLS
_SCRAMBLER = 0x5D0C + VERSION
_ITERATIONS = 50
_LEAST_NOISE_VAR = 1e-9
_LARGEST_LLR = 30.0


@dataclass(frozen=True)
class Header:
    """What every packet says about itself and its transmission.

    Attributes:
        digest: of the link configuration, 16 bits.
        nonce: of the sender, drawn when it starts, 8 bits.
        transmission: number of the picture, modulo 256.
        packet: index of this packet, below ``packets``.
        packets: packets of this transmission, 1 to 8191.
        mode: modulation order index, baseline MCS, or 0 for analog, 4 bits.
        prefix: rate prefix, 3 bits.
        more: whether more transmissions follow.
        width, height: of the picture in pixels, 1 to 4095.

    Raises:
        FramingError: a field does not fit.
    """

    digest: int
    nonce: int
    transmission: int
    packet: int
    packets: int
    mode: int
    prefix: int
    more: bool
    width: int
    height: int

    def __post_init__(self) -> None:
        for name, bits, least in _FIELDS:
            value = getattr(self, name)
            if not least <= value < 1 << bits:
                raise FramingError(f"header field {name} must be {least}..{(1 << bits) - 1} (got {value})")
        if self.packet >= self.packets:
            raise FramingError(f"packet must be below packets, {self.packets} (got {self.packet})")


def encode_headers(headers: list[Header]) -> Tensor:
    """Coded and modulated headers.

    Args:
        headers: B headers.

    Returns:
        complex64 ``[B, 1000]``, QPSK of unit modulus.
    """
    message = _to_bits(headers)
    coded = _code().encode(torch.cat([message, crc16(message)], dim=1))
    signs = (1.0 - 2.0 * coded.to(torch.float32)) * _scrambling()
    return torch.view_as_complex((signs * math.sqrt(0.5)).reshape(-1, HEADER_SYMBOLS, 2))


def decode_headers(symbols: Tensor, noise_var: Tensor) -> list[Header | None]:
    """Decode received headers.

    Args:
        symbols: complex64 ``[B, 1000]``, equalised to unit power.
        noise_var: float32 ``[B, 1000]``, noise variance of each symbol; infinite where lost.

    Returns:
        For each, the header, or ``None`` unless the code's parity, the CRC, the version and the
        plausibility of all fields agree.

    Raises:
        ValueError: a shape is another.
    """
    if symbols.ndim != 2 or symbols.shape[1] != HEADER_SYMBOLS or noise_var.shape != symbols.shape:
        raise ValueError(
            f"symbols and noise_var must have shape [B, {HEADER_SYMBOLS}] "
            f"(got {list(symbols.shape)} and {list(noise_var.shape)})"
        )
    bits, parity_ok = _code().decode(_log_likelihood_ratios(symbols, noise_var), _ITERATIONS)
    message, checksum = bits[:, :_MESSAGE_BITS], bits[:, _MESSAGE_BITS:]
    accepted = parity_ok & (crc16(message) == checksum).all(1)
    return [header if ok else None for header, ok in zip(_from_bits(message), accepted.tolist(), strict=True)]


def warm_up() -> None:
    """Compile the header's decoder, or load it from the disk cache, before time matters."""
    decode_headers(torch.zeros(1, HEADER_SYMBOLS, dtype=torch.complex64), torch.ones(1, HEADER_SYMBOLS))


def _log_likelihood_ratios(symbols: Tensor, noise_var: Tensor) -> Tensor:
    """Of the coded bits, float32 ``[B, 2000]``; limited, so that no symbol outweighs many others.

    A jammed carrier can be far off the constellation while its noise estimate is low: beyond two
    deviations a symbol is no more certain. What is not a finite number says nothing.
    """
    noise_var = noise_var.detach().to("cpu", torch.float32).clamp_min(_LEAST_NOISE_VAR).unsqueeze(-1)
    pairs = torch.view_as_real(symbols.detach().to("cpu", torch.complex64)).nan_to_num(0.0, 0.0, 0.0)
    limit = math.sqrt(0.5) * (1.0 + 2.0 * noise_var.sqrt())
    llr = 2.0 * math.sqrt(2.0) * torch.minimum(torch.maximum(pairs, -limit), limit) / noise_var
    llr = llr.nan_to_num(0.0).clamp(-_LARGEST_LLR, _LARGEST_LLR)
    return llr.reshape(-1, _CODED_BITS) * _scrambling()


def _to_bits(headers: list[Header]) -> Tensor:
    """Version and fields, uint8 ``[B, 92]``."""
    values = torch.tensor(
        [[VERSION, *(getattr(header, name) for name, _, _ in _FIELDS)] for header in headers],
        dtype=torch.int64,
    )
    return (values.reshape(-1, len(_FIELDS) + 1)[:, _owner()] >> _shift() & 1).to(torch.uint8)


def _from_bits(message: Tensor) -> list[Header | None]:
    """Headers of messages ``[B, 92]``; ``None`` where version or a field cannot be."""
    values = torch.zeros(len(message), len(_FIELDS) + 1, dtype=torch.int64)
    values.index_add_(1, _owner(), message.to(torch.int64) << _shift())
    return [_plausible(*row) for row in values.tolist()]


def _plausible(version: int, *values: int) -> Header | None:
    if version != VERSION:
        return None
    fields: dict[str, Any] = {name: value for (name, _, _), value in zip(_FIELDS, values, strict=True)}
    try:
        return Header(**{**fields, "more": bool(fields["more"])})
    except FramingError:
        return None


@lru_cache(maxsize=1)
def _owner() -> Tensor:
    """For each bit of a message the index of its field, the version's being 0: int64 ``[92]``."""
    with torch.inference_mode(mode=False):
        sizes = torch.tensor([_VERSION_BITS, *(bits for _, bits, _ in _FIELDS)])
        return torch.arange(len(sizes)).repeat_interleave(sizes)


@lru_cache(maxsize=1)
def _shift() -> Tensor:
    """For each bit of a message its place in its field, int64 ``[92]``."""
    with torch.inference_mode(mode=False):
        sizes = (_VERSION_BITS, *(bits for _, bits, _ in _FIELDS))
        return torch.cat([torch.arange(size - 1, -1, -1) for size in sizes])


@lru_cache(maxsize=1)
def _code() -> LdpcCode:
    return LdpcCode(_INFO_BITS, _CODED_BITS, base_graph=2, modulation_order=2)


@lru_cache(maxsize=1)
def _scrambling() -> Tensor:
    """Signs that keep the all-zero word, and any unmodulated carrier, from being a codeword."""
    return 1.0 - 2.0 * gold_sequence(_SCRAMBLER, _CODED_BITS).to(torch.float32)
