"""BPG through the programs ``bpgenc`` and ``bpgdec``, where the user has them on the PATH.

They are in no package registry; https://bellard.org/bpg has their source. The size that a file
states is read before the decoder sees it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from torch import Tensor

from sdrjscc.errors import ImageError
from sdrjscc.images.io import read_image, write_png

STEPS = 52
"""Quality steps: the quantiser parameters 51 (step 0) to 0."""

_MAGIC = b"BPG\xfb"
_TIME_LIMIT_S = 120.0


def encode_bpg(pixels: Tensor, step: int) -> bytes:
    """Encode uint8 ``[3, H, W]``, 4:4:4.

    Raises:
        ImageError: there is no ``bpgenc``, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "picture.png"), Path(folder, "picture.bpg")
        write_png(source, pixels)
        _run("bpgenc", "-q", str(STEPS - 1 - step), "-f", "444", "-o", str(target), str(source))
        return _content(target, "bpgenc")


def decode_bpg(payload: bytes, width: int, height: int) -> Tensor:
    """Decode a BPG file into uint8 ``[3, height, width]``.

    Raises:
        ImageError: there is no ``bpgdec``, it fails, or the picture has another size.
    """
    size = _stated_size(payload)
    if size != (width, height):
        raise ImageError(f"payload must be a picture of {width}x{height} px (got {size[0]}x{size[1]})")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "picture.bpg"), Path(folder, "picture.png")
        source.write_bytes(payload)
        _run("bpgdec", "-o", str(target), str(source))
        pixels = read_image(target).pixels
    if pixels.shape[1:] != (height, width):
        raise ImageError(
            f"payload must be a picture of {width}x{height} px (got {pixels.shape[2]}x{pixels.shape[1]})"
        )
    return pixels


def require_bpg(*programs: str) -> None:
    """Check that these programs are there.

    Raises:
        ImageError: one of them is not on the PATH.
    """
    for program in programs:
        if shutil.which(program) is None:
            raise ImageError(f"{program} must be on the PATH for BPG (it is not; source: bellard.org/bpg)")


def _run(program: str, *arguments: str) -> None:
    require_bpg(program)
    try:
        done = subprocess.run(
            [program, *arguments],
            check=False,
            capture_output=True,
            timeout=_TIME_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{program} must run and come to an end (got: {error})") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise ImageError(
            f"{program} must take the picture (it returned {done.returncode} and said: {said[0]})"
        )


def _content(path: Path, program: str) -> bytes:
    if not path.is_file():
        raise ImageError(f"{program} must write its file (it did not)")
    return path.read_bytes()


def _stated_size(payload: bytes) -> tuple[int, int]:
    """Width and height of a BPG header: after magic and two bytes, as numbers of 7 bits a byte."""
    if payload[:4] != _MAGIC:
        raise ImageError(f"payload must be a BPG file (got {payload[:4]!r})")
    sizes, at = [], 6
    for _ in range(2):
        value = 0
        while True:
            if at >= min(len(payload), 16):
                raise ImageError("a BPG file must state its size in its first bytes (this one does not)")
            value, more = value << 7 | payload[at] & 0x7F, payload[at] & 0x80
            at += 1
            if not more:
                break
        sizes.append(value)
    return sizes[0], sizes[1]
