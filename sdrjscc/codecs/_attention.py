"""Self-attention inside the windows of a feature map, for maps of any size."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DotProductAttention(nn.Module):
    """Fused softmax attention; a module of its own so that its operations can be counted."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over the second last axis of ``[B, windows, positions, C]``; ``mask`` adds to the scores."""
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class WindowAttention(nn.Module):
    """Layer normalisation and one-headed self-attention within each window of ``[B, C, H, W]``.

    ```
    shift 0        shift 2          windows of 4x4 on a map of 8x8: those that the border
    +----+----+    +--+----+--+     cuts are filled up, and what fills them is masked
    |    |    |    +--+----+--+
    |    |    |    |  |    |  |
    +----+----+    |  |    |  |
    |    |    |    +--+----+--+
    |    |    |    |  |    |  |
    +----+----+    +--+----+--+
    ```
    The result at a position depends on the real positions of its window alone.
    """

    def __init__(self, channels: int, window: int, *, shift: int = 0) -> None:
        """Attention in windows of ``window`` x ``window``; ``shift`` moves their grid."""
        super().__init__()
        self.window, self.shift = window, shift
        self.norm = nn.LayerNorm(channels)
        # No bias: that of the keys has no effect, and the normalisation has one for the others.
        self.query_key_value = nn.Linear(channels, 3 * channels, bias=False)
        self.attend = DotProductAttention()
        self.output = nn.Linear(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Attention's own output, ``[B, C, H, W]``, without the residual."""
        grid = _Grid.of(maps.shape[-2], maps.shape[-1], self.window, self.shift)
        windows = grid.split(self.query_key_value(self.norm(maps.permute(0, 2, 3, 1))))
        query, key, value = windows.chunk(3, dim=-1)
        attended = self.attend(query, key, value, grid.mask(windows))
        return self.output(grid.join(attended)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Axis:
    """One side of a map: its size, the side of a window, and what is added before and after."""

    size: int
    window: int
    before: int
    after: int

    @classmethod
    def of(cls, size: int, window: int, shift: int) -> "_Axis":
        if size <= window:  # one window holds it; shifted, it would only be cut in two
            return cls(size, size, 0, 0)
        before = -shift % window
        return cls(size, window, before, -(size + before) % window)

    @property
    def count(self) -> int:
        return (self.before + self.size + self.after) // self.window

    @property
    def padded(self) -> bool:
        return bool(self.before or self.after)


@dataclass(frozen=True)
class _Grid:
    """The windows of one map."""

    rows: _Axis
    columns: _Axis

    @classmethod
    def of(cls, height: int, width: int, window: int, shift: int) -> "_Grid":
        return cls(_Axis.of(height, window, shift), _Axis.of(width, window, shift))

    def split(self, maps: Tensor) -> Tensor:
        """``[B, H, W, C]`` to ``[B, windows, positions, C]``, cut windows filled up with zeros."""
        rows, columns = self.rows, self.columns
        if rows.padded or columns.padded:
            maps = F.pad(maps, (0, 0, columns.before, columns.after, rows.before, rows.after))
        batch, channels = maps.shape[0], maps.shape[-1]
        cut = maps.reshape(batch, rows.count, rows.window, columns.count, columns.window, channels)
        shape = (batch, rows.count * columns.count, rows.window * columns.window, channels)
        return cut.transpose(2, 3).reshape(shape)

    def join(self, windows: Tensor) -> Tensor:
        """Undo :meth:`split`."""
        rows, columns = self.rows, self.columns
        batch, channels = windows.shape[0], windows.shape[-1]
        cut = windows.reshape(batch, rows.count, columns.count, rows.window, columns.window, channels)
        shape = (batch, rows.count * rows.window, columns.count * columns.window, channels)
        maps = cut.transpose(2, 3).reshape(shape)
        return maps[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]

    def mask(self, like: Tensor) -> Tensor | None:
        """0 for real keys, -inf for others, ``[1, windows, 1, positions]``; None if all are real."""
        if not (self.rows.padded or self.columns.padded):
            return None
        real = like.new_zeros(1, self.rows.size, self.columns.size, 1)
        filled = self.split(real + 1) == 0
        return torch.zeros_like(filled, dtype=like.dtype).masked_fill(filled, -torch.inf).transpose(2, 3)
