"""The picture coders of the separation baseline, each with a number that its payload header states."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from sdrjscc.errors import ImageError
from sdrjscc.images.avif import PARTS as AVIF_PARTS
from sdrjscc.images.avif import STEPS as AVIF_STEPS
from sdrjscc.images.avif import decode_avif, encode_avif, from_pillow
from sdrjscc.images.bpg import STEPS as BPG_STEPS
from sdrjscc.images.bpg import decode_bpg, encode_bpg
from sdrjscc.images.budget import SizeLaw, fill_budget, fill_budget_finely, law_near
from sdrjscc.images.io import to_pillow

_JPEG_STEPS = 95
_THOROUGH_SPEED, _PILOT_SPEED = 4, 6
"""Up to the first, budgets are filled with parts of a step too: 0.1 dB. The second, 6 times as fast as
speed 4, gives sizes within a few per cent of its: a search at it first saves slow encodes."""


@dataclass(frozen=True)
class SourceCoder:
    """A picture coder.

    Attributes:
        number: what a payload header calls it, 0 to 3.
        encode: uint8 ``[3, H, W]``, quality step (whole, or of ``parts``) and speed to bytes.
        decode: bytes, width and height to uint8 ``[3, H, W]``.
        steps: quality steps.
        law: its usual bytes for a picture of 65,536 pixels.
        parts: of a step, that it can take.
    """

    number: int
    encode: Callable[[Tensor, float, int], bytes]
    decode: Callable[[bytes, int, int], Tensor]
    steps: int
    law: SizeLaw
    parts: int = 1


def encode_within(coder: SourceCoder, pixels: Tensor, budget: int, speed: int) -> bytes:
    """The best that fits into ``budget`` bytes; at slow speeds (4 and below) the search is finer too.

    Raises:
        ImageError: nothing does, or the coder fails.
    """
    law = SizeLaw(coder.law.first + math.log(pixels[0].numel() / 65536), coder.law.slope)

    def encode(step: float) -> bytes:
        return coder.encode(pixels, step, speed)

    if coder.parts == 1 or speed > _THOROUGH_SPEED:
        return fill_budget(encode, coder.steps, budget, law)
    near = law_near(lambda step: coder.encode(pixels, step, _PILOT_SPEED), coder.steps, budget, law)
    return fill_budget_finely(encode, coder.steps, budget, near, coder.parts)


def _encode_bpg(pixels: Tensor, step: float, speed: int) -> bytes:
    return encode_bpg(pixels, int(step))


def _encode_jpeg(pixels: Tensor, step: float, speed: int) -> bytes:
    file = io.BytesIO()
    to_pillow(pixels).save(file, "JPEG", quality=int(step) + 1, optimize=True)
    return file.getvalue()


def _decode_jpeg(payload: bytes, width: int, height: int) -> Tensor:
    try:
        with Image.open(io.BytesIO(payload), formats=["JPEG"]) as image:
            size = image.size
            rgb = image.convert("RGB") if size == (width, height) else None  # first, nothing is decoded
    except Exception as error:  # what comes from the air may be anything
        raise ImageError(f"payload must be an undamaged JPEG picture (got {type(error).__name__})") from error
    if rgb is None:
        raise ImageError(f"payload must be a picture of {width}x{height} px (got {size[0]}x{size[1]})")
    return from_pillow(rgb)


CODERS = {
    "avif": SourceCoder(0, encode_avif, decode_avif, AVIF_STEPS, SizeLaw(6.4, 0.060), AVIF_PARTS),
    "jpeg": SourceCoder(1, _encode_jpeg, _decode_jpeg, _JPEG_STEPS, SizeLaw(7.4, 0.030)),
    "bpg": SourceCoder(2, _encode_bpg, decode_bpg, BPG_STEPS, SizeLaw(5.8, 0.100)),
}
