"""Convolution layers shared by the codec families."""

from torch import nn


def same_conv(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Odd-kernel convolution that maps ``H`` to ``ceil(H / stride)``."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


def same_transposed(
    inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1, groups: int = 1
) -> nn.ConvTranspose2d:
    """Odd-kernel transposed convolution that maps ``H`` to ``H * stride``."""
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, kernel // 2, stride - 1, groups=groups)


def separable_conv(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1) -> nn.Sequential:
    """Depthwise convolution (carries the stride) and 1x1 pointwise convolution, both with bias."""
    depthwise = same_conv(inputs, inputs, kernel=kernel, stride=stride, groups=inputs)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))


def separable_transposed(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1) -> nn.Sequential:
    """Transposed depthwise convolution (carries the stride) and 1x1 pointwise convolution."""
    depthwise = same_transposed(inputs, inputs, kernel=kernel, stride=stride, groups=inputs)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))
