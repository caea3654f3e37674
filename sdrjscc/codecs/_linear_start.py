"""Initial weights with which a convolutional autoencoder is a linear transform coder.

Random initial weights make a plain stack of strided layers spend its training on finding out that
neighbouring pixels are alike. Here every encoder layer starts as the Karhunen-Loeve transform of
what it reads, for the first-order Markov model of a picture (Jain, Fundamentals of Digital Image
Processing, section 5.11), every decoder layer as the inverse. Rectifiers would cut such a signal in
half; so each channel gets an equal share of the brightness, and biases raise that until the
rectifiers hardly touch the rest. Nothing is learned from data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import pi

import torch
from torch import Tensor, nn

_ALONG, _COLOURS = 0.95, 0.9  # correlation of neighbouring pixels, and of two colours of a pixel
_MEAN, _VARIANCE = 0.5, 0.06  # of a pixel in [0, 1]
_RAISED = 3.0  # mean of a rectified channel over its standard deviation


@dataclass(frozen=True)
class Stage:
    """A layer of the encoder and its mirror in the decoder.

    Attributes:
        blocks: ``[outputs, inputs, s, s]`` of the encoder; the decoder's inverse is the same block.
        bias: ``[outputs]`` of the encoder.
        back: ``[inputs]``, bias of the decoder.
        deviation: RMS standard deviation of an output.
    """

    blocks: Tensor
    bias: Tensor
    back: Tensor
    deviation: float


def markov_stages(channels: Sequence[int], strides: Sequence[int]) -> list[Stage]:
    """The stages of an autoencoder from picture to latent, in float64.

    Args:
        channels: 3 (the picture's), then the outputs of each encoder layer.
        strides: of each layer.

    All but the last stage, which no rectifier follows, give raised means; the last gives zero mean.
    """
    rows, side, mean = torch.eye(3, dtype=torch.float64), 1, _MEAN
    stages: list[Stage] = []
    for (inputs, outputs), stride in zip(pairwise(channels), strides, strict=True):
        rows, side = _tiled(rows, side, stride), side * stride
        covariance = rows @ _markov_covariance(side) @ rows.T
        matrix = _spread(outputs, _transform(covariance, outputs))
        deviation = float((matrix @ covariance @ matrix.T).diagonal().mean().sqrt())
        raised = 0.0 if len(stages) == len(strides) - 1 else _RAISED * deviation
        bias = raised - matrix.sum(1) * mean
        back = mean - (matrix.T.sum(1) * raised)[:inputs]
        blocks = matrix.reshape(outputs, stride, stride, inputs).permute(0, 3, 1, 2)
        stages.append(Stage(blocks, bias, back, deviation))
        rows, mean = matrix @ rows, raised
    return stages


@torch.no_grad()
def set_layer(layer: nn.Conv2d | nn.ConvTranspose2d, blocks: Tensor, bias: Tensor) -> None:
    """Write a stage into a layer whose kernel is at least as large; the other taps become zero.

    ``blocks`` is ``[outputs, inputs, s, s]`` of the encoder's layer in either case; a transposed
    convolution stores it that way too.
    """
    assert layer.bias is not None
    assert not isinstance(layer.padding, str)
    size, first = blocks.shape[-1], layer.padding[0]
    layer.weight.zero_()
    layer.weight[:, :, first : first + size, first : first + size] = blocks
    layer.bias.copy_(bias)


def _markov_covariance(side: int) -> Tensor:
    """Of a patch of ``side`` x ``side`` pixels and three colours, separable, ``[3 side^2, 3 side^2]``."""
    steps = torch.arange(side, dtype=torch.float64)
    along = _ALONG ** (steps[:, None] - steps[None, :]).abs()
    colours = torch.full((3, 3), _COLOURS, dtype=torch.float64).fill_diagonal_(1.0)
    return _VARIANCE * torch.kron(torch.kron(along, along), colours)


def _tiled(rows: Tensor, side: int, stride: int) -> Tensor:
    """A map of ``side`` x ``side`` patches applied to the ``stride`` x ``stride`` patches of a larger one.

    From ``[d, side side 3]`` to ``[stride stride d, (stride side)^2 3]``.
    """
    taps = rows.reshape(-1, side, side, 3)
    wide = torch.zeros(stride, stride, len(rows), stride * side, stride * side, 3, dtype=rows.dtype)
    for down in range(stride):
        for right in range(stride):
            block = (slice(down * side, (down + 1) * side), slice(right * side, (right + 1) * side))
            wide[down, right, :, *block] = taps
    return wide.reshape(stride * stride * len(rows), -1)


def _transform(covariance: Tensor, outputs: int) -> Tensor:
    """Orthonormal rows: the mean of all values, then the strongest components beside it."""
    size = len(covariance)
    flat = torch.full((size, 1), size**-0.5, dtype=covariance.dtype)
    beside = torch.eye(size, dtype=covariance.dtype) - flat @ flat.T
    _, vectors = torch.linalg.eigh(beside @ covariance @ beside + size * flat @ flat.T * covariance.trace())
    return torch.cat([flat.T, vectors[:, :-1].flip(1).T])[: min(outputs, size)]


def _spread(outputs: int, transform: Tensor) -> Tensor:
    """Rows mixed by a cosine basis, so that each output has an equal share of the first."""
    along = (torch.arange(outputs, dtype=torch.float64) + 0.5) * pi / outputs
    basis = torch.cos(along[:, None] * torch.arange(len(transform))) * (2.0 / outputs) ** 0.5
    basis[:, 0] = outputs**-0.5
    mixed: Tensor = basis @ transform
    return mixed
