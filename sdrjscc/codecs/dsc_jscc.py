"""Deep-JSCC and its depthwise separable variants, DSC-JSCC.

```
x ─ conv 3-16 /2 ─ 16-32 /2 ─ 32-32 ─ 32-32 ─ 32-c ─ latent
latent ─ tconv c-32 ─ 32-32 ─ 32-32 ─ 32-16 x2 ─ 16-3 x2 ─ x^
```
All kernels are 5x5 with a per-channel PReLU after every layer but the last of the decoder.
A variant says which of the five encoder and five decoder layers are depthwise separable
(source: "DSC-JSCC", Tables I and II; parameters and multiply-accumulates, Table III).

Settled here, where the paper is silent: latent channels 2i, 2i+1 form I and Q; and the
``linear`` output, for which images are shifted by 0.5 before the encoder and back after the
decoder (``sigmoid`` ends in a sigmoid and shifts nothing).
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sdrjscc.codecs._layers import (
    quick_layout,
    same_conv,
    same_transposed,
    separable_conv,
    separable_transposed,
)
from sdrjscc.codecs._weights import WEIGHTS_HELP, load_weights
from sdrjscc.codecs.base import LatentCodec
from sdrjscc.config import Section

_EARLY, _MIDDLE, _LATE = (0, 1, 2), (1, 2, 3), (2, 3, 4)
VARIANTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "deep-jscc": ((), ()),
    "20": ((0,), (0,)),
    "40": ((0, 1), (0, 1)),
    "60-E1D1": (_EARLY, _EARLY),
    "60-E2D1": (_MIDDLE, _EARLY),
    "60-E2D2": (_MIDDLE, _MIDDLE),
    "60-E2D3": (_MIDDLE, _LATE),
    "60-E1D2": (_EARLY, _MIDDLE),
    "60-E3D2": (_LATE, _MIDDLE),
    "80": ((0, 1, 2, 3), (0, 1, 2, 3)),
    "100": ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4)),
}
"""Published variants: separable layers (from 0) of the encoder and of the decoder."""

DEFAULT_VARIANT = "60-E2D2"
_STRIDE, _HALO_PX = 4, 64


class Config(Section):
    """``[codec]`` table: ``name = "dsc_jscc"``."""

    variant: Literal[tuple(VARIANTS)] = DEFAULT_VARIANT  # type: ignore[valid-type]
    latent_channels: int = Field(8, ge=2, le=256, multiple_of=2, description="c; rho = c/96")
    output: Literal["linear", "sigmoid"] = "linear"
    weights: str = Field("bundled", description=WEIGHTS_HELP)


def build(config: Config) -> LatentCodec:
    """Build the codec in evaluation mode with its weights loaded.

    Raises:
        WeightsError: there are no bundled weights for it, or the file does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = _Encoder(config)
        decoder = _Decoder(config)
    codec = LatentCodec(encoder, decoder, channels=config.latent_channels, stride=_STRIDE, halo=_HALO_PX)
    architecture = config.model_dump(exclude={"weights"})
    codec.fingerprint = load_weights(codec, "dsc_jscc", architecture, config.weights)
    return codec.eval()


class _Encoder(nn.Sequential):
    def __init__(self, config: Config) -> None:
        separable, _ = VARIANTS[config.variant]
        widths = ((3, 16, 2), (16, 32, 2), (32, 32, 1), (32, 32, 1), (32, config.latent_channels, 1))
        layers: list[nn.Module] = []
        for index, (inputs, outputs, stride) in enumerate(widths):
            convolution = separable_conv if index in separable else same_conv
            layers += [convolution(inputs, outputs, stride=stride), nn.PReLU(outputs)]
        super().__init__(*layers)
        self.shift = 0.5 if config.output == "linear" else 0.0

    def forward(self, images: Tensor) -> Tensor:
        latent = super().forward(quick_layout(images - self.shift))  # type: ignore[no-untyped-call]
        assert isinstance(latent, Tensor)
        return latent


class _Decoder(nn.Sequential):
    def __init__(self, config: Config) -> None:
        _, separable = VARIANTS[config.variant]
        widths = ((config.latent_channels, 32, 1), (32, 32, 1), (32, 32, 1), (32, 16, 2), (16, 3, 2))
        layers: list[nn.Module] = []
        for index, (inputs, outputs, stride) in enumerate(widths):
            convolution = separable_transposed if index in separable else same_transposed
            layers += [convolution(inputs, outputs, stride=stride), nn.PReLU(outputs)]
        super().__init__(*layers[:-1])
        self.linear = config.output == "linear"

    def forward(self, latent: Tensor) -> Tensor:
        images = super().forward(quick_layout(latent))  # type: ignore[no-untyped-call]
        assert isinstance(images, Tensor)
        return images + 0.5 if self.linear else torch.sigmoid(images)
