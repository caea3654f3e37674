"""Image source: pictures out, each when there is room for it."""

import time
from contextlib import closing
from threading import Thread

from gnuradio import gr

from sdrjscc.errors import ConfigError, SdrJsccError
from sdrjscc.grblocks.ends import finish
from sdrjscc.grblocks.pdu import picture_data
from sdrjscc.grblocks.ports import add_input, add_ports, log, publish
from sdrjscc.grblocks.turns import Turns
from sdrjscc.images.supply import Places, Supply, Wishes
from sdrjscc.link.transmitter import IDS


class ImageSource(gr.basic_block):
    """See ``specs_sending.IMAGE_SOURCE``."""

    def __init__(
        self,
        places: Places = "samples",
        repeat: bool = False,
        count: int = 0,
        interval_s: float = 0.0,
        max_side: int = 0,
        crop: int = 0,
    ) -> None:
        gr.basic_block.__init__(self, "Image Source", in_sig=None, out_sig=None)
        self._supply = Supply(places, Wishes(repeat, count, max_side, crop))
        self._turns = Turns(_checked(interval_s))
        add_ports(self, {}, ["pictures"])
        add_input(self, "next", lambda message: self._turns.ask())

    def set_interval_s(self, interval_s: float) -> None:
        """Change the time between two pictures; 0: when asked."""
        self._turns.set_interval(_checked(interval_s))

    def start(self) -> bool:
        """Begin with the first picture."""
        self._turns = Turns(self._turns.interval_s)
        Thread(target=self._run, args=(self._turns,), name="Image Source", daemon=True).start()
        return True

    def stop(self) -> bool:
        """Have the thread end, without waiting for a picture that it may be reading."""
        self._turns.end()
        return True

    def _run(self, turns: Turns) -> None:
        try:
            if self._send_all(turns):
                finish(self)
        except Exception as error:  # whatever a camera raises: the transmitter must get its last PDU
            log.error("%s: %s", self.name(), error, exc_info=not isinstance(error, SdrJsccError))
            publish(self, "pictures", {"error": str(error), "last": True})
            finish(self)

    def _send_all(self, turns: Turns) -> bool:
        """Whether all pictures went out before the end of the turns."""
        index, last = 0, False
        with closing(self._supply.pictures()) as pictures:
            while not last and turns.wait():
                found = next(pictures, None)
                if found is None:
                    log.error("%s: none of the pictures can be read", self.name())
                    return True
                picture, last = found
                height, width = picture.pixels.shape[1:]
                meta = {"name": picture.name, "index": index, "transmission": index % IDS}
                meta |= {"width": width, "height": height, "time_s": time.time()}
                publish(
                    self, "pictures", meta | ({"last": True} if last else {}), picture_data(picture.pixels)
                )
                index += 1
        return last


def _checked(interval_s: float) -> float:
    if not 0.0 <= interval_s < float("inf"):
        raise ConfigError(f"interval_s must be at least 0 seconds (got {interval_s})")
    return interval_s
