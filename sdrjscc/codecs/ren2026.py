"""Pruned JSCC whose latent lies in (0, 1): one latent value is one channel symbol.

```
x ─ conv 3-16 /2 ─ 16-32 /2 ─ 32-64 /2 ─ 64-128 /2 ─ 128-256 ─ 256-c ─ batch norm ─ sigmoid ─ z
z ─ tconv c-256 ─ 256-128 ─ 128-64 x2 ─ 64-32 x2 ─ 32-16 x2 ─ 16-3 x2 ─ sigmoid ─ x^
```
ReLU between the layers; encoder kernels are 5x5; k = c H/16 W/16. Source: "Lightweight
Low-SNR-Robust Semantic Communication System for Autonomous Driving", Tables I and II. Its two
tables do not describe the same decoder: the kernels of Table I (``table1``) make 8.74 million
parameters, those of the other variants Table II's 6.25 million. Pruning removes latent channels:
``gamma-...`` is what is left of ``base``. ``reduced`` is the paper's bandwidth-reduced model:
the network of ``gamma-0.5``, trained at that width from the beginning.

Settled here, where the paper is silent: the strides; the initial weights, those of a linear
transform coder (:mod:`sdrjscc.codecs._linear_start`); a transposed convolution of even kernel and
stride 1 gives one row and one column too many, and the last ones are cut off. In training mode a
histogram of the latent is kept beside the weights: from it come the constants with which symbols
have unit mean power over the training data, so that no transmission needs a factor of its own
(see ``analog_real`` and ``uniform_qam`` in :mod:`sdrjscc.mapping`).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from sdrjscc.codecs._layers import same_conv
from sdrjscc.codecs._linear_start import markov_stages, set_layer
from sdrjscc.codecs._weights import WEIGHTS_HELP, load_weights
from sdrjscc.codecs.base import LatentCodec
from sdrjscc.config import Section

_TABLE_1, _TABLE_2 = (5, 5, 5, 5, 5, 6), (3, 4, 4, 4, 4, 6)


@dataclass(frozen=True)
class Variant:
    """Latent channels, and the kernel sizes of the decoder's six layers."""

    channels: int
    kernels: tuple[int, ...] = _TABLE_2


VARIANTS = {
    "base": Variant(512),
    "table1": Variant(512, _TABLE_1),
    "gamma-0.2": Variant(410),
    "gamma-0.5": Variant(256),
    "gamma-0.7": Variant(154),
    "gamma-0.9": Variant(51),
    "reduced": Variant(256),
}
"""Published variants; after pruning the share gamma of 512 channels, 512 (1 - gamma) are left."""

_ENCODER_WIDTHS, _ENCODER_STRIDES = (3, 16, 32, 64, 128, 256), (2, 2, 2, 2, 1, 1)
_DECODER_WIDTHS, _DECODER_STRIDES = (256, 128, 64, 32, 16, 3), (1, 1, 2, 2, 2, 2)
_STRIDE = 16
_HALO_PX = 96  # the encoder sees 94 px around, the decoder at most 6 positions of 16 px
_LATENT_SLOPE = 4.76  # best line from sigmoid(x) back to x, for standard normal x
_OUTPUT_SLOPE = 4.6  # sigmoid(4.6 (x - 1/2)) is near to x in [0, 1]
_CELLS = 256
_SLOWEST = 0.01


class Config(Section):
    """``[codec]`` table: ``name = "ren2026"``.

    Attributes:
        variant: decoder kernels and number of latent channels.
        latent_channels: c, for another ratio than the variant's; rho = c/768.
        weights: see :func:`sdrjscc.codecs._weights.load_weights`.
    """

    variant: Literal[tuple(VARIANTS)] = "base"  # type: ignore[valid-type]
    latent_channels: int | None = Field(None, ge=1, le=4096)
    weights: str = Field("bundled", description=WEIGHTS_HELP)

    @field_validator("latent_channels")
    @classmethod
    def _filled_in(cls, value: int | None, info: ValidationInfo) -> int | None:
        variant = VARIANTS.get(info.data.get("variant", ""))
        return variant.channels if value is None and variant is not None else value


def default_mapping(config: Config) -> str:
    """The mapping of a link that names none."""
    return "uniform_qam"


def build(config: Config) -> "Ren2026":
    """Build the codec in evaluation mode with its weights loaded.

    Raises:
        WeightsError: there are no bundled weights for it, or the file does not fit.
    """
    assert config.latent_channels is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = Ren2026(config.latent_channels, VARIANTS[config.variant].kernels)
    architecture = config.model_dump(exclude={"weights"})
    codec.fingerprint = load_weights(codec, "ren2026", architecture, config.weights)
    return codec.eval()


class Ren2026(LatentCodec):
    """The codec; what is special is its latent, see :class:`_Encoder`."""

    encoder: "_Encoder"

    def __init__(self, channels: int, kernels: tuple[int, ...]) -> None:
        encoder, decoder = _Encoder(channels), _decoder(channels, kernels)
        _start_linear(encoder, decoder, channels)
        super().__init__(encoder, decoder, channels=channels, stride=_STRIDE, values=1, halo=_HALO_PX)

    @property
    def mapper_tables(self) -> dict[str, Tensor]:
        """``histogram`` of the latent, its ``mean``, and ``scale``, 1 / sqrt(mean of z^2)."""
        share = self.encoder.histogram / self.encoder.histogram.sum()
        centres = (torch.arange(_CELLS, device=share.device) + 0.5) / _CELLS
        power = (share * (centres.square() + 1.0 / (12 * _CELLS**2))).sum()
        return {"histogram": share, "mean": (share * centres).sum(), "scale": power.rsqrt()}

    def loss_terms(self) -> dict[str, Tensor]:
        """``sparsity``: sum of |eta| over the latent's channels, the batch norm's scale factors."""
        return {"sparsity": self.encoder.norm.weight.abs().sum()}


class _Encoder(nn.Module):
    """Images to the latent in (0, 1), ``[B, c, H/16, W/16]``.

    Attributes:
        histogram: ``[256]``, share of latent values in each of as many equal cells of (0, 1) over
            their mean share: the mean over the first 100 batches seen in training mode, then a
            running one.
        batches: how many were seen.
    """

    histogram: Tensor
    batches: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = pairwise((*_ENCODER_WIDTHS, channels))
        for (inputs, outputs), stride in zip(widths, _ENCODER_STRIDES, strict=True):
            layers += [same_conv(inputs, outputs, stride=stride), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.norm = nn.BatchNorm2d(channels)
        self.register_buffer("histogram", torch.ones(_CELLS))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor) -> Tensor:
        latent = torch.sigmoid(self.norm(self.layers(images)))
        if self.training:
            self._observe(latent.detach())
        return latent

    def _observe(self, latent: Tensor) -> None:
        cells = (latent.float() * _CELLS).clamp_max(_CELLS - 1).to(torch.uint8)
        counts = torch.bincount(cells.flatten(), minlength=_CELLS)
        self.batches += 1
        weight = self.batches.reciprocal().clamp_min(_SLOWEST)
        self.histogram.lerp_(counts * (_CELLS / cells.numel()), weight)


def _decoder(channels: int, kernels: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    widths = pairwise((channels, *_DECODER_WIDTHS))
    for (inputs, outputs), stride, kernel in zip(widths, _DECODER_STRIDES, kernels, strict=True):
        layers += [*_transposed(inputs, outputs, kernel, stride), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


def _start_linear(encoder: _Encoder, decoder: nn.Sequential, channels: int) -> None:
    """Initial weights of a transform coder; a factor makes up for the slope of either sigmoid."""
    stages = markov_stages((*_ENCODER_WIDTHS, channels), _ENCODER_STRIDES)
    down = [layer for layer in encoder.layers if isinstance(layer, nn.Conv2d)]
    up = [layer for layer in decoder if isinstance(layer, nn.ConvTranspose2d)]
    for index, (stage, analysis, synthesis) in enumerate(zip(stages, down, reversed(up), strict=True)):
        set_layer(analysis, stage.blocks, stage.bias)
        blocks, bias = stage.blocks, stage.back
        if index == 0:
            blocks, bias = blocks * _OUTPUT_SLOPE, (bias - 0.5) * _OUTPUT_SLOPE
        if index == len(stages) - 1:
            blocks = blocks * (stage.deviation * _LATENT_SLOPE)
            bias = bias - 0.5 * blocks.sum((0, 2, 3))
            nn.init.constant_(encoder.norm.get_buffer("running_var"), stage.deviation**2)
        set_layer(synthesis, blocks, bias)


def _transposed(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    """Transposed convolution from ``H`` to ``H * stride``; the excess of an even kernel is cut off."""
    excess = (kernel - stride) % 2
    padding = (kernel - stride + 1) // 2 if stride > 1 else (kernel - stride) // 2
    layer = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, excess if stride > 1 else 0)
    return [layer, _CutLast()] if excess and stride == 1 else [layer]


class _CutLast(nn.Module):
    """Cuts off the last row and the last column."""

    def forward(self, images: Tensor) -> Tensor:
        return images[..., :-1, :-1]
