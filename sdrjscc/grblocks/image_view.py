"""Image view: pictures in a Qt window, with what the probe measured."""

from gnuradio import gr

from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels, wanted
from sdrjscc.grblocks.picture_widget import PictureWidget
from sdrjscc.grblocks.ports import add_ports
from sdrjscc.grblocks.recent import Recent

_WAITING = 32
_BYTES = 64 << 20
_MEASURED = {"psnr_db": "PSNR {:.1f} dB", "snr_db": "SNR {:.1f} dB", "cfo_hz": "CFO {:z.0f} Hz"}


class ImageView(gr.basic_block):
    """See ``specs_receiving.IMAGE_VIEW``.

    Attributes:
        widget: what is put into the window.
    """

    def __init__(self, label: str = "received") -> None:
        gr.basic_block.__init__(self, "Image View", in_sig=None, out_sig=None)
        self.widget = PictureWidget(label)
        self._waiting = Recent[int](_WAITING, _BYTES)
        self._measured = False
        add_ports(self, {"pictures": self._take, "results": self._caption})

    def _take(self, meta: Meta, data: Array) -> None:
        """Show a picture; once there are measurements, when its own has come."""
        if "error" in meta:
            return
        picture_pixels(meta, data)
        if not self._measured:
            self._show(meta, data, {})
            return
        self._waiting.put(wanted(meta, "transmission")[0], meta, data)
        if len(self._waiting) == _WAITING:  # nothing is measured any more
            self._measured = False
            self._waiting.clear()
            self._show(meta, data, {})

    def _caption(self, result: Meta, data: Array) -> None:
        self._measured = True
        found = self._waiting.pop_through(wanted(result, "transmission")[0])
        if found is not None:
            self._show(*found, result)

    def _show(self, meta: Meta, data: Array, result: Meta) -> None:
        pixels = data.reshape(meta["height"], meta["width"], 3)
        self.widget.show_picture(pixels, caption(meta, result))


def caption(meta: Meta, result: Meta) -> str:
    """Name and size of a picture; in a second line what was measured of one that was received."""
    name = meta.get("name") or result.get("image") or f"transmission {meta.get('transmission', '?')}"
    words = []
    if "nonce" in meta:
        known = {"snr_db": meta.get("pilot_snr_db"), "cfo_hz": meta.get("cfo_hz")} | result
        words = [text.format(known[key]) for key, text in _MEASURED.items() if known.get(key) is not None]
    return f"{name}  {meta['width']}x{meta['height']}\n" + "   ".join(words)
