"""LICRnet: separable convolutions beside attention in windows that grow as the maps shrink.

```
x ─ RDSCS ─ [DSC ─ LNLM ─ RDSCS] x 3 ─ latent     maps H/2, H/4, H/8; latent H/16
latent ─ [RDSCU ─ LNLM ─ DSC] x 3 ─ RDSCU ─ x^    maps H/8, H/4, H/2; picture H

RDSCS:  x ┬ DSC ─ DSC ─ pool ┬ +        RDSCU:  x ┬ up ─ DSC ─ DSC ┬ +
          └ pool ─ 1x1 ──────┘                    └ 1x1 ─ up ──────┘
LNLM:   x ┬ DSC ─ split ┬ + DSC ─ DSC ────────┬ join ─ DSC ┬ +
          │             └ + window attention ─┘            │
          └────────────────────────────────────────────────┘
```
(Source: the letter on LICRnet, section III and Fig. 2.) ``small`` and ``base`` have windows of
4, 8 and 16 at H/2, H/4 and H/8 (VW-MSA, never shifted). ``small-F`` and ``base-F`` are its
LICRnet-F: Swin's windows of 8 at every level, in every other block shifted by 4. Both have the
same parameters.

Settled here, where the letter is silent:

- Widths 32, 48, 64, 96 (``small``) and 40, 60, 80, 160 (``base``). The last is that inside the
  stage next to the latent; the latent has 96 channels in both, 48 complex symbols a position,
  which is the letter's ratio of 1/16.
- A DSC is a depthwise 5x5 and a 1x1 convolution, with a bias in the second alone: one in the
  first would do nothing that this does not. LeakyReLU of slope 0.1 after a DSC, except before
  a sum: the residual paths stay linear.
- The attention has one head (Swin's have 32 channels, here are 16 to 40), is preceded by a
  layer normalisation, and followed by no perceptron: the DSC after it mixes the channels.
  It has no relative position bias: the convolutions before it see the order of positions.
- Average pooling; interpolation by repetition, the cheapest (after short trainings as good as
  bilinear). Both commute with a 1x1 convolution, which is computed on the smaller map.
- Images are shifted by 0.5 before the encoder and back after the decoder, whose last stage
  ends linear: its second DSC, and the 1x1 beside it, go from ``widths[0]`` to 3 channels.
- Depthwise kernels begin near the identity, 1x1 convolutions with gains that keep the power of
  what passes: after 400 steps worth 1.4 dB over torch's own start.
- Blocks of LICRnet-F alternate along encoder and along decoder, so that each level has plain
  windows on one side and shifted ones on the other.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from sdrjscc.codecs._attention import WindowAttention
from sdrjscc.codecs._depthwise import DepthwiseConv2d
from sdrjscc.codecs._pointwise import PointwiseConv2d
from sdrjscc.codecs._weights import load_weights
from sdrjscc.codecs.base import LatentCodec
from sdrjscc.config import Section

_Window = tuple[int, int]
"""Side of a window and shift of the grid."""


@dataclass(frozen=True)
class Design:
    """What tells one variant from another.

    Attributes:
        widths: channels at H/2, H/4 and H/8, and inside the stage next to the latent.
        encoder, decoder: window and shift at H/2, H/4 and H/8.
    """

    widths: tuple[int, int, int, int]
    encoder: tuple[_Window, _Window, _Window] = ((4, 0), (8, 0), (16, 0))
    decoder: tuple[_Window, _Window, _Window] = ((4, 0), (8, 0), (16, 0))


_SMALL, _BASE = (32, 48, 64, 96), (40, 60, 80, 160)
_SWIN = ((8, 0), (8, 4), (8, 0)), ((8, 4), (8, 0), (8, 4))
VARIANTS = {
    "small": Design(_SMALL),
    "base": Design(_BASE),
    "small-F": Design(_SMALL, *_SWIN),
    "base-F": Design(_BASE, *_SWIN),
}
DEFAULT_VARIANT = "small"

LATENT_CHANNELS = 96
_STRIDE, _SLOPE, _KERNEL = 16, 0.1, 5
_HALF_POWER, _SMALL_GAIN = 0.5**0.5, 0.3
"""Of what is added up at the start: equal parts in a stage, little beside the input in a block."""

_HALO_PX = 256
"""What an output sees, in whole windows of 128 px (16 at H/8), so that every tile's windows
lie as the whole picture's do: at most 248 px around it in the encoder and 208 in the decoder."""


class Config(Section):
    """``[codec]`` table: ``name = "licrnet"``."""

    variant: Literal[tuple(VARIANTS)] = DEFAULT_VARIANT  # type: ignore[valid-type]
    weights: str = Field("bundled", description="'bundled', 'untrained' or a .safetensors file")


def build(config: Config) -> LatentCodec:
    """Build the codec in evaluation mode with its weights loaded.

    Raises:
        WeightsError: there are no bundled weights for it, or the file does not fit.
    """
    design = VARIANTS[config.variant]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, decoder = _Encoder(design), _Decoder(design)
    codec = LatentCodec(encoder, decoder, channels=LATENT_CHANNELS, stride=_STRIDE, halo=_HALO_PX)
    codec.fingerprint = load_weights(codec, "licrnet", {"variant": config.variant}, config.weights)
    return codec.eval()


class _Encoder(nn.Sequential):
    def __init__(self, design: Design) -> None:
        *widths, inside = design.widths
        layers: list[nn.Module] = []
        for inputs, outputs, window in zip((3, *widths), widths, design.encoder, strict=False):
            layers += [
                _Down(inputs, outputs, outputs),
                _activated(outputs, outputs),
                _Mixture(outputs, window),
            ]
        super().__init__(*layers, _Down(widths[-1], inside, LATENT_CHANNELS))

    def forward(self, images: Tensor) -> Tensor:
        latent = super().forward(_channels_last(images - 0.5))  # type: ignore[no-untyped-call]
        assert isinstance(latent, Tensor)
        return latent


class _Decoder(nn.Sequential):
    def __init__(self, design: Design) -> None:
        *widths, inside = design.widths
        layers: list[nn.Module] = []
        for inputs, outputs, window in zip(widths, (3, *widths), design.decoder, strict=False):
            layers = [
                _Mixture(inputs, window),
                _activated(inputs, inputs),
                _Up(inputs, inputs, outputs),
                *layers,
            ]
        super().__init__(_Up(LATENT_CHANNELS, inside, widths[-1]), *layers)

    def forward(self, latent: Tensor) -> Tensor:
        images = super().forward(_channels_last(latent))  # type: ignore[no-untyped-call]
        assert isinstance(images, Tensor)
        return images + 0.5


class _Down(nn.Module):
    """RDSCS: half the size."""

    def __init__(self, inputs: int, inside: int, outputs: int) -> None:
        super().__init__()
        self.first = _activated(inputs, inside)
        self.depthwise = _depthwise(inside)
        self.pointwise = _pointwise(inside, outputs, gain=2 * _HALF_POWER)  # pooling takes half
        self.skip = _pointwise(inputs, outputs, gain=_HALF_POWER)

    def forward(self, maps: Tensor) -> Tensor:
        inside = self.depthwise(self.first(maps))
        result = self.pointwise(F.avg_pool2d(inside, 2)) + self.skip(F.avg_pool2d(maps, 2))
        assert isinstance(result, Tensor)
        return result


class _Up(nn.Module):
    """RDSCU: twice the size."""

    def __init__(self, inputs: int, inside: int, outputs: int) -> None:
        super().__init__()
        last = _pointwise(inside, outputs, gain=_HALF_POWER)
        self.residual = nn.Sequential(_activated(inputs, inside), _depthwise(inside), last)
        self.skip = _pointwise(inputs, outputs, gain=_HALF_POWER)

    def forward(self, maps: Tensor) -> Tensor:
        result = self.residual(_doubled(maps)) + _doubled(self.skip(maps))
        assert isinstance(result, Tensor)
        return result


class _Mixture(nn.Module):
    """LNLM: a local and a nonlocal half."""

    def __init__(self, channels: int, window: _Window) -> None:
        super().__init__()
        half = channels // 2
        self.before = _activated(channels, channels)
        last = _pointwise(half, half, gain=_SMALL_GAIN)
        self.local = nn.Sequential(_activated(half, half), _depthwise(half), last)
        self.nonlocal_ = WindowAttention(half, window[0], shift=window[1])
        last = _pointwise(channels, channels, gain=_SMALL_GAIN)
        self.after = nn.Sequential(_depthwise(channels), last)

    def forward(self, maps: Tensor) -> Tensor:
        near, far = self.before(maps).chunk(2, dim=1)
        near = _channels_last(near)  # copied once here, not in every convolution
        mixed = torch.cat((near + self.local(near), far + self.nonlocal_(far)), dim=1)
        return maps + self.after(mixed)  # type: ignore[no-any-return]


def _activated(inputs: int, outputs: int) -> nn.Sequential:
    """DSC and its activation, which takes half the power."""
    first = _depthwise(inputs)
    return nn.Sequential(first, _pointwise(inputs, outputs, gain=2**0.5), nn.LeakyReLU(_SLOPE))


def _depthwise(channels: int) -> DepthwiseConv2d:
    """Begins as three quarters identity and one quarter a random filter, by power."""
    layer = DepthwiseConv2d(channels, _KERNEL)
    with torch.no_grad():
        layer.weight.normal_(0.0, 0.5 / _KERNEL)
        layer.weight[:, :, _KERNEL // 2, _KERNEL // 2] += 0.75**0.5
    return layer


def _pointwise(inputs: int, outputs: int, *, gain: float) -> PointwiseConv2d:
    """Begins as a random 1x1 convolution that multiplies amplitudes by ``gain``."""
    layer = PointwiseConv2d(inputs, outputs)
    nn.init.normal_(layer.weight, 0.0, gain * inputs**-0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="nearest")


def _channels_last(maps: Tensor) -> Tensor:
    """The layout in which depthwise convolutions are several times as fast on a CPU."""
    return maps.contiguous(memory_format=torch.channels_last)
