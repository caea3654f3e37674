"""Pictures one after another: from files, folders, the bundled photos, or a camera."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count as counted
from pathlib import Path

from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.images import camera
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import MAX_SIDE, Picture, read_image
from sdrjscc.images.samples import read_sample, sample_names

log = logging.getLogger(__name__)

SAMPLES = "samples"
CACHE_BYTES = 64 << 20

Places = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Wishes:
    """Which pictures, and how large.

    Attributes:
        repeat: begin again after the last one.
        count: end after so many; 0: after the last one.
        max_side: shrink larger pictures to this, px; 0: leave them.
        crop: side of the square cut from the middle, px; 0: the whole picture.
    """

    repeat: bool = False
    count: int = 0
    max_side: int = 0
    crop: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one is out of its range.
        """
        if self.count < 0:
            raise ConfigError(f"count must be at least 0 (got {self.count})")
        for name, side in (("max_side", self.max_side), ("crop", self.crop)):
            if not 0 <= side <= MAX_SIDE:
                raise ConfigError(f"{name} must be 0 to {MAX_SIDE} pixels (got {side})")


class Supply:
    """Pictures in their order; what cannot be read is named in the log and left out.

    With ``repeat``, pictures are decoded once and kept while ``CACHE_BYTES`` lasts.
    """

    def __init__(self, places: Places, wishes: Wishes) -> None:
        """Find the pictures; none is read yet.

        Args:
            places: a file, a folder, ``samples``, or a list of them; or ``camera:N`` alone.
            wishes: which, and how large.

        Raises:
            ConfigError: no place, a camera that is not the only one, or no library for it.
            ImageError: there is no such file.
            TrainingError: a folder holds no picture.
        """
        self._wishes = wishes
        listed = _listed(places)
        if not listed:
            raise ConfigError("pictures must be at least one file or folder (got none)")
        self._camera = next((n for n in map(camera.camera_number, map(str, listed)) if n is not None), None)
        if self._camera is None:
            self._readers = [reader for place in listed for reader in _readers(place, wishes.max_side)]
        elif len(listed) > 1:
            raise ConfigError(f"a camera must be the only place of pictures (got {len(listed)} places)")
        else:
            camera.need_library()
        self._kept: dict[int, Picture] = {}
        self._left = CACHE_BYTES if wishes.repeat else 0

    def pictures(self) -> Generator[tuple[Picture, bool]]:
        """Every picture, and whether it is the last one, from the beginning.

        Of files one is read ahead to know that. A camera's pictures are read when they are asked
        for, so that they are not old.

        Raises:
            ImageError: the camera gives no pictures.
        """
        if self._camera is not None:
            yield from self._live(self._camera)
            return
        ahead: Picture | None = None
        for number, picture in enumerate(self._readable(), start=1):
            if ahead is not None:
                yield ahead, False
            ahead = picture
            if number == self._wishes.count:
                break
        if ahead is not None:
            yield ahead, True

    def _live(self, number: int) -> Iterator[tuple[Picture, bool]]:
        for taken, picture in enumerate(camera.frames(number, self._wishes.max_side), start=1):
            last = taken == self._wishes.count
            yield _cropped(picture, self._wishes.crop), last
            if last:
                return

    def _readable(self) -> Iterator[Picture]:
        bad: set[int] = set()
        for _ in counted() if self._wishes.repeat else range(1):
            for index in range(len(self._readers)):
                if index in bad:
                    continue
                try:
                    yield self._picture(index)
                except ImageError as error:
                    log.warning("left out: %s", error)
                    bad.add(index)
            if len(bad) == len(self._readers):
                return

    def _picture(self, index: int) -> Picture:
        if index in self._kept:
            return self._kept[index]
        picture = _cropped(self._readers[index](), self._wishes.crop)
        if self._left >= picture.pixels.numel():
            self._left -= picture.pixels.numel()
            self._kept[index] = picture
        return picture


def _listed(places: Places) -> list[str | Path]:
    if isinstance(places, str | Path):
        return [places]
    if isinstance(places, Sequence) and all(isinstance(place, str | Path) for place in places):
        return list(places)
    raise ConfigError(f"pictures must be a file, a folder, or a list of them (got {places!r})")


def _readers(place: str | Path, max_side: int) -> list[Callable[[], Picture]]:
    largest = max_side or None
    if place == SAMPLES:
        return [partial(read_sample, name, max_side=largest) for name in sample_names()]
    path = Path(place)
    if not path.exists():
        read_image(path)  # says so
    files = find_images(path) if path.is_dir() else [path]
    return [partial(read_image, file, max_side=largest) for file in files]


def _cropped(picture: Picture, side: int) -> Picture:
    """The square of ``side`` px in the middle; 0: the picture.

    Raises:
        ImageError: the picture is smaller.
    """
    if not side:
        return picture
    if min(picture.width, picture.height) < side:
        raise ImageError(
            f"a picture to crop must be at least {side} px a side "
            f"(got {picture.width}x{picture.height}: {picture.name})"
        )
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    pixels = picture.pixels[:, top : top + side, left : left + side].contiguous()
    return replace(picture, pixels=pixels)
