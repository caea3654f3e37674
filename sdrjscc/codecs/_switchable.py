"""The network of the uJSCC paper: layers whose BatchNorm and inner width a path chooses.

A *path* is the way of one modulation order through the network. Convolutions are shared by all
paths; each path has a BatchNorm of its own after every convolution (switchable), or all have
one; and path p has ``dimensions[p]`` latent channels, the first ones of the widest. A network
with one path is an ordinary one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPSILON, _MOMENTUM = 1e-5, 0.1


@dataclass(frozen=True)
class Shape:
    """What a network is built to.

    Attributes:
        widths: channels after the outer encoder's first layer, and after all others.
        strides: of the outer encoder's second and fourth layer, 1 or 2.
        dimensions: latent channels of each path.
        switchable: a BatchNorm for each path, rather than one for all.
    """

    widths: tuple[int, int]
    strides: tuple[int, int]
    dimensions: tuple[int, ...]
    switchable: bool

    def norm(self, channels: int) -> "SwitchableNorm":
        """BatchNorm after a layer of equal width in all paths."""
        return self.norms([channels] * len(self.dimensions))

    def norms(self, channels: Sequence[int]) -> "SwitchableNorm":
        """BatchNorm after a layer with ``channels[p]`` outputs in path p."""
        return SwitchableNorm(channels if self.switchable else [max(channels)])


class BatchNorm(nn.Module):
    """Batch normalisation of the first channels, as many as the input has."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise ``[B, c, h, w]``; in training the first c running statistics follow."""
        first = slice(inputs.shape[1])
        return F.batch_norm(
            inputs,
            self.running_mean[first],
            self.running_var[first],
            self.weight[first],
            self.bias[first],
            self.training,
            _MOMENTUM,
            _EPSILON,
        )


class SwitchableNorm(nn.ModuleList):
    """One BatchNorm a path, or a single one for all."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(BatchNorm(count) for count in channels)

    def forward(self, inputs: Tensor, path: int) -> Tensor:
        """Normalise with the path's statistics, scale and shift."""
        normalised = self[path if len(self) > 1 else 0](inputs)
        assert isinstance(normalised, Tensor)
        return normalised


class FirstFilters(nn.Conv2d):
    """Convolution of which only the first filters run."""

    def forward(self, inputs: Tensor, filters: int) -> Tensor:  # type: ignore[override]
        """``[B, c, h, w]`` to ``[B, filters, h, w]``."""
        return F.conv2d(inputs, self.weight[:filters], None, self.stride, self.padding)


class FirstInputs(nn.ConvTranspose2d):
    """Transposed convolution with the weights of as many input channels as there are."""

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """``[B, c, h, w]``, c up to ``in_channels``, to ``[B, out_channels, h, w]``."""
        assert not isinstance(self.padding, str)
        return F.conv_transpose2d(inputs, self.weight[: inputs.shape[1]], None, self.stride, self.padding)


class _Layer(nn.Module):
    """Convolution, switchable BatchNorm, activation."""

    def __init__(
        self, convolution: nn.Module, norm: SwitchableNorm, activation: Callable[[Tensor], Tensor] = F.relu
    ) -> None:
        super().__init__()
        self.convolution, self.norm, self.activation = convolution, norm, activation

    def forward(self, inputs: Tensor, path: int) -> Tensor:
        return self.activation(self.norm(self.convolution(inputs), path))


class _Residual(nn.Module):
    """Two layers of kernel 3 around which the input is added before the last ReLU."""

    def __init__(self, kind: type[nn.Conv2d | nn.ConvTranspose2d], channels: int, shape: Shape) -> None:
        super().__init__()
        layers = [kind(channels, channels, 3, 1, 1, bias=False) for _ in range(2)]
        self.first = _Layer(layers[0], shape.norm(channels))
        self.second = _Layer(layers[1], shape.norm(channels), nn.Identity())

    def forward(self, inputs: Tensor, path: int) -> Tensor:
        return F.relu(inputs + self.second(self.first(inputs, path), path))


class Encoder(nn.Module):
    """Outer encoder of five layers, and the inner one whose first filters run."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        narrow, wide = shape.widths
        self.outer = nn.ModuleList(
            [
                _Layer(nn.Conv2d(3, narrow, 5, 1, 2, bias=False), shape.norm(narrow)),
                _Layer(_resampling(nn.Conv2d, narrow, wide, shape.strides[0]), shape.norm(wide)),
                _Residual(nn.Conv2d, wide, shape),
                _Layer(_resampling(nn.Conv2d, wide, wide, shape.strides[1]), shape.norm(wide)),
                _Residual(nn.Conv2d, wide, shape),
            ]
        )
        self.inner = FirstFilters(wide, max(shape.dimensions), 3, 1, 1, bias=False)
        self.norm, self._dimensions = shape.norms(shape.dimensions), shape.dimensions

    def forward(self, images: Tensor, path: int) -> Tensor:
        """Images in [0, 1] to a latent in (-1, 1), ``[B, dimensions[path], h, w]``."""
        features = 2.0 * images - 1.0
        for layer in self.outer:
            features = layer(features, path)
        return torch.tanh(self.norm(self.inner(features, self._dimensions[path]), path))


class Decoder(nn.Module):
    """The encoder's mirror image, of transposed convolutions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        narrow, wide = shape.widths
        inner = FirstInputs(max(shape.dimensions), wide, 3, 1, 1, bias=False)
        last = nn.ConvTranspose2d(narrow, 3, 5, 1, 2, bias=False)
        self.layers = nn.ModuleList(
            [
                _Layer(inner, shape.norm(wide)),
                _Residual(nn.ConvTranspose2d, wide, shape),
                _Layer(_resampling(nn.ConvTranspose2d, wide, wide, shape.strides[1]), shape.norm(wide)),
                _Residual(nn.ConvTranspose2d, wide, shape),
                _Layer(_resampling(nn.ConvTranspose2d, wide, narrow, shape.strides[0]), shape.norm(narrow)),
                _Layer(last, shape.norm(3), torch.tanh),
            ]
        )

    def forward(self, latent: Tensor, path: int) -> Tensor:
        """A latent ``[B, dimensions[path], h, w]`` to images in (0, 1)."""
        for layer in self.layers:
            latent = layer(latent, path)
        return (latent + 1.0) / 2.0


class Network(nn.Module):
    """Encoder and decoder of one shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)


def _resampling(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], inputs: int, outputs: int, stride: int
) -> nn.Module:
    """Kernel 4 where it halves or doubles the size, kernel 3 where it keeps it."""
    return kind(inputs, outputs, 2 + stride, stride, 1, bias=False)
