"""What a picture coder reaches behind a perfect channel code: the bound of separate coding."""

import math

from torch import Tensor

from sdrjscc.codecs._source_coders import CODERS, SourceCoder, encode_within
from sdrjscc.errors import ImageError
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour
from sdrjscc.images.io import Picture, to_float, to_uint8
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.units import from_db


def capacity_bytes(symbols: int, snr_db: float) -> int:
    """Whole bytes that complex symbols carry at the capacity of white noise, log2(1 + SNR) bits each."""
    return math.floor(symbols * math.log2(1.0 + from_db(snr_db)) / 8)


def at_capacity(
    variant: str, speed: int, multiple: int, rho: float, picture: Picture, snr_db: float
) -> Delivered:
    """Code a picture into the bytes that its symbols carry at capacity; none of them is lost.

    Args:
        variant, speed: of codec separation's picture coder.
        multiple, rho: sides are padded to this multiple; symbols a value of the padded picture.
        picture: to send.
        snr_db: that the sender knows.
    """
    pixels = to_uint8(pad_to_multiple(to_float(picture.pixels).unsqueeze(0), multiple))[0]
    symbols = max(1, math.floor(rho * pixels.numel() * (1 + 1e-12)))
    try:
        decoded = _coded(CODERS[variant], pixels, capacity_bytes(symbols, snr_db), speed)
    except ImageError as error:
        return Delivered(mean_colour(picture), symbols, str(error))
    return Delivered(crop(decoded.unsqueeze(0), picture.width, picture.height)[0], symbols)


def _coded(coder: SourceCoder, pixels: Tensor, budget: int, speed: int) -> Tensor:
    return coder.decode(encode_within(coder, pixels, budget, speed), pixels.shape[-1], pixels.shape[-2])
