"""Image sink: received pictures as files."""

import json
import math
import re
from pathlib import Path
from typing import Any

from gnuradio import gr

from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels
from sdrjscc.grblocks.ports import add_ports
from sdrjscc.images.io import write_png

RESULTS = "results.jsonl"
_OURS = re.compile(r"(\d{6,})(_n\d+)?(_t\d+)?\.png")


class ImageSink(gr.basic_block):
    """See ``specs_receiving.IMAGE_SINK``."""

    def __init__(self, folder: str = "received", limit: int = 0) -> None:
        gr.basic_block.__init__(self, "Image Sink", in_sig=None, out_sig=None)
        if limit < 0:
            raise ConfigError(f"limit must be at least 0 (got {limit})")
        self._folder, self._limit = Path(folder).expanduser(), limit
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            found = sorted(path for path in self._folder.iterdir() if _OURS.fullmatch(path.name))
        except OSError as error:
            raise ConfigError(
                f"folder must be one that pictures can be written to (got {folder}: {error.strerror})"
            ) from error
        self._kept = sorted(found, key=_number)
        self._next = _number(self._kept[-1]) + 1 if self._kept else 0
        add_ports(self, {"pictures": self._write, "results": self._note})

    def _write(self, meta: Meta, data: Array) -> None:
        pixels = picture_pixels(meta, data)
        marks = [f"_{key[0]}{int(meta[key])}" for key in ("nonce", "transmission") if key in meta]
        path = self._folder / f"{self._next:06d}{''.join(marks)}.png"
        try:
            write_png(path, pixels)
            self._next += 1
            self._kept.append(path)
            while self._limit and len(self._kept) > self._limit:
                self._kept.pop(0).unlink(missing_ok=True)
        except OSError as error:
            raise ImageError(f"a picture must be written without an error (got {path}: {error})") from error

    def _note(self, meta: Meta, data: Array) -> None:
        line = json.dumps({key: _plain(value) for key, value in meta.items()}, allow_nan=False)
        try:
            with (self._folder / RESULTS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise ImageError(f"{RESULTS} must be written without an error (got: {error})") from error


def _number(path: Path) -> int:
    return int(path.name[:6] if (found := _OURS.fullmatch(path.name)) is None else found[1])


def _plain(value: Any) -> Any:
    """JSON has no infinity; a vector becomes a list."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(one) for one in value.tolist()] if hasattr(value, "tolist") else value
