"""Image sink: received pictures as files."""

import json
import math
import re
from pathlib import Path
from typing import Any, ClassVar

import pmt
from gnuradio import gr

from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels
from sdrjscc.grblocks.ports import add_ports, log
from sdrjscc.images.io import write_png

RESULTS = "results.jsonl"
_MOST_BYTES = 256 << 20
"""Of pictures that wait to be written; what comes beyond is not written."""
_OURS = re.compile(r"(\d{6,})(_n\d+)?(_t\d+)?\.png")


class ImageSink(gr.basic_block):
    """See ``specs_receiving.IMAGE_SINK``.

    Attributes:
        made, written: how many sinks there have been in this process, and pictures of all of them.
    """

    made: ClassVar[int] = 0
    written: ClassVar[int] = 0

    def __init__(self, folder: str = "received", limit: int = 0) -> None:
        gr.basic_block.__init__(self, "Image Sink", in_sig=None, out_sig=None)
        if not isinstance(folder, str | Path) or limit < 0:
            raise ConfigError(f"folder must be a path, limit at least 0 (got {folder!r} and {limit})")
        ImageSink.made += 1
        self._said, self._count, self._skipped = True, 0, 0
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

    def start(self) -> bool:
        """Count anew."""
        self._said, self._count, self._skipped = False, 0, 0
        return True

    def stop(self) -> bool:
        """Write what was measured of the pictures that were written, and say how many there are."""
        self._catch_up()
        if not self._said:
            self._said = True
            log.info("%s: %d pictures in %s", self.name(), self._count, self._folder)
            if self._skipped:
                log.warning("%s: %d more came too fast to be written", self.name(), self._skipped)
        return True

    def _catch_up(self) -> None:
        """Write results first: they are short, and GNU Radio reads one port after the other."""
        while (message := self.to_basic_block().delete_head_nowait(pmt.intern("results"))) is not None:
            self.handle_results(message)

    def _write(self, meta: Meta, data: Array) -> None:
        self._catch_up()
        pixels = picture_pixels(meta, data)
        if self.to_basic_block().nmsgs(pmt.intern("pictures")) * len(data) > _MOST_BYTES:
            self._skipped += 1
            return
        marks = [f"_{key[0]}{int(meta[key])}" for key in ("nonce", "transmission") if key in meta]
        path = self._folder / f"{self._next:06d}{''.join(marks)}.png"
        try:
            write_png(path, pixels, compress_level=1)
            self._next, self._count = self._next + 1, self._count + 1
            ImageSink.written += 1
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
