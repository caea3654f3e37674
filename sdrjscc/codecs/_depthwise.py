"""Depthwise convolution whose weight gradient is quick on a processor with few cores.

oneDNN has no depthwise kernel for that gradient in torch's layouts: it computes groups of
16 channels in full and throws most of it away, which takes longer than the rest of a training
step of a separable network. A plain loop over the taps does it in a third of the time.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_FEW_THREADS = 3
"""The loop runs on one; with more than these oneDNN, which uses all, catches up."""


class DepthwiseConv2d(nn.Conv2d):
    """Depthwise convolution ``[B, C, H, W]`` to the same shape: odd kernel, stride 1, no bias."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve; only how the gradient is computed depends on device, type and threads."""
        quick = (
            torch.is_grad_enabled()
            and maps.device.type == "cpu"
            and maps.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and torch.get_num_threads() <= _FEW_THREADS
        )
        if not quick:
            return super().forward(maps)
        return _Depthwise.apply(maps, self.weight)  # type: ignore[no-any-return, no-untyped-call]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return _convolve(maps, weight)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, weight = ctx.saved_tensors
        of_maps = _convolve(gradient, weight.flip(2, 3)) if ctx.needs_input_grad[0] else None
        of_weight = weight_gradient(maps, gradient, weight.shape[-1]) if ctx.needs_input_grad[1] else None
        return of_maps, of_weight


def _convolve(maps: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(maps, weight, padding=weight.shape[-1] // 2, groups=len(weight))


def weight_gradient(maps: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """Gradient ``[C, 1, kernel, kernel]`` of a depthwise convolution's weight.

    Args:
        maps: the convolution's input, float32 ``[B, C, H, W]`` on the CPU.
        gradient: of its output, of the same shape.
        kernel: odd.
    """
    batch, channels, height, width = maps.shape
    inputs, outputs = (
        t.detach().permute(0, 2, 3, 1).contiguous().view(batch, height, -1).numpy() for t in (maps, gradient)
    )
    columns = torch.zeros(kernel, kernel, width * channels)  # summed over the columns at the end
    _compiled()(inputs, outputs, columns.numpy(), channels)
    return columns.view(kernel, kernel, width, channels).sum(2).permute(2, 0, 1).unsqueeze(1)


@cache
def _compiled() -> Callable[..., None]:
    from sdrjscc.compiled import machine_code

    return machine_code("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],i8)")(_correlate)


def _correlate(inputs: Any, outputs: Any, columns: Any, channels: Any) -> None:
    """Correlate rows ``[B, H, W * C]`` at every tap, into ``[kernel, kernel, W * C]``."""
    kernel, height, length = columns.shape[0], inputs.shape[1], inputs.shape[2]
    for image in range(inputs.shape[0]):
        for i in range(kernel):
            down = i - kernel // 2
            for j in range(kernel):
                right = (j - kernel // 2) * channels
                start, stop = max(0, -right), min(length, length - right)
                total = columns[i, j, start:stop]
                for row in range(max(0, -down), min(height, height - down)):
                    source = inputs[image, row + down, start + right : stop + right]
                    change = outputs[image, row, start:stop]
                    for e in range(len(total)):
                        total[e] += source[e] * change[e]
