"""AVIF without its container: what an AV1 still picture needs on the air, and the file around it.

Pillow's encoder writes 275 bytes of boxes around two open bitstream units (OBUs): the sequence
header and the frame. Only these two are a payload; the receiver, who knows width and height,
writes the boxes anew. The colour description lies in the sequence header and travels with it.

Sources: AV1 Bitstream and Decoding Process Specification, clauses 5.3 and 5.5; ISO/IEC 14496-12
and 23008-12 for the boxes; AV1 Image File Format.
"""

import io
import math
import struct
from dataclasses import dataclass

import torch
from PIL import Image, features
from torch import Tensor

from sdrjscc.errors import ImageError
from sdrjscc.images.io import to_pillow

STEPS = 64
"""Quality steps of the encoder: its 64 quantiser levels, the coarsest is step 0."""

PARTS = 4
"""Parts of a step: AV1 has 256 levels, of which the encoder's quality reaches every fourth."""

_TUNING = {"tune": "psnr", "enable-cdef": "1"}
"""Kodak's centre crops at 1 to 5 KB: left to itself the encoder is 0.3 to 1 dB worse without the first,
0.1 dB without the second, which it leaves out of still pictures."""
# fmt: off
_QUANTISER = (
    4, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47, 51, 55, 59, 63, 67,
    71, 75, 79, 83, 87, 91, 95, 99, 104, 112, 120, 128, 136, 144, 152, 164,
    176, 188, 200, 215, 231, 247, 265, 285, 305, 329, 353, 380, 408, 440, 474, 510,
    550, 593, 639, 689, 743, 801, 864, 933, 1007, 1087, 1173, 1267, 1369, 1479, 1628, 1828,
)
# fmt: on
"""AV1's Ac_Qlookup for 8 bits at the encoder's 64 levels, the finest first."""
_RATE_LAW = 183
"""Of aom's rate control: its per cent of a frame's usual bits x quantiser / macroblocks (aom 3.14)."""
_MOST_RATE = 6000
"""Per cent: half the buffer of four seconds that its rate control has; it gives no frame more."""
_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _FRAME = 1, 2, 6
_HAS_SIZE = 0x02
_PROFILE_444 = 1


@dataclass(frozen=True)
class _Sequence:
    profile: int
    level: int
    still: bool
    width: int
    height: int


def encode_avif(pixels: Tensor, step: float, speed: int) -> bytes:
    """Encode a picture as the two OBUs of an AV1 still picture, 4:4:4, tuned for PSNR.

    Args:
        pixels: uint8 ``[3, H, W]``.
        step: quality, 0 (smallest) to ``STEPS - 1`` (lossless quantiser). One between two whole
            numbers gives a size between theirs, as far as rate control follows: not in large pictures
            at high quality (768 x 512 px: from step 53, 1920 x 1280: from 24), where it is the step
            below; and other encoders than aom 3.14 may differ.
        speed: of the encoder, 0 (slowest, best) to 10.

    Raises:
        ImageError: the installed Pillow has no AVIF, or refuses the picture.
    """
    _check_installed()
    file = io.BytesIO()
    try:
        to_pillow(pixels).save(
            file,
            "AVIF",
            codec="aom",
            quality=round(int(step) * 100 / (STEPS - 1)),
            speed=speed,
            subsampling="4:4:4",
            max_threads=1,
            autotiling=False,
            advanced=_TUNING | _between(step, pixels.shape[-1], pixels.shape[-2]),
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageError(f"picture must be one that Pillow's AVIF encoder takes (got: {error})") from error
    return strip_avif(file.getvalue())


def decode_avif(payload: bytes, width: int, height: int) -> Tensor:
    """Decode what :func:`encode_avif` gave.

    Its size is read before the decoder sees it: no payload makes it allocate another picture.

    Returns:
        uint8 ``[3, height, width]``.

    Raises:
        ImageError: the payload is no such picture, is damaged, or of another size.
    """
    _check_installed()
    file = wrap_avif(payload, width, height)
    try:
        with Image.open(io.BytesIO(file), formats=["AVIF"]) as image:
            rgb = image.convert("RGB")
    except Exception as error:  # what comes from the air may be anything
        raise ImageError(f"payload must be an undamaged AV1 picture (got {type(error).__name__})") from error
    if rgb.size != (width, height):
        raise ImageError(
            f"payload must be a picture of {width}x{height} px (got {rgb.size[0]}x{rgb.size[1]})"
        )
    return from_pillow(rgb)


def from_pillow(rgb: Image.Image) -> Tensor:
    """An RGB picture of Pillow as uint8 ``[3, H, W]``."""
    pixels = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
    return pixels.view(rgb.height, rgb.width, 3).permute(2, 0, 1)


def strip_avif(file: bytes) -> bytes:
    """The sequence header and frame OBUs of an AVIF file that Pillow wrote.

    Raises:
        ImageError: the file is built in another way.
    """
    kept = [unit for kind, unit in _units(_media_data(file)) if kind != _TEMPORAL_DELIMITER]
    payload = b"".join(kept)
    _sequence_of(payload)
    return payload


def wrap_avif(payload: bytes, width: int, height: int) -> bytes:
    """The AVIF file around two OBUs: the least boxes that a reader asks for.

    Raises:
        ImageError: it is not one 4:4:4 still picture of this size.
    """
    sequence = _sequence_of(payload)
    if (sequence.width, sequence.height) != (width, height):
        raise ImageError(
            f"payload must be a picture of {width}x{height} px (got {sequence.width}x{sequence.height})"
        )
    properties = (
        _box(b"ispe", b"\0\0\0\0", struct.pack(">II", width, height))
        + _box(b"pixi", b"\0\0\0\0", bytes([3, 8, 8, 8]))
        + _box(b"av1C", bytes([0x81, sequence.profile << 5 | sequence.level, 0, 0]))
    )
    associations = _box(b"ipma", struct.pack(">IIHB", 0, 1, 1, 3), bytes([1, 2, 0x80 | 3]))
    item = _box(b"infe", struct.pack(">IHH", 2 << 24, 1, 0), b"av01\0")
    kind = _box(b"ftyp", b"avif\0\0\0\0avifmif1miafMA1A")

    def meta(offset: int) -> bytes:
        place = struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, offset, len(payload))
        return _box(
            b"meta",
            b"\0\0\0\0",
            _box(b"hdlr", bytes(8), b"pict", bytes(13)),
            _box(b"pitm", struct.pack(">IH", 0, 1)),
            _box(b"iloc", place),
            _box(b"iinf", struct.pack(">IH", 0, 1), item),
            _box(b"iprp", _box(b"ipco", properties), associations),
        )

    before = len(kind) + len(meta(0)) + 8
    return kind + meta(before) + _box(b"mdat", payload)


def _between(step: float, width: int, height: int) -> dict[str, str]:
    """What makes the encoder take a quantiser between its levels: rate control with the bits for it.

    It chooses among all 256 of AV1, near the stated quality, from the bits and the picture's size alone.
    """
    whole = int(step)
    if step == whole:
        return {}
    coarser, finer = _QUANTISER[STEPS - 1 - whole], _QUANTISER[STEPS - 2 - whole]
    quantiser = coarser * (finer / coarser) ** (step - whole)
    macroblocks = math.ceil(width / 16) * math.ceil(height / 16)
    rate = round(_RATE_LAW * macroblocks / quantiser)
    return {"end-usage": "cbr", "max-intra-rate": str(rate)} if rate <= _MOST_RATE else {}


def _check_installed() -> None:
    if not features.check("avif"):
        raise ImageError("the installed Pillow must have AVIF, as its wheels do (this one has none)")


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _media_data(file: bytes) -> bytes:
    """Content of the ``mdat`` box."""
    at = 0
    while at + 8 <= len(file):
        size, kind = struct.unpack_from(">I4s", file, at)
        if kind == b"mdat" and size >= 8:
            return file[at + 8 : at + size]
        at += max(size, 8)
    raise ImageError("an AVIF file must have an mdat box (this one has none)")


def _sequence_of(payload: bytes) -> _Sequence:
    """The sequence header of a payload that is one 4:4:4 still picture."""
    units = _units(payload)
    kinds = [kind for kind, _ in units]
    if kinds != [_SEQUENCE_HEADER, _FRAME]:
        raise ImageError(f"an AV1 payload must be a sequence header and a frame (got OBUs of types {kinds})")
    sequence = _parse_sequence(units[0][1])
    if sequence.profile != _PROFILE_444 or not sequence.still:
        raise ImageError(
            f"an AV1 payload must be a 4:4:4 still picture, no sequence (got profile {sequence.profile})"
        )
    return sequence


def _units(data: bytes) -> list[tuple[int, bytes]]:
    """Type and bytes of each OBU, its header included; all of them must state their size."""
    units, at = [], 0
    while at < len(data):
        if data[at] & ~0x78 != _HAS_SIZE:  # forbidden bit, extension, reserved bit: none of them set
            raise ImageError(
                f"every OBU must state its size and have no extension (got header {data[at]:#x})"
            )
        size, body = _leb128(data, at + 1)
        if body + size > len(data):
            raise ImageError(f"every OBU must be whole (got {len(data) - body} of {size} bytes)")
        units.append(((data[at] >> 3) & 15, data[at : body + size]))
        at = body + size
    return units


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A little-endian base-128 number, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, at + place + 1
    raise ImageError("the size of an OBU must be stated in at most 4 bytes (it is not)")


def _parse_sequence(unit: bytes) -> _Sequence:
    """The fields up to the size; without a reduced header for still pictures they lie elsewhere."""
    _, start = _leb128(unit, 1)
    body = unit[start:]
    bits = int.from_bytes(body, "big")
    left = 8 * len(body)

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise ImageError(f"a sequence header must hold a picture's size (got {len(body)} bytes)")
        return (bits >> left) & ((1 << count) - 1)

    profile, still, reduced, level = take(3), take(1), take(1), take(5)
    width_bits, height_bits = take(4) + 1, take(4) + 1
    width, height = take(width_bits) + 1, take(height_bits) + 1
    return _Sequence(profile, level, bool(still and reduced), width, height)
