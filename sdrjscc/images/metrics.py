"""PSNR, SSIM and MS-SSIM of two eight-bit pictures, with memory bounded at any size.

The structural metrics are torchmetrics' own, fed in strips of rows. A strip carries the
neighbours that the 11x11 Gaussian window reaches, so its sums are those of the whole
picture; torchmetrics mirrors the picture at its border for SSIM and the luminance term,
and leaves the border out of the contrast term, and the strips keep to that.

Sources: Wang et al., "Image quality assessment: from error visibility to structural
similarity", 2004; Wang, Simoncelli and Bovik, "Multiscale structural similarity", 2003.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sdrjscc.errors import ImageError
from sdrjscc.images.io import to_float

_WINDOW = 11
_REACH = _WINDOW // 2
_STRIP_PIXELS = 1 << 19
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# torchmetrics wants more than ten pixels left after dividing a side by (scales - 1) squared
_MS_SSIM_SIDE = _WINDOW * (len(_SCALE_WEIGHTS) - 1) ** 2


@dataclass(frozen=True)
class Metric:
    """A measured number, or the reason why there is none.

    Attributes:
        value: finite, or ``None`` where the metric is undefined.
        reason: why it is undefined; ``None`` where it is defined.
    """

    value: float | None
    reason: str | None = None


def psnr_db(sent: Tensor, received: Tensor) -> Metric:
    """Peak signal-to-noise ratio in dB over all pixels and colours, peak 255.

    Args:
        sent: uint8 ``[3, H, W]``, the reference.
        received: uint8 of the same shape.

    Returns:
        Undefined (infinite) for identical pictures.

    Raises:
        ImageError: if shapes or types differ from that.
    """
    _check(sent, received)
    squares = 0
    for start, stop in _strips(sent.shape[-2], sent.shape[-1]):
        error = sent[:, start:stop].to(torch.int32) - received[:, start:stop].to(torch.int32)
        squares += int((error * error).sum(dtype=torch.int64))
    if squares == 0:
        return Metric(None, "identical pictures: infinite")
    return Metric(10.0 * math.log10(255.0**2 * sent.numel() / squares))


def ssim(sent: Tensor, received: Tensor) -> Metric:
    """Structural similarity: 11x11 Gaussian window (sigma 1.5), data range 1, mean over colours.

    Args:
        sent: uint8 ``[3, H, W]``, the reference.
        received: uint8 of the same shape.

    Returns:
        Undefined where a side is shorter than the window.

    Raises:
        ImageError: if shapes or types differ from that.
    """
    _check(sent, received)
    if min(sent.shape[-2:]) < _WINDOW:
        return Metric(None, f"sides must be at least {_WINDOW} pixels for the window")
    return _defined(_mean_similarity(sent, received))


def ms_ssim(sent: Tensor, received: Tensor) -> Metric:
    """Multi-scale structural similarity: five scales, negative terms counted as zero.

    Args:
        sent: uint8 ``[3, H, W]``, the reference.
        received: uint8 of the same shape.

    Returns:
        Undefined where a side is shorter than 176 pixels (the window at the fifth scale).

    Raises:
        ImageError: if shapes or types differ from that.
    """
    _check(sent, received)
    if min(sent.shape[-2:]) < _MS_SSIM_SIDE:
        return Metric(None, f"sides must be at least {_MS_SSIM_SIDE} pixels for five scales")
    product = 1.0
    for weight in _SCALE_WEIGHTS[:-1]:
        product *= max(0.0, _mean_contrast(sent, received)) ** weight
        sent, received = _halved(sent), _halved(received)
    return _defined(product * max(0.0, _mean_similarity(sent, received)) ** _SCALE_WEIGHTS[-1])


def _mean_similarity(sent: Tensor, received: Tensor) -> float:
    """Mean SSIM over every pixel of ``[3, h, w]``, the borders mirrored."""
    height, width = sent.shape[-2:]
    total = 0.0
    for start, stop in _strips(height, width):
        # at least the window's rows, so that mirroring at a true border finds them
        low, high = max(0, min(start - _REACH, height - _WINDOW)), min(height, max(stop + _REACH, _WINDOW))
        _, index = _structural(sent[:, low:high], received[:, low:high], "return_full_image")
        total += float(index[..., start - low : stop - low, :].sum(dtype=torch.float64))
    return total / (3 * height * width)


def _mean_contrast(sent: Tensor, received: Tensor) -> float:
    """Mean contrast-structure term over the pixels of ``[3, h, w]`` that have a whole window."""
    height, width = sent.shape[-2:]
    inner = height - 2 * _REACH
    total = 0.0
    for start, stop in _strips(inner, width):
        rows = slice(start, stop + 2 * _REACH)
        _, contrast = _structural(sent[:, rows], received[:, rows], "return_contrast_sensitivity")
        total += float(contrast) * (stop - start)
    return total / inner


def _structural(sent: Tensor, received: Tensor, extra: str) -> tuple[Tensor, Tensor]:
    """SSIM of one strip, by torchmetrics, with its second result switched on by name."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    pair = (_unit(received)[None], _unit(sent)[None])
    similarity, second = structural_similarity_index_measure(*pair, data_range=1.0, **{extra: True})
    return similarity, second


def _halved(pixels: Tensor) -> Tensor:
    """Mean of 2x2 pixels as float ``[3, h // 2, w // 2]``, in strips of even height."""
    height, width = pixels.shape[-2] // 2 * 2, pixels.shape[-1]
    strips = _strips(height // 2, 2 * width)
    return torch.cat(
        [F.avg_pool2d(_unit(pixels[:, 2 * start : 2 * stop])[None], 2)[0] for start, stop in strips], dim=-2
    )


def _unit(pixels: Tensor) -> Tensor:
    """uint8 as float in [0, 1]; floats as they are."""
    return to_float(pixels) if pixels.dtype == torch.uint8 else pixels


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut ``height`` rows into strips of about ``_STRIP_PIXELS``."""
    rows = max(1, _STRIP_PIXELS // width)
    return ((start, min(start + rows, height)) for start in range(0, height, rows))


def _defined(value: float) -> Metric:
    return Metric(value) if math.isfinite(value) else Metric(None, "not a finite number")


def _check(sent: Tensor, received: Tensor) -> None:
    for pixels in (sent, received):
        if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3:
            raise ImageError(f"pixels must be uint8 [3, H, W] (got {pixels.dtype} {tuple(pixels.shape)})")
    if sent.shape != received.shape:
        raise ImageError(f"pictures must have one size (got {tuple(sent.shape)} and {tuple(received.shape)})")
