"""Pictures for the report: previews, error pictures, the detail that is shown enlarged."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sdrjscc.images.io import to_pillow

_DETAIL_WIDTH, _DETAIL_HEIGHT = 72, 48
_PREVIEW_SIDE = 720
_THUMBNAIL_SIDE = 112


@dataclass(frozen=True)
class Detail:
    """A rectangle of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, pixels: Tensor) -> Tensor:
        """Cut it out of ``[..., H, W]``."""
        return pixels[..., self.top : self.top + self.height, self.left : self.left + self.width]


def preview(pixels: Tensor) -> str:
    """uint8 ``[3, H, W]`` as a data URI; pictures longer than 720 pixels are shrunk."""
    return _data_uri(_shrunk(pixels, _PREVIEW_SIDE))


def thumbnail(pixels: Tensor) -> str:
    """uint8 ``[3, H, W]`` as a small data URI."""
    return _data_uri(_shrunk(pixels, _THUMBNAIL_SIDE))


def figure_uri(path: Path) -> str:
    """A PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def error_picture(levels: Tensor, full_scale: float) -> Tensor:
    """Errors ``[H, W]`` as colours uint8 ``[3, H, W]``; from ``full_scale`` upwards the brightest."""
    from matplotlib import colormaps

    table = torch.from_numpy(colormaps["cividis"](range(256), bytes=True)[:, :3].copy())
    index = (levels / full_scale * 255.0).clamp_(0, 255).round_().to(torch.int32)
    return torch.stack([colour[index] for colour in table.T])


def busiest_detail(pixels: Tensor) -> Detail | None:
    """Where a picture changes most from pixel to pixel: what a codec finds hardest.

    Args:
        pixels: uint8 ``[3, H, W]``.

    Returns:
        A rectangle of 72 x 48 pixels; ``None`` for pictures less than twice as large.
    """
    height, width = pixels.shape[-2:]
    if height < 2 * _DETAIL_HEIGHT or width < 2 * _DETAIL_WIDTH:
        return None
    stride = max(8, max(height, width) // 64)
    luma = pixels.to(torch.float32).mean(dim=0)
    slope = luma[:-1, 1:].sub(luma[:-1, :-1]).abs() + luma[1:, :-1].sub(luma[:-1, :-1]).abs()
    activity = F.avg_pool2d(slope[None], (_DETAIL_HEIGHT, _DETAIL_WIDTH), stride)[0]
    place = int(activity.argmax())
    columns = activity.shape[-1]
    return Detail(place % columns * stride, place // columns * stride, _DETAIL_WIDTH, _DETAIL_HEIGHT)


def _shrunk(pixels: Tensor, side: int) -> Image.Image:
    image = to_pillow(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
