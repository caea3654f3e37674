"""One picture batch through codec, mapper and symbol channel: the same for training and test."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs.base import Codec
from sdrjscc.mapping.base import Mapper, bind, transmit


@dataclass(frozen=True)
class Decoded:
    """What came out at the far end.

    Attributes:
        images: ``[B, 3, H, W]``, differentiable, not clamped.
        terms: the mapper's loss terms, scalars by name; empty for most mappers.
    """

    images: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)


def symbol_level(
    codec: Codec,
    mapper: Mapper,
    channel: SymbolChannel,
    images: Tensor,
    snr_db: Tensor,
    generator: torch.Generator,
    *,
    mode: int = 0,
    payload: Tensor | None = None,
) -> Decoded:
    """Send pictures over a symbol-level channel and decode them.

    Args:
        codec, mapper, channel: the link without its physical layer; the mapper gets the codec's
            tables as they are now.
        images: ``[B, 3, H, W]`` in [0, 1], each a transmission of its own.
        snr_db: ``[B]``, SNR per complex symbol of each transmission.
        generator: of the channel's noise and fading.
        mode: modulation order, for codecs and mappers that have several.
        payload: of these pictures in this mode, where they have been encoded already.
    """
    plan = codec.plan(images.shape[-1], images.shape[-2], mode)
    payload = codec.encode(images, plan) if payload is None else payload
    passed = transmit(
        bind(mapper, codec), payload, lambda symbols: channel.apply(symbols, snr_db, generator), mode
    )
    return Decoded(codec.decode(passed.payload_hat, passed.noise_var, plan), passed.terms)
