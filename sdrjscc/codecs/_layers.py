"""Convolution layers shared by the codec families."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdrjscc.codecs._upsampling import SameTransposed


def same_conv(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Odd-kernel convolution that maps ``H`` to ``ceil(H / stride)``."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


def same_transposed(
    inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1, groups: int = 1
) -> nn.ConvTranspose2d:
    """Odd-kernel transposed convolution that maps ``H`` to ``H * stride``."""
    return SameTransposed(inputs, outputs, kernel=kernel, stride=stride, groups=groups)


def separable_conv(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1) -> nn.Sequential:
    """Depthwise convolution (carries the stride) and 1x1 pointwise convolution, both with bias."""
    depthwise = same_conv(inputs, inputs, kernel=kernel, stride=stride, groups=inputs)
    return nn.Sequential(depthwise, Pointwise(inputs, outputs))


def separable_transposed(inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1) -> nn.Sequential:
    """Transposed depthwise convolution (carries the stride) and 1x1 pointwise convolution."""
    depthwise = same_transposed(inputs, inputs, kernel=kernel, stride=stride, groups=inputs)
    return nn.Sequential(depthwise, Pointwise(inputs, outputs))


class Pointwise(nn.Conv2d):
    """1x1 convolution ``[B, C, H, W]`` to ``[B, C', H, W]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve; without gradient, on a CPU, as a matrix product, which keeps channels last there.

        torch's own way with one thread and one picture does not, and slows what follows.
        """
        if torch.is_grad_enabled() or maps.device.type != "cpu":
            return super().forward(maps)
        return F.linear(maps.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


def quick_layout(maps: Tensor) -> Tensor:
    """Maps ``[B, C, H, W]`` with channels last in memory where a CPU runs without gradient.

    Convolutions keep that layout, and take about two thirds of the time in it.
    """
    if torch.is_grad_enabled() or maps.device.type != "cpu":
        return maps
    return maps.contiguous(memory_format=torch.channels_last)
