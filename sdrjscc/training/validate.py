"""Validation pictures, and PSNR over the recipe's channel."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs.base import Codec
from sdrjscc.images.datasets import centre_crop
from sdrjscc.mapping._adaptation import mode_at
from sdrjscc.mapping.base import Mapper, modulation_orders
from sdrjscc.randomness import derived_generator
from sdrjscc.training.passes import symbol_level
from sdrjscc.training.recipe import Run
from sdrjscc.units import to_db

CROP_PX = 256
_PIXELS = 32 * CROP_PX**2
_PICTURES = 512
_BATCH_PIXELS = CROP_PX**2


def validation_batches(paths: Sequence[Path], multiple: int) -> list[Tensor]:
    """Centre crops of the first pictures, of equal size in a batch: ``[B, 3, h, w]`` in [0, 1].

    As many as 32 crops of 256x256 have pixels, at most 512.
    """
    batches: list[Tensor] = []
    pixels = 0
    for path in paths[:_PICTURES]:
        crop = centre_crop(path, CROP_PX, multiple).unsqueeze(0)
        if pixels + crop[0, 0].numel() > _PIXELS:
            break
        pixels += crop[0, 0].numel()
        last = batches[-1] if batches else None
        if last is not None and _fits(last, crop):
            batches[-1] = torch.cat([last, crop])
        else:
            batches.append(crop)
    return batches


def _fits(batch: Tensor, crop: Tensor) -> bool:
    pixels = (len(batch) + 1) * crop[0, 0].numel()
    return batch.shape[1:] == crop.shape[1:] and pixels <= _BATCH_PIXELS


def validation_mode(mapper: Mapper, codec: object, run: Run, snr_db: float) -> int:
    """The mode that a run is validated in at an SNR: the nearest trained one to what it asks for."""
    trained = sorted({mode for phase in run.phases for mode in phase.modes})
    if not run.snr_by_mode:
        return trained[0]
    asked = mode_at(modulation_orders(mapper, codec), snr_db)
    return min(trained, key=lambda mode: abs(mode - asked))


@torch.no_grad()
def validation_psnr_db(
    codec: Codec, mapper: Mapper, channel: SymbolChannel, batches: Sequence[Tensor], snr_db: float, mode: int
) -> float:
    """Mean over pictures of the PSNR in dB; noise is the same at every call.

    Args:
        codec, mapper, channel: the link without its physical layer.
        batches: on the codec's device.
        snr_db: SNR per complex symbol.
        mode: header mode.
    """
    levels: list[float] = []
    for index, images in enumerate(batches):
        generator = derived_generator("validation", index)
        snr = torch.full((len(images),), snr_db, device=images.device)
        decoded = symbol_level(codec, mapper, channel, images, snr, generator, mode=mode).images
        errors = (decoded.clamp(0, 1) - images).square().mean((1, 2, 3))
        levels += [-to_db(float(error)) for error in errors]
    return sum(levels) / len(levels)
