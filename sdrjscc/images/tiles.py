"""Run a convolutional network over a large picture in tiles, with the result of the whole.

::

    +------------------+      each tile is its core plus a halo; the halo's
    |  halo  ........  |      output is thrown away, so nothing that the
    |  .+----------+.  |      network sees at a cut ever reaches the result.
    |  .|   core   |.  |      Where the core touches the picture's border there
    |  .+----------+.  |      is no halo, and the network pads as it always does.
    +------------------+
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from sdrjscc.errors import ImageError


@dataclass(frozen=True)
class _Span:
    """One axis of one tile, in input units: the core ``start..stop`` and what surrounds it."""

    outer_start: int
    start: int
    stop: int
    outer_stop: int


def apply_tiled(
    function: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    halo: int,
    tile: int,
    multiple: int = 1,
    scale: Fraction | int = 1,
) -> Tensor:
    """Apply a fully convolutional network tile by tile; equal to ``function(images)``.

    Memory is bounded by the tile, plus input and output. It holds for networks whose
    output depends on a bounded neighbourhood: no attention over the picture, no global
    pooling, no normalisation by a mean over the picture. Meant for inference: the output
    is filled in place.

    Args:
        function: ``[B, C, h, w]`` to ``[B, C', h * scale, w * scale]``.
        images: ``[B, C, H, W]``, H and W multiples of ``multiple``.
        halo: input elements around a tile's core, at least the radius of the receptive
            field seen from the input; rounded up to ``multiple``.
        tile: side of the core in input elements; rounded up to ``multiple``.
        multiple: the network's total stride in input elements; it may only be shifted by this.
        scale: output size over input size: ``Fraction(1, 4)`` for an encoder with two
            strides of 2, ``4`` for its decoder.

    Returns:
        ``[B, C', H * scale, W * scale]``.

    Raises:
        ImageError: for sizes that do not fit ``multiple``, or parameters out of range.
    """
    halo, tile = _checked(images, halo, tile, multiple)
    rows, columns = _spans(images.shape[-2], tile, halo), _spans(images.shape[-1], tile, halo)
    if len(rows) == 1 and len(columns) == 1:
        return function(images)
    output: Tensor | None = None
    for row in rows:
        for column in columns:
            piece = images[..., row.outer_start : row.outer_stop, column.outer_start : column.outer_stop]
            core = _core(function(piece), row, column, Fraction(scale))
            if output is None:
                size = [int(side * Fraction(scale)) for side in images.shape[-2:]]
                output = core.new_empty((*core.shape[:-2], *size))
            top, left = int(row.start * Fraction(scale)), int(column.start * Fraction(scale))
            output[..., top : top + core.shape[-2], left : left + core.shape[-1]] = core
    assert output is not None
    return output


def _checked(images: Tensor, halo: int, tile: int, multiple: int) -> tuple[int, int]:
    """Halo and tile rounded up to ``multiple``, after checking all sizes."""
    if multiple < 1 or tile < 1 or halo < 0:
        raise ImageError(
            f"tile and multiple must be positive, halo not negative (got {tile}, {multiple}, {halo})"
        )
    if images.shape[-2] % multiple or images.shape[-1] % multiple:
        raise ImageError(f"sides must be multiples of {multiple} (got shape {tuple(images.shape)})")
    return -(-halo // multiple) * multiple, -(-tile // multiple) * multiple


def _spans(side: int, tile: int, halo: int) -> list[_Span]:
    """Cut one axis into cores of ``tile`` with their halos, clipped to the picture."""
    starts = range(0, side, tile)
    return [
        _Span(max(0, start - halo), start, min(start + tile, side), min(side, start + tile + halo))
        for start in starts
    ]


def _core(output: Tensor, row: _Span, column: _Span, scale: Fraction) -> Tensor:
    """Cut the halo off a tile's output ``[..., h, w]``."""
    slices = [
        slice(int((span.start - span.outer_start) * scale), int((span.stop - span.outer_start) * scale))
        for span in (row, column)
    ]
    return output[..., slices[0], slices[1]]
