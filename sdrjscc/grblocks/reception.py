"""What the frame receiver does with samples, here or in a process of its own."""

import torch

from sdrjscc.grblocks.pdu import Array, Meta
from sdrjscc.grblocks.place import Place
from sdrjscc.grblocks.received import packet_meta, transmission_meta
from sdrjscc.grblocks.rx_time import Stretch
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import Collector

Message = tuple[str, Meta, Array]
"""Port, dictionary and vector."""


class Reception:
    """A receiver with the messages that come of it."""

    def __init__(self, parts: Parts, place: Place) -> None:
        self._parts, self._place = parts, place
        self._messages: list[Message] = []
        self.begin()

    def begin(self) -> None:
        """A new stream begins."""
        place = self._place
        self._collector = Collector(self._parts, place, place.clock_ppm, on_packet=self._packet)

    def receive(self, samples: Array, stretches: list[Stretch]) -> list[Message]:
        """Take samples, complex64 ``[antennas, n]``, cut as their tags say; return what they completed.

        Raises:
            SignalError: they are no samples.
        """
        self._messages = []
        for part in stretches:
            done = self._collector.flush() if part.fresh else []
            piece = torch.from_numpy(samples[:, part.first : part.last])
            done += self._collector.push(piece, dropped=part.dropped)
            for one in done:
                self._messages.append(("transmissions", _plain(transmission_meta(one)), one.symbols.numpy()))
        return self._messages

    def _packet(self, packet: Packet) -> None:
        self._messages.append(("packets", _plain(packet_meta(packet)), packet.symbols.numpy()))


def _plain(meta: Meta) -> Meta:
    return {key: value.numpy() if isinstance(value, torch.Tensor) else value for key, value in meta.items()}
