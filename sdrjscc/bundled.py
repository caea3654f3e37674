"""The folders of data that travel with the package: recordings, flowgraphs, hardware, recipes.

In the repository they lie beside the package, for people to browse; ``sdrjscc/<name>`` links
to each, so that a checkout, an editable install and a wheel (which carries the files
themselves) all read them at one place.
"""

from importlib import resources
from pathlib import Path

FOLDERS = ("captures", "flowgraphs", "hardware", "recipes")


def bundled_folder(name: str) -> Path:
    """The folder ``name``, one of :data:`FOLDERS`.

    Raises:
        ValueError: for another name.
    """
    if name not in FOLDERS:
        raise ValueError(f"a bundled folder must be one of {', '.join(FOLDERS)} (got {name!r})")
    return Path(str(resources.files("sdrjscc") / name)).resolve()


def bundled_files(name: str, pattern: str = "**/*") -> dict[str, Path]:
    """The files of a bundled folder that match ``pattern``, sorted by their path inside it.

    Returns:
        Path inside the folder, with forward slashes, to where it lies on disk.

    Raises:
        ValueError: for an unknown folder.
    """
    folder = bundled_folder(name)
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}
