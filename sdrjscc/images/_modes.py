"""From each of Pillow's pixel modes to eight-bit RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What "white" may be in modes without a fixed range: Pillow itself scales 16-bit files to "I".
_FULL_SCALES = {"I": (65535.0,), "F": (1.0, 255.0, 65535.0)}


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Bring a decoded picture of any mode to mode ``RGB``.

    Returns:
        The picture, and a note for each choice that the user should know of.
    """
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image, np.float32) / np.float32(65535.0)), ["16 bit scaled to 8"]
    if image.mode in _FULL_SCALES:
        return _from_wide(np.asarray(image, np.float64), _FULL_SCALES[image.mode])
    if image.has_transparency_data:
        return _over_white(image)
    if image.mode == "LAB":
        return _from_lab(image), []
    return image.convert("RGB"), ["CMYK converted without its colour profile"] if image.mode == "CMYK" else []


def _grey(level: NDArray[np.floating[Any]]) -> Image.Image:
    """Floats ``[H, W]`` in [0, 1] as RGB."""
    return Image.fromarray(np.rint(np.clip(level, 0.0, 1.0) * 255.0).astype(np.uint8)).convert("RGB")


def _from_wide(value: NDArray[np.float64], scales: tuple[float, ...]) -> tuple[Image.Image, list[str]]:
    """Wide integers or floats, whose full scale no header states.

    Args:
        value: ``[H, W]``.
        scales: full scales in ascending order; the first that holds every value is
            taken, and if none does, the values are stretched from their own range.
    """
    value = np.nan_to_num(value, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(value.min()), float(value.max())
    for full_scale in scales:
        if low >= 0.0 and high <= full_scale:
            return _grey(value / full_scale), [f"values in 0..{full_scale:g} scaled to 8 bit"]
    return _grey((value - low) / max(high - low, 1e-30)), [f"values in {low:g}..{high:g} stretched to 8 bit"]


def _over_white(image: Image.Image) -> tuple[Image.Image, list[str]]:
    rgba = image.convert("RGBA")
    lowest = rgba.getchannel("A").getextrema()[0]
    if lowest == 255:
        return rgba.convert("RGB"), []
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB"), ["alpha composed over white"]


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b*, which ``convert`` does not know, through Pillow's colour management."""
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return converted if converted is not None else image.convert("RGB")
