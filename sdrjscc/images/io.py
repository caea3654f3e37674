"""Read any picture that Pillow reads into one form, and write PNGs."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from sdrjscc.errors import ImageError
from sdrjscc.files import write_atomic
from sdrjscc.images._modes import to_rgb

MAX_SIDE = 4095
"""Longest side in pixels that a frame header can describe (12 bits)."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is sent.

    Attributes:
        pixels: uint8 ``[3, H, W]``, sRGB, upright.
        name: the file's name, printable (undecodable bytes escaped).
        notes: what was done to the file's content on the way here, for the user.
    """

    pixels: Tensor
    name: str
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.pixels.shape[-1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[-2])


def read_image(path: Path | str, *, max_side: int | None = None) -> Picture:
    """Read a picture: upright, eight bits, RGB, first frame, alpha over white.

    Args:
        path: a file in any format that Pillow reads.
        max_side: shrink (Lanczos, same aspect, at least 1 pixel) so that the longer side
            is at most this; 1 to 4095. ``None``: pictures longer than 4095 are refused.

    Raises:
        ImageError: if it is missing, a directory, empty, no picture, truncated or too large.
    """
    path = Path(path)
    if max_side is not None and not 1 <= max_side <= MAX_SIDE:
        raise ImageError(f"--max-side must be 1 to {MAX_SIDE} pixels (got {max_side})")
    _check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, image.size, max_side)
                return _picture(image, path, max_side)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise ImageError(
            f"picture must have at most {limit} pixels to be opened (got more: {path})"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"file must be a picture in a format that Pillow reads (got {path})") from error
    except Exception as error:  # the decoders of fifty formats raise anything on damaged bytes
        raise ImageError(f"picture must be whole and undamaged (got {path}: {error})") from error


def write_png(path: Path, pixels: Tensor, *, compress_level: int = 6) -> None:
    """Write uint8 ``[3, H, W]`` as a PNG; a reader never sees half a file.

    Args:
        path: of the file.
        pixels: of the picture.
        compress_level: 0 to 9; 1 takes a third of the time of 6, and a tenth more room.

    Raises:
        ImageError: if the tensor has another shape or type.
        OSError: from the file system.
    """
    image = to_pillow(pixels)
    write_atomic(path, lambda part: image.save(part, format="PNG", compress_level=compress_level))


def to_pillow(pixels: Tensor) -> Image.Image:
    """uint8 ``[3, H, W]`` as a Pillow picture.

    Raises:
        ImageError: if the tensor has another shape or type.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ImageError(f"pixels must be uint8 [3, H, W] (got {pixels.dtype} {tuple(pixels.shape)})")
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def to_float(pixels: Tensor) -> Tensor:
    """uint8 of any shape as float32 in [0, 1]."""
    return pixels.to(torch.float32) / 255.0


def to_uint8(images: Tensor) -> Tensor:
    """Floats of any shape as uint8: clamped to [0, 1], rounded; not-a-number becomes 0."""
    return torch.nan_to_num(images, nan=0.0).clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)


def _check_file(path: Path) -> None:
    """Say what is wrong before Pillow says it in its own words."""
    try:
        if path.is_dir():
            raise ImageError(f"picture must be a file (got the directory {path})")
        if path.stat().st_size == 0 and path.is_file():
            raise ImageError(f"picture must not be empty (got {path} of 0 bytes)")
    except (OSError, ValueError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(f"picture must be a file that can be read (got {path}: {reason})") from error


def _check_size(path: Path, size: tuple[int, int], max_side: int | None) -> None:
    if max_side is None and max(size) > MAX_SIDE:
        raise ImageError(
            f"picture sides must be at most {MAX_SIDE} pixels (got {size[0]}x{size[1]}: {path});"
            f" --max-side N shrinks it, N up to {MAX_SIDE}"
        )


def _picture(image: Image.Image, path: Path, max_side: int | None) -> Picture:
    """Decode, turn upright, bring to RGB and shrink, keeping note of what was done."""
    notes = []
    frames = int(getattr(image, "n_frames", 1)) if getattr(image, "is_animated", False) else 1
    if frames > 1:
        notes.append(f"animated: first frame of {frames}")
    image.load()
    rgb, mode_notes = to_rgb(_upright(image))
    notes += mode_notes
    if max_side is not None and max(rgb.size) > max_side:
        notes.append(f"shrunk from {rgb.width}x{rgb.height}")
        rgb = rgb.resize(_shrunk(rgb.size, max_side), Image.Resampling.LANCZOS)
    pixels = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(rgb.height, rgb.width, 3).permute(2, 0, 1).contiguous()
    return Picture(pixels, path.name.encode("utf-8", "backslashreplace").decode("utf-8"), tuple(notes))


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; a damaged EXIF block does not cost the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow re-encodes the whole block, which fails in as many ways as there are cameras
        return image


def _shrunk(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Size with the longer side at ``max_side`` and the aspect kept."""
    width, height = (max(1, round(side * max_side / max(size))) for side in size)
    return width, height
