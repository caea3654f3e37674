"""The transmitting end: pictures in, samples to a radio, a line in the log."""

import secrets

from sdrjscc.errors import ConfigError
from sdrjscc.link.log import LogLine, Source, TransmitLog, log_line
from sdrjscc.link.parts import Parts, mode_at_snr, sending_mode
from sdrjscc.link.transmitter import Transmission, Transmitter
from sdrjscc.mapping.base import modulation_orders
from sdrjscc.radio.base import Radio, Repeater


class SendingEnd:
    """Encoder, modulator and radio of one link.

    Attributes:
        log: where every transmission is written down; ``None``: nowhere.
        last_line: of the last transmission.
    """

    def __init__(
        self, parts: Parts, radio: Radio, *, nonce: int | None = None, log: TransmitLog | None = None
    ) -> None:
        """Build the transmitting end.

        Args:
            parts: the link's codec, mapper and waveform.
            radio: what transmits.
            nonce: 8-bit number that tells senders apart; ``None`` draws one.
            log: written to before each transmission.

        Raises:
            ConfigError: the mapping has no such mode.
        """
        self._parts, self._radio, self.log = parts, radio, log
        self.last_line: LogLine | None = None
        # without a number in the configuration, until a receiver has reported: the lowest order
        self._mode = sending_mode(parts, otherwise=getattr(parts.codec, "first_mode", 0))
        self._transmitter = Transmitter(
            parts.codec,
            parts.mapper,
            parts.waveform,
            digest=parts.digest,
            nonce=secrets.randbelow(256) if nonce is None else nonce,
            mode=self._mode,
            device=parts.device,
        )

    @property
    def mode(self) -> int:
        """Modulation order's number that the next picture takes."""
        return self._mode

    def report(self, snr_db: float) -> None:
        """Take the SNR that a receiver measured; a link whose mode is ``auto`` follows it.

        A software channel whose SNR is configured has been followed from the start.
        """
        orders = modulation_orders(self._parts.mapper)
        channel = self._parts.config.channel or {}
        if self._parts.config.mode == "auto" and orders and channel.get("snr_db") is None:
            self._mode = mode_at_snr(self._parts.codec, self._parts.mapper, snr_db)

    def send(self, source: Source, *, more: bool = False) -> Transmission:
        """Send one picture; returns when the radio has taken its samples.

        Raises:
            ImageError: it cannot be sent.
            RadioError: the radio was lost.
        """
        sent = self.prepare(source, more=more)
        self.transmit(sent)
        return sent

    def prepare(self, source: Source, *, more: bool = False, repeated: bool = False) -> Transmission:
        """Encode and modulate a picture that is going to be transmitted, and write it into the log.

        Raises:
            ImageError: it cannot be sent.
        """
        sent = self._transmitter.transmit(source.picture.pixels, more=more, mode=self._mode)
        line = log_line(
            sent,
            source,
            digest=self._parts.digest,
            mode=self._mode,
            airtime_s=sent.samples.numel() / self._radio.sample_rate_hz,
            repeated=repeated,
        )
        self.last_line = line
        if self.log is not None:
            self.log.write(line)
        return sent

    def transmit(self, sent: Transmission) -> None:
        """Hand prepared samples to the radio.

        Raises:
            RadioError: the radio was lost.
        """
        self._radio.transmit(sent.samples)

    def repeat(self, source: Source) -> Transmission:
        """Send one picture over and over, until the next one or until the radio is closed.

        Raises:
            ConfigError: the radio cannot.
            RadioError: the radio was lost, or the frames do not fit its memory.
        """
        if not isinstance(self._radio, Repeater):
            raise ConfigError(
                "the radio must be able to repeat by itself (this one cannot: send the picture again)"
            )
        sent = self.prepare(source, repeated=True)
        self._radio.repeat(sent.samples)
        return sent

    @property
    def repeats(self) -> bool:
        """Whether the radio can repeat by itself."""
        return isinstance(self._radio, Repeater)
