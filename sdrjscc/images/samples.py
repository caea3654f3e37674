"""The photographs inside scikit-image's wheel: real colour pictures without a download."""

from importlib.util import find_spec
from pathlib import Path

from sdrjscc.errors import ImageError
from sdrjscc.images.io import Picture, read_image

_FILES = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "retina": "retina.jpg",
    "hubble_deep_field": "hubble_deep_field.jpg",
}


def sample_names() -> tuple[str, ...]:
    """Names that :func:`sample_path` and :func:`read_sample` know."""
    return tuple(_FILES)


def sample_path(name: str) -> Path:
    """Where the photograph lies on disk. scikit-image's own downloader is never asked.

    Raises:
        ImageError: for an unknown name, or when scikit-image or the file is not installed.
    """
    if name not in _FILES:
        raise ImageError(f"sample must be one of {', '.join(_FILES)} (got {name!r})")
    spec = find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "data" / _FILES[name]
        if path.is_file():
            return path
    raise ImageError(f"sample {name!r} must be in the installed scikit-image (it has no data/{_FILES[name]})")


def read_sample(name: str, *, max_side: int | None = None) -> Picture:
    """Read a bundled photograph as :func:`sdrjscc.images.io.read_image` does.

    Returns:
        The picture, named by the sample's name rather than its file.

    Raises:
        ImageError: as :func:`sample_path` and ``read_image``.
    """
    picture = read_image(sample_path(name), max_side=max_side)
    return Picture(picture.pixels, name, picture.notes)
