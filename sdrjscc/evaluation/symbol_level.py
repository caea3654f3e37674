"""Quality of a codec over a symbol-level channel, without the physical layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs.base import Codec
from sdrjscc.errors import ImageError, Undecodable
from sdrjscc.images.io import Picture, to_float, to_uint8
from sdrjscc.images.metrics import Metric, psnr_db, ssim
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.link.parts import mode_at_snr
from sdrjscc.mapping.base import Mapper, bind, transmit
from sdrjscc.payload import Plan
from sdrjscc.randomness import derived_generator

Encode = Callable[[Tensor, Plan], Tensor]
"""A codec's ``encode``."""

CARD_SNR_DB = (1.0, 4.0, 7.0, 10.0, 13.0, 19.0)


@dataclass(frozen=True)
class Quality:
    """One picture at one SNR."""

    image: str
    snr_db: float
    psnr_db: Metric
    ssim: Metric


@dataclass(frozen=True)
class Delivered:
    """What a viewer sees of one picture.

    Attributes:
        pixels: uint8 ``[3, H, W]``; where nothing could be decoded the codec's fallback, else the
            mean colour of what was sent.
        symbols: k, that the picture took.
        failure: why it could not be sent or decoded; ``None`` if it was.
    """

    pixels: Tensor
    symbols: int
    failure: str | None = None


def _unheard(pixels: int) -> None:
    pass


@torch.inference_mode()
def send_picture(
    codec: Codec,
    mapper: Mapper,
    channel: SymbolChannel,
    picture: Picture,
    snr_db: float,
    generator: torch.Generator,
    *,
    mode: int = 0,
    encode: Encode | None = None,
) -> Delivered:
    """Send one picture and decode it; a failure to encode or decode is a result, not an error.

    Args:
        codec, mapper, channel: the link without its physical layer.
        picture: of any size; padded for the codec and cropped back.
        snr_db: SNR per complex symbol.
        generator: of the channel's noise and fading.
        mode: modulation order's number.
        encode: in place of the codec's own, which it must equal: one that remembers, for instance.
    """
    images = pad_to_multiple(to_float(picture.pixels).unsqueeze(0), codec.multiple)
    plan = codec.plan(images.shape[-1], images.shape[-2], mode)

    def send(symbols: Tensor) -> tuple[Tensor, Tensor]:
        return channel.apply(symbols, torch.tensor([snr_db]), generator)

    try:
        payload = (encode or codec.encode)(images, plan)
        passed = transmit(bind(mapper, codec), payload, send, mode)
        received = codec.decode(passed.payload_hat, passed.noise_var, plan)
    except Undecodable as error:
        if error.fallback is None:
            return Delivered(mean_colour(picture), plan.symbols, str(error))
        return Delivered(_cut(error.fallback, picture), plan.symbols, str(error))
    except ImageError as error:  # it does not fit into its symbols
        return Delivered(mean_colour(picture), plan.symbols, str(error))
    return Delivered(_cut(received, picture), plan.symbols)


def mean_colour(picture: Picture) -> Tensor:
    """What counts as received where nothing was: uint8 ``[3, H, W]``, all pixels alike."""
    mean = picture.pixels.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    return mean.expand_as(picture.pixels).contiguous()


def _cut(images: Tensor, picture: Picture) -> Tensor:
    return to_uint8(crop(images, picture.width, picture.height))[0]


def evaluate(
    codec: Codec,
    mapper: Mapper,
    channel: SymbolChannel,
    pictures: Sequence[Picture],
    snr_db: Sequence[float] = CARD_SNR_DB,
    *,
    seed: int = 0,
    report: Callable[[int], None] = _unheard,
) -> list[Quality]:
    """Send every picture at every SNR; pictures are rounded to 8 bits as a viewer sees them.

    What cannot be decoded counts as :attr:`Delivered.pixels` says.

    Args:
        codec, mapper, channel: the link without its physical layer.
        pictures: of any size; padded for the codec and cropped back.
        snr_db: SNR per complex symbol; it decides the modulation order where there are several.
        seed: of the noise; each (picture, SNR) has a stream of its own.
        report: called with a picture's pixels each time that it was sent.
    """
    rows, bound = [], bind(mapper, codec)
    for picture in pictures:
        for level in snr_db:
            generator = derived_generator("symbol level", seed, picture.name, str(level))
            mode = mode_at_snr(codec, bound, level)
            pixels = send_picture(codec, mapper, channel, picture, level, generator, mode=mode).pixels
            levels = psnr_db(picture.pixels, pixels), ssim(picture.pixels, pixels)
            rows.append(Quality(picture.name, level, *levels))
            report(picture.width * picture.height)
    return rows


def mean_by_snr(rows: Sequence[Quality], metric: str) -> dict[str, float]:
    """Mean of a metric over pictures for each SNR, where it is defined, keyed by the SNR in dB."""
    means = {}
    for level in sorted({row.snr_db for row in rows}):
        found = [getattr(row, metric).value for row in rows if row.snr_db == level]
        values = [value for value in found if value is not None]
        if values:
            means[f"{level:g}"] = round(sum(values) / len(values), 4)
    return means


def centre_square(picture: Picture, side: int) -> Picture:
    """The centre of a picture, at most ``side`` px a side."""
    height, width = min(side, picture.height), min(side, picture.width)
    top, left = (picture.height - height) // 2, (picture.width - width) // 2
    return Picture(picture.pixels[:, top : top + height, left : left + width], picture.name, picture.notes)
