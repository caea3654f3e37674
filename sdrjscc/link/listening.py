"""The receiving end at a radio: reader, recording, receiver; pictures as they come."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError
from sdrjscc.link.excerpt import Excerpt
from sdrjscc.link.log import LogLine
from sdrjscc.link.parts import Parts
from sdrjscc.link.reading import Stop, make_reader
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import ReceivedPicture, ReceivingEnd
from sdrjscc.link.recording import Recording, sender_clock_ppm
from sdrjscc.radio.base import Radio, Reception, build_radio


def make_radio(parts: Parts, end: Literal["tx", "rx"]) -> Radio:
    """The radio of one end, not yet open; the transmitting one where there is no other.

    Raises:
        ConfigError, RadioError: it cannot be built.
    """
    config = parts.config
    table = config.radios.tx if end == "tx" or config.radios.rx is None else config.radios.rx
    path = "radios.rx" if table is config.radios.rx else "radios.tx"
    channel = None if config.channel is None else build_plugin("channel", config.channel, "channel")
    share = parts.waveform.occupied_bandwidth_hz(1.0)
    return build_radio(dict(table), path, channel=channel, occupied_share=share)


def need_two_ends(parts: Parts) -> None:
    """Refuse a link whose ends are one object: nothing would come from, or go to, another process.

    Raises:
        ConfigError: its radio is the loopback.
    """
    if parts.config.radios.tx["name"] == "loopback":
        raise ConfigError(
            "radios.tx must be a radio that another process can hear (got 'loopback': use sdrjscc link)"
        )


class Listener:
    """Receives from one radio; opened after it and closed before it.

    Attributes:
        radio: where samples come from.
        reader: between the radio and the receiver.
        receiving: receiver, reassembler and decoder.
        recording: while open, if there is one.
        last_packet: the last that was accepted.
        samples: received so far, those dropped included.
        excerpt: the newest samples, for figures.
    """

    def __init__(
        self,
        parts: Parts,
        radio: Radio,
        *,
        record: Path | None = None,
        force: bool = False,
        transmits_here: bool = False,
    ) -> None:
        """Build the receiving end.

        Args:
            parts: the link's.
            radio: receives.
            record: SigMF recording to write all samples to.
            force: replace a recording of that name.
            transmits_here: whether the radio is the transmitting end too.
        """
        self._parts, self.radio, self._record, self._force = parts, radio, record, force
        self.reader = make_reader(radio, self._tap, transmits_here=transmits_here)
        self.receiving = ReceivingEnd(
            parts,
            radio,
            sender_clock_ppm(parts.config, radio),
            on_packet=self._packet,
            on_undecodable=self._undecodable,
        )
        self.recording: Recording | None = None
        self.last_packet: Packet | None = None
        self.samples = 0
        self.excerpt = Excerpt(radio.antennas)
        self._open: ExitStack | None = None

    def __enter__(self) -> Self:
        """Begin to record and to read; the radio must be open.

        Raises:
            CaptureError: the recording cannot be written.
        """
        with ExitStack() as stack:
            if self._record is not None:
                radios = self._parts.config.radios
                table = radios.tx if radios.rx is None else radios.rx
                self.recording = Recording(self._record, self._parts, self.radio, table, force=self._force)
                stack.callback(self._close_recording)
            stack.callback(self.reader.stop)
            self.reader.start()
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading; finish the recording."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(kind, error, trace)

    def note(self, line: LogLine | None) -> None:
        """Write what was sent from here into the recording, if there is one."""
        if self.recording is not None and line is not None:
            self.recording.sent(line)

    def pictures(
        self, duration_s: float | None = None, stop: Stop = lambda: False
    ) -> Iterator[tuple[Reception, list[ReceivedPicture]]]:
        """Every reception with the pictures that it completed; call :meth:`rest` however this ends.

        Args:
            duration_s: end after so long; ``None``: when the radio ends, or never.
            stop: asked often, ends it as well; what was read until then is received.

        Raises:
            RadioError: the radio was lost, after what it had given was passed on.
        """
        for reception in self.reader.receptions(duration_s, stop):
            self.samples += reception.dropped + reception.samples.shape[-1]
            self.excerpt.add(self.receiving.receiver.position + reception.dropped, reception.samples)
            yield reception, self.receiving.push(reception.samples, dropped=reception.dropped)

    def rest(self) -> list[ReceivedPicture]:
        """Pictures that are still incomplete, as far as they came."""
        return self.receiving.flush()

    def _tap(self, reception: Reception) -> None:
        if self.recording is not None:
            self.recording.tap(reception)

    def _packet(self, packet: Packet) -> None:
        self.last_packet = packet
        if self.recording is not None:
            self.recording.packet(packet)

    def _undecodable(self, position: float) -> None:
        if self.recording is not None:
            self.recording.undecodable(position)

    def _close_recording(self) -> None:
        if self.recording is not None:
            self.recording.close(replace(self.receiving.receiver.counters))
