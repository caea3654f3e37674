"""Bring pictures to a size that a codec can divide, and back.

The rows and columns are added at the bottom and on the right only, so that cropping back
needs nothing but the picture's own width and height.
"""

import torch
from torch import Tensor

from sdrjscc.errors import ImageError


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Extend both sides to the next multiple, by reflection where a side is long enough.

    Reflection leaves no edge for the codec to spend symbols on; it needs fewer new rows
    than there are old ones. Shorter sides repeat their last row or column. The choice is
    made for each axis on its own.

    Args:
        images: ``[..., H, W]`` of any type, H and W at least 1.
        multiple: positive integer, in pixels.

    Returns:
        ``[..., H', W']`` with H' and W' the next multiples; the input itself if it fits.

    Raises:
        ImageError: if ``multiple`` is not positive, or a side is empty.
    """
    if multiple < 1:
        raise ImageError(f"multiple must be at least 1 pixel (got {multiple})")
    for axis in (-2, -1):
        side = images.shape[axis]
        if side < 1:
            raise ImageError(f"picture sides must be at least 1 pixel (got shape {tuple(images.shape)})")
        if side % multiple:
            images = images.index_select(axis, _source_index(side, multiple).to(images.device))
    return images


def crop(images: Tensor, width: int, height: int) -> Tensor:
    """Undo :func:`pad_to_multiple`: the upper left ``height`` x ``width`` of ``[..., H, W]``.

    Raises:
        ImageError: if the images are smaller than that.
    """
    if images.shape[-2] < height or images.shape[-1] < width:
        raise ImageError(f"crop must fit into the picture (got {width}x{height} of {tuple(images.shape)})")
    return images[..., :height, :width]


def _source_index(side: int, multiple: int) -> Tensor:
    """Which old row each new row repeats: int64 ``[side rounded up to multiple]``."""
    padded = -(-side // multiple) * multiple
    index = torch.arange(padded)
    if padded - side < side:
        return (side - 1) - (side - 1 - index).abs()
    return index.clamp(max=side - 1)
