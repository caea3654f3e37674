"""One picture batch through codec, mapper and symbol channel: the same for training and test."""

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs.base import Codec
from sdrjscc.mapping.base import Mapper


def symbol_level(
    codec: Codec,
    mapper: Mapper,
    channel: SymbolChannel,
    images: Tensor,
    snr_db: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Send pictures over a symbol-level channel and decode them.

    Args:
        codec, mapper, channel: the link without its physical layer.
        images: ``[B, 3, H, W]`` in [0, 1], each a transmission of its own.
        snr_db: ``[B]``, SNR per complex symbol of each transmission.
        generator: of the channel's noise and fading.

    Returns:
        Decoded pictures ``[B, 3, H, W]``, differentiable, not clamped.
    """
    plan = codec.plan(images.shape[-1], images.shape[-2])
    received, noise_var = channel.apply(mapper.map(codec.encode(images)), snr_db, generator)
    return codec.decode(mapper.demap(received, noise_var), noise_var, plan)
