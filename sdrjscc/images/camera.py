"""Pictures of a camera, through OpenCV where it is installed."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.images.io import MAX_SIDE, Picture


def camera_number(place: str) -> int | None:
    """N of ``camera:N``; ``None`` of what is no camera.

    Raises:
        ConfigError: N is no number.
    """
    name, colon, number = place.partition(":")
    if name != "camera" or not colon:
        return None
    if not re.fullmatch("[0-9]+", number):
        raise ConfigError(f"a camera must be camera:N, N its number from 0 (got '{place}')")
    return int(number)


def need_library() -> Any:
    """OpenCV's module.

    Raises:
        ConfigError: it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise ConfigError(
            f"a camera needs the package opencv-python: pip install opencv-python-headless (got: {error})"
        ) from None


def frames(number: int, max_side: int = 0) -> Iterator[Picture]:
    """A camera's pictures, each taken when it is asked for.

    Args:
        number: OpenCV's number of it.
        max_side: larger pictures are shrunk to this, px; 0: to what a frame header can state.

    Raises:
        ConfigError: OpenCV is not installed.
        ImageError: the camera cannot be opened, or gives no more pictures.
    """
    cv2 = need_library()
    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise ImageError(f"camera:{number} must be there and free (it cannot be opened)")
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not one that waited
        while True:
            taken, image = device.read()
            if not taken:
                raise ImageError(f"camera:{number} must give pictures (it gave no more)")
            yield _picture(image[:, :, ::-1], f"camera:{number}", max_side)  # it gives BGR
    finally:
        device.release()


def _picture(rgb: Any, name: str, max_side: int) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(rgb))
    side = max_side or MAX_SIDE
    image.thumbnail((side, side), Image.Resampling.LANCZOS)  # leaves smaller ones alone
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return Picture(pixels.view(image.height, image.width, 3).permute(2, 0, 1).contiguous(), name)
