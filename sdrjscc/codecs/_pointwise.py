"""1x1 convolution that a processor computes as a matrix product where channels lie last in memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PointwiseConv2d(nn.Conv2d):
    """1x1 convolution ``[B, C, H, W]`` to ``[B, C', H, W]``, with bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve; only how the sums are computed depends on device, type and layout.

        torch's own clears and fills buffers around the same products, above all for gradients.
        """
        plain = (
            maps.device.type == "cpu"
            and maps.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and maps.is_contiguous(memory_format=torch.channels_last)
        )
        if not plain:
            return super().forward(maps)
        return F.linear(maps.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
