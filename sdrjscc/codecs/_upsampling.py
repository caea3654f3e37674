"""Transposed convolution that a processor computes as plain convolutions, when no gradient is wanted.

oneDNN's transposed convolutions take two to four times as long as plain ones with as many products.
Output ``stride * q + phase`` of a row depends on a few inputs around q only, through the kernel's
every ``stride``-th tap: each phase is a plain convolution at the input's size, and the phases
interleave. (W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SameTransposed(nn.ConvTranspose2d):
    """Odd-kernel transposed convolution ``[B, C, H, W]`` to ``[B, C', H * stride, W * stride]``."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 5, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, stride - 1, groups=groups)

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve; without gradient, on a CPU, the sums are the same in another order."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        dense, depthwise = self.groups == 1, self.groups == self.in_channels == self.out_channels
        plain = (dense or depthwise) and kernel >= stride and output_size is None
        if torch.is_grad_enabled() or maps.device.type != "cpu" or not plain:
            return super().forward(maps, output_size)
        taps = self.weight.flip(2, 3)
        if dense:
            return _dense(maps, taps.transpose(0, 1), self.bias, stride)
        return _depthwise(maps, taps, self.bias, stride)


def _dense(maps: Tensor, taps: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """One convolution for all phases, as its narrow outputs are cheaper together."""
    kernel, phases = taps.shape[-1], range(stride)
    windows = [_window(kernel, stride, phase) for phase in phases]
    first = min(start for _, start in windows)
    size = max(start + len(range(skip, kernel, stride)) for skip, start in windows) - first

    def padded(i: int, j: int) -> Tensor:
        (above, top), (before, left) = windows[i], windows[j]
        some = taps[..., above::stride, before::stride]
        rows, columns = some.shape[-2:]
        top, left = top - first, left - first
        return F.pad(some, (left, size - left - columns, top, size - top - rows))

    joint = torch.cat([padded(i, j) for i in phases for j in phases])
    bias = None if bias is None else bias.repeat(stride * stride)
    together = _convolved(maps, joint, bias, (first, first), 1)
    if stride == 1:
        return together
    together = together.unflatten(1, (stride, stride, len(taps)))  # type: ignore[no-untyped-call]
    out = maps.new_empty(len(maps), len(taps), stride * maps.shape[2], stride * maps.shape[3])
    for i in phases:
        for j in phases:
            out[:, :, i::stride, j::stride] = together[:, i, j]
    return out


def _depthwise(maps: Tensor, taps: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """A convolution for each phase, as oneDNN is quick where a channel has one output."""
    kernel, channels = taps.shape[-1], len(taps)
    if stride == 1:
        return _convolved(maps, taps, bias, (-(kernel // 2), -(kernel // 2)), channels)
    height, width = stride * maps.shape[2], stride * maps.shape[3]
    out = torch.empty(len(maps), channels, height, width, dtype=maps.dtype, memory_format=torch.channels_last)
    for i in range(stride):
        for j in range(stride):
            (above, top), (before, left) = _window(kernel, stride, i), _window(kernel, stride, j)
            some = taps[..., above::stride, before::stride]
            out[:, :, i::stride, j::stride] = _convolved(maps, some, bias, (top, left), channels)
    return out


def _window(kernel: int, stride: int, phase: int) -> tuple[int, int]:
    """Of one phase: the flipped kernel's first tap, and the input it meets, relative to the output's."""
    skip = (kernel // 2 - phase) % stride
    return skip, (phase - kernel // 2 + skip) // stride


def _convolved(
    maps: Tensor, taps: Tensor, bias: Tensor | None, first: tuple[int, int], groups: int
) -> Tensor:
    """Convolution ``[B, C', H, W]`` whose first tap meets the input at ``first`` from the output's place."""
    top, left = (max(-start, start + size - 1) for start, size in zip(first, taps.shape[-2:], strict=True))
    wide = F.conv2d(maps, taps, bias, padding=(top, left), groups=groups)
    up, before = top + first[0], left + first[1]
    return wide[..., up : up + maps.shape[2], before : before + maps.shape[3]]
