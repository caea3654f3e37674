"""Depthwise convolution whose weight gradient is quick on a processor with few cores.

oneDNN has no depthwise kernel for that gradient in torch's layouts: it computes groups of
16 channels in full and throws most of it away, which takes longer than the rest of a training
step of a separable network. A loop over rows and taps does it in a small part of that time.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_FEW_THREADS = 3
"""The loop runs on one; with more than these oneDNN, which uses all, catches up."""

_TAPS, _ROWS = 5, 4
"""What the loop is written out for: side of the largest kernel, rows that go at once."""

_TILE, _PITCH = 512, 528
"""Values of a row that go at once, to stay in the nearest cache, and their distance there, which
is no power of two: those would all fall on the same few lines of the cache."""


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
            and self.kernel_size[0] <= _TAPS
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
        kernel: odd, at most 5.
    """
    batch, channels, height, width = maps.shape
    inputs, outputs = (
        t.detach().permute(0, 2, 3, 1).contiguous().view(batch, height, -1).numpy() for t in (maps, gradient)
    )
    columns = torch.empty(_TAPS, _TAPS, width * channels)  # summed over the columns at the end
    _compiled()(inputs, outputs, columns.numpy(), channels)
    taps = columns.view(_TAPS, _TAPS, width, channels).sum(2).permute(2, 0, 1).unsqueeze(1)
    cut = slice((_TAPS - kernel) // 2, (_TAPS + kernel) // 2)
    return taps[:, :, cut, cut]


@cache
def _compiled() -> Callable[..., None]:
    from sdrjscc.compiled import machine_code

    return machine_code("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],i8)")(_correlate)


def _correlate(inputs: Any, outputs: Any, columns: Any, channels: Any) -> None:
    """Correlate rows ``[B, H, W * C]`` at every tap, into ``[5, 5, W * C]``.

    Four rows of ``outputs`` meet the eight of ``inputs`` around them at a column of five taps at
    once: 20 products for 17 loads and 5 stores. The former and the totals lie in one scratch array
    at constant distances, without which the compiler does not know that they can go in vectors.
    """
    height, length = inputs.shape[1], inputs.shape[2]
    nothing, distance = np.zeros(_TILE, np.float32), _PITCH
    for first in range(0, length, _TILE):
        size = min(_TILE, length - first)
        scratch = np.zeros((_ROWS + _TAPS * _TAPS, _PITCH), np.float32)
        for image in range(inputs.shape[0]):
            for row in range(0, height, _ROWS):
                for r in range(_ROWS):
                    inside = row + r < height
                    values = outputs[image, row + r, first : first + size] if inside else nothing[:size]
                    scratch[r, :size] = values
                for j in range(_TAPS):
                    right = (j - _TAPS // 2) * channels
                    start, stop = max(first + right, 0), min(first + size + right, length)
                    # a lambda, as numba knows no annotated function within another
                    source: Any = lambda r: inputs[image, r, start:stop] if 0 <= r < height else nothing  # noqa: B023, E731
                    s0, s1, s2, s3 = source(row - 2), source(row - 1), source(row), source(row + 1)
                    s4, s5, s6, s7 = source(row + 2), source(row + 3), source(row + 4), source(row + 5)
                    c = scratch.reshape(-1)[start - right - first :]
                    t = c[(_ROWS + _TAPS * j) * distance :]
                    for e in range(stop - start):
                        c0, c1, c2, c3 = c[e], c[e + distance], c[e + 2 * distance], c[e + 3 * distance]
                        a1, a2, a3, a4, a5, a6 = s1[e], s2[e], s3[e], s4[e], s5[e], s6[e]
                        t[e] += s0[e] * c0 + a1 * c1 + a2 * c2 + a3 * c3
                        t[e + distance] += a1 * c0 + a2 * c1 + a3 * c2 + a4 * c3
                        t[e + 2 * distance] += a2 * c0 + a3 * c1 + a4 * c2 + a5 * c3
                        t[e + 3 * distance] += a3 * c0 + a4 * c1 + a5 * c2 + a6 * c3
                        t[e + 4 * distance] += a4 * c0 + a5 * c1 + a6 * c2 + s7[e] * c3
        for tap in range(_TAPS * _TAPS):
            columns[tap % _TAPS, tap // _TAPS, first : first + size] = scratch[_ROWS + tap, :size]
