"""Channel coding of the separation baseline: bytes and a payload header to coded bits, and back.

```
payload header ── CRC-16 ── LDPC, a third of the data's rate ───┐
bytes ── segments ── CRC-24 each ── LDPC, rate-matched ─────────┴── scrambled ── bits of k symbols
```
The codes are those of 5G-NR (3GPP TS 38.212, clauses 5.2.2 and 5.3.2); that a segment's length is
given by the symbols it fills, so that all k are used, is our own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from sdrjscc.codecs._mcs import Mcs
from sdrjscc.coding.crc import crc16, crc24a
from sdrjscc.coding.ldpc import LdpcCode
from sdrjscc.coding.lfsr import gold_sequence

_LENGTH_BITS, _CODER_BITS, _COLOUR_BITS, _HEADER_CRC_BITS = 22, 2, 24, 16
_HEADER_BITS = _LENGTH_BITS + _CODER_BITS + _COLOUR_BITS + _HEADER_CRC_BITS
_HEADER_REDUNDANCY = 3
"""Times the data's: with it less than one header in a hundred is lost at 3 dB below the segments' SNR."""
_CRC_BITS = 24
_LONGEST, _LONGEST_LOW_RATE, _LOW_RATE = 8448, 3840, 0.25
_SCRAMBLING = 0x5E9A
_AT_ONCE = 32
"""Segments decoded before their checks are looked at: after a lost one the others need not be."""

MAX_BYTES = (1 << _LENGTH_BITS) - 1


@dataclass(frozen=True)
class PayloadHeader:
    """What a receiver must know of the bytes, and the colour to show if they are lost.

    Attributes:
        length: bytes, at most ``MAX_BYTES``.
        coder: number of the picture coder, 0 to 3.
        colour: mean red, green and blue of the picture, 0 to 255.
    """

    length: int
    coder: int
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    """How the symbols of a transmission are shared out.

    Attributes:
        mcs: modulation and nominal rate.
        header_bits: coded bits of the payload header.
        segments: coded bits of each segment; empty where there is no room for data.
        info_bits: of every segment, its CRC included.
    """

    mcs: Mcs
    header_bits: int
    segments: tuple[int, ...]
    info_bits: int

    @property
    def coded_bits(self) -> int:
        """Of the header and all segments."""
        return self.header_bits + sum(self.segments)

    @property
    def capacity(self) -> int:
        """The most bytes it carries."""
        return min(MAX_BYTES, len(self.segments) * (self.info_bits - _CRC_BITS) // 8)


@lru_cache(maxsize=64)
def layout(symbols: int, mcs: Mcs) -> Layout:
    """Share out ``symbols`` channel symbols: the header, then segments as equal as can be."""
    header_symbols = _header_symbols(mcs)
    left = symbols - header_symbols
    longest = _LONGEST_LOW_RATE if mcs.rate <= _LOW_RATE else _LONGEST
    count = -(-max(left, 0) * mcs.bits * mcs.rate // longest)
    info_bits = left // count * mcs.bits * mcs.rate // 8 * 8 if count else 0
    if info_bits <= _CRC_BITS:
        return Layout(mcs, header_symbols * mcs.bits, (), 0)
    shorter, longer = left // count, left % count
    segments = [(shorter + (i < longer)) * mcs.bits for i in range(count)]
    return Layout(mcs, header_symbols * mcs.bits, tuple(segments), int(info_bits))


def _header_symbols(mcs: Mcs) -> int:
    return int(-(-_HEADER_BITS * _HEADER_REDUNDANCY / mcs.rate // mcs.bits))


def encode(header: PayloadHeader, data: bytes, plan: Layout) -> Tensor:
    """Coded, scrambled bits, uint8 ``[plan.coded_bits]``.

    Args:
        header: with the length of ``data``.
        data: at most ``plan.capacity`` bytes.
        plan: of the transmission.
    """
    padded = data.ljust(len(plan.segments) * (plan.info_bits - _CRC_BITS) // 8, b"\0")
    words = _bits(padded).reshape(len(plan.segments), -1)
    words = torch.cat([words, _check(words)], dim=1)
    parts = [_header_code(plan).encode(_header_word(header)).flatten()]
    for coded_bits, rows in _groups(plan):
        parts.append(_code(plan.info_bits, coded_bits, plan.mcs.bits).encode(words[rows]).flatten())
    coded = torch.cat(parts)
    return coded ^ gold_sequence(_SCRAMBLING, len(coded))


def decode(llr: Tensor, plan: Layout) -> tuple[PayloadHeader | None, bytes | None]:
    """Header and data of a transmission, each ``None`` where lost.

    Args:
        llr: log-likelihood ratios ``[plan.coded_bits]``, positive for bit 0; anything.
        plan: of the transmission.

    Returns:
        Data is given only with its header, and only if the CRC of every segment holds.
    """
    signs = 1.0 - 2.0 * gold_sequence(_SCRAMBLING, len(llr)).to(torch.float32)
    soft = llr.to("cpu", torch.float32) * signs
    word, parity_ok = _header_code(plan).decode(soft[None, : plan.header_bits])
    header = _read_header(word[0]) if bool(parity_ok[0]) else None
    if header is None or header.length > plan.capacity:
        return header, None
    at, words = plan.header_bits, []
    for coded_bits, rows in _groups(plan):
        count = rows.stop - rows.start
        received = soft[at : at + count * coded_bits].reshape(count, coded_bits)
        at += count * coded_bits
        found = _segments(received, _code(plan.info_bits, coded_bits, plan.mcs.bits))
        if found is None:
            return header, None
        words.append(found)
    return header, _bytes(torch.cat(words).flatten())[: header.length] if words else b""


def _segments(received: Tensor, code: LdpcCode) -> Tensor | None:
    """Bits of segments without their CRC, ``None`` if one does not hold."""
    words = []
    for first in range(0, len(received), _AT_ONCE):
        # not asked whether all parity holds: a bit of the last rows may stay wrong and do no harm
        bits, _ = code.decode(received[first : first + _AT_ONCE])
        data, check = bits[:, :-_CRC_BITS], bits[:, -_CRC_BITS:]
        if not torch.equal(_check(data), check):
            return None
        words.append(data)
    return torch.cat(words)


def _check(words: Tensor) -> Tensor:
    """CRC-24, inverted: the zeros that nothing at all decodes to must not pass."""
    return crc24a(words) ^ 1


def _groups(plan: Layout) -> Iterator[tuple[int, slice]]:
    """Segments of equal length, one after another: their coded bits, and which they are."""
    at = 0
    for coded_bits, group in groupby(plan.segments):
        count = len(list(group))
        yield coded_bits, slice(at, at + count)
        at += count


@lru_cache(maxsize=64)
def _code(info_bits: int, coded_bits: int, bits_per_symbol: int) -> LdpcCode:
    return LdpcCode(info_bits, coded_bits, modulation_order=bits_per_symbol)


def _header_code(plan: Layout) -> LdpcCode:
    return _code(_HEADER_BITS, plan.header_bits, plan.mcs.bits)


def _header_word(header: PayloadHeader) -> Tensor:
    red, green, blue = header.colour
    value = header.length << _CODER_BITS | header.coder
    number = value << _COLOUR_BITS | red << 16 | green << 8 | blue
    fields = _bits(number.to_bytes((_HEADER_BITS - _HEADER_CRC_BITS) // 8, "big"))[None]
    return torch.cat([fields, crc16(fields)], dim=1)


def _read_header(word: Tensor) -> PayloadHeader | None:
    fields, check = word[:-_HEADER_CRC_BITS], word[-_HEADER_CRC_BITS:]
    if not torch.equal(crc16(fields), check):
        return None
    number = int.from_bytes(_bytes(fields), "big")
    colour = number >> 16 & 255, number >> 8 & 255, number & 255
    value = number >> _COLOUR_BITS
    return PayloadHeader(value >> _CODER_BITS, value & ((1 << _CODER_BITS) - 1), colour)


def _bits(data: bytes) -> Tensor:
    """Bits of bytes, most significant first, uint8 ``[8 n]``."""
    values = (
        torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
    )
    return ((values.unsqueeze(-1) >> torch.arange(7, -1, -1, dtype=torch.uint8)) & 1).flatten()


def _bytes(bits: Tensor) -> bytes:
    weights = 1 << torch.arange(7, -1, -1)
    return bytes((bits.reshape(-1, 8).long() * weights).sum(-1).tolist())
