"""Training pictures: a folder of images, split by name, and random crops of it."""

import hashlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sdrjscc.errors import ImageError, TrainingError
from sdrjscc.images.io import read_image
from sdrjscc.randomness import derived_generator

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def find_images(folder: Path, exclude: Iterable[str] = ()) -> list[Path]:
    """Image files below ``folder``, sorted, without those whose name matches a pattern.

    Raises:
        TrainingError: no such folder, or no picture in it, or none left.
    """
    if not folder.is_dir():
        raise TrainingError(f"data must be a folder of pictures (got {folder})")
    patterns = tuple(exclude)
    there = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not there:
        raise TrainingError(
            f"data folder must hold pictures ({', '.join(sorted(SUFFIXES))}; got none in {folder})"
        )
    found = [path for path in there if not any(fnmatch(path.name, pattern) for pattern in patterns)]
    if not found:
        named = ", ".join(f"'{pattern}'" for pattern in patterns)
        raise TrainingError(f"exclude must leave pictures of {folder} ({named} removed all {len(there)})")
    return sorted(found)


def check_sides(paths: Iterable[Path], least: int) -> None:
    """Check by the files' heads that all are pictures whose sides have at least ``least`` px.

    Raises:
        TrainingError: one is not; names it.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                width, height = image.size
        except Exception as error:  # the decoders of fifty formats raise anything on damaged bytes
            raise TrainingError(f"training pictures must be readable (got {path}: {error})") from None
        if min(width, height) < least:
            raise TrainingError(
                f"training pictures must be at least {least} px a side (got {width}x{height}: {path})"
            )


def split_by_name(paths: Sequence[Path], validation_share: float) -> tuple[list[Path], list[Path]]:
    """Training and validation part, decided by a hash of each file's name alone.

    Of two pictures or more at least one is for validation: the one with the smallest hash.
    """
    hashes = {p: int(hashlib.sha256(p.name.encode()).hexdigest()[:8], 16) for p in paths}
    validation = {p for p in paths if hashes[p] < int(validation_share * 2**32)}
    if not validation and len(paths) > 1:
        validation = {min(paths, key=hashes.__getitem__)}
    return [p for p in paths if p not in validation], [p for p in paths if p in validation]


def centre_crop(path: Path, side: int, multiple: int = 16) -> Tensor:
    """The centre of a picture, at most ``side`` px a side: float32 ``[3, h, w]`` in [0, 1].

    Sides are multiples of ``multiple``, so that a codec takes them unpadded.

    Raises:
        ImageError: the picture cannot be read, or is smaller than that.
    """
    pixels = read_image(path).pixels
    height, width = (min(side, full) // multiple * multiple for full in pixels.shape[1:])
    if min(height, width) < 1:
        raise ImageError(f"pictures must be at least {multiple} px a side (got {path})")
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return pixels[:, top : top + height, left : left + width].float() / 255


class CropSource:
    """Random crops of pictures, each batch a pure function of the seed and its position.

    Pictures are decoded once and kept as bytes while ``memory_bytes`` lasts; the rest is
    decoded on every use.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        min_scale: float,
        seed: int,
        memory_bytes: int = 3 << 30,
    ) -> None:
        """Prepare the source; nothing is read yet.

        Args:
            paths: picture files.
            min_scale: pictures are shrunk by a factor drawn from [min_scale, 1] first.
            seed: of the order, the crops and the scales.
            memory_bytes: limit of the decoded cache.

        Raises:
            TrainingError: there are no pictures.
        """
        if not paths:
            raise TrainingError("training needs at least one picture (got none after the split)")
        self._paths = list(paths)
        self._min_scale, self._seed, self._left = min_scale, seed, memory_bytes
        self._cache: dict[int, Tensor] = {}
        self._order = -1, torch.empty(0)  # the last epoch's

    def batch(self, first: int, size: int, crop: int) -> Tensor:
        """One random crop of each of ``size`` pictures.

        Args:
            first: pictures that were drawn before; every picture comes once per epoch.
            size: number of crops.
            crop: side of a crop in pixels.

        Returns:
            float32 ``[size, 3, crop, crop]`` in [0, 1].

        Raises:
            ImageError: a picture cannot be read or is smaller than a crop.
        """
        return torch.stack([self._crop(first + index, crop) for index in range(size)])

    def _index(self, position: int) -> int:
        epoch, offset = divmod(position, len(self._paths))
        if self._order[0] != epoch:
            drawn = torch.randperm(len(self._paths), generator=derived_generator("order", self._seed, epoch))
            self._order = epoch, drawn
        return int(self._order[1][offset])

    def _picture(self, index: int) -> Tensor:
        if index in self._cache:
            return self._cache[index]
        pixels = read_image(self._paths[index]).pixels
        if self._left >= pixels.numel():
            self._left -= pixels.numel()
            self._cache[index] = pixels
        return pixels

    def _crop(self, position: int, crop: int) -> Tensor:
        pixels = self._picture(self._index(position))
        height, width = pixels.shape[1:]
        if min(height, width) < crop:
            path = self._paths[self._index(position)]
            raise ImageError(
                f"training pictures must be at least {crop} px a side (got {width}x{height}: {path})"
            )
        draws = torch.rand(4, generator=derived_generator("crop", self._seed, position)).tolist()
        scale = self._min_scale + (1 - self._min_scale) * draws[0]
        side = min(round(crop / scale), height, width)
        top, left = int(draws[1] * (height - side + 1)), int(draws[2] * (width - side + 1))
        window = pixels[:, top : top + side, left : left + side].float() / 255
        if side != crop:
            window = F.interpolate(window.unsqueeze(0), (crop, crop), mode="bilinear", antialias=True)[0]
        return window.flip(-1) if draws[3] < 0.5 else window
