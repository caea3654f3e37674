"""A link: both ends, or one of them, built from one configuration.

>>> with Link.from_toml("loopback") as link:          # doctest: +SKIP
...     result = link.send("photo.jpg")
...     print(result.psnr_db.value)
"""

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from sdrjscc.errors import ConfigError
from sdrjscc.images.io import Picture
from sdrjscc.link.excerpt import Excerpt
from sdrjscc.link.listening import Listener, make_radio
from sdrjscc.link.log import Source, read_source
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivedPicture, ReceivingEnd
from sdrjscc.link.recording import Recording
from sdrjscc.link.result import Result, make_result
from sdrjscc.link.sending import SendingEnd
from sdrjscc.link.transmitter import Transmission
from sdrjscc.linkfile import LinkConfig, load_link, one_device

_RATES_DIFFER = 1e-4


class Link:
    """Both ends of a link on this host; use it in a ``with``, which opens and closes the radios."""

    def __init__(
        self,
        config: LinkConfig,
        *,
        device: torch.device | str = "cpu",
        nonce: int | None = None,
        record: Path | None = None,
        force: bool = False,
    ) -> None:
        """Build every part; radios are opened on entering the ``with``.

        Args:
            config: the link's configuration.
            device: where the codec runs.
            nonce: 8-bit number that tells senders apart; ``None`` draws one, or takes the seed of
                a loopback, so that its runs repeat exactly.
            record: write all that is received to this SigMF recording.
            force: replace a recording of that name.

        Raises:
            ConfigError, WeightsError, RadioError: a part cannot be built, or the radios differ
                in sample rate.
        """
        if config.radios.rx is not None and one_device(config):
            raise ConfigError(
                "radios.rx must be left out where one device is both ends (it has the address of radios.tx)"
            )
        self.parts = build_parts(config, device)
        self.tx_radio = make_radio(self.parts, "tx")
        self.rx_radio = self.tx_radio if config.radios.rx is None else make_radio(self.parts, "rx")
        _check_rates(self.tx_radio.sample_rate_hz, self.rx_radio.sample_rate_hz)
        nonce = _loopback_seed(config) if nonce is None else nonce
        self.sending = SendingEnd(self.parts, self.tx_radio, nonce=nonce)
        self._listener = Listener(
            self.parts,
            self.rx_radio,
            record=record,
            force=force,
            transmits_here=self.rx_radio is self.tx_radio,
        )
        self._open: ExitStack | None = None

    @classmethod
    def from_toml(cls, source: str | Path, *, device: torch.device | str = "cpu") -> "Link":
        """Build a link from a TOML file or a preset's name."""
        return cls(load_link(source), device=device)

    @property
    def receiving(self) -> ReceivingEnd:
        """Receiver, reassembler and decoder."""
        return self._listener.receiving

    @property
    def recording(self) -> Recording | None:
        """The recording, if one was asked for."""
        return self._listener.recording

    @property
    def occupied_bandwidth_hz(self) -> float:
        """Bandwidth of the occupied carriers at the radios' sample rate."""
        return self.parts.waveform.occupied_bandwidth_hz(self.rx_radio.sample_rate_hz)

    def __enter__(self) -> Self:
        """Open the radios."""
        with ExitStack() as stack:
            stack.enter_context(self.tx_radio)
            if self.rx_radio is not self.tx_radio:
                stack.enter_context(self.rx_radio)
            stack.enter_context(self._listener)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and close the radios; they see the exception that ended the ``with``."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(kind, error, trace)

    def send(self, image: str | Path | Picture | Tensor | Source) -> Result:
        """Send one picture and wait for it.

        Args:
            image: a file, a picture that was read, or a uint8 tensor ``[3, H, W]``.

        Returns:
            What was sent and received, with its measurements; ``received`` is ``None`` when
            no picture could be made of what arrived.

        Raises:
            ImageError: it cannot be read or sent.
            ConfigError: the link is not open.
            RadioError: a radio was lost.
        """
        if self._open is None:
            raise ConfigError("a link must be opened with 'with' before it sends (it is closed)")
        source = _source(image)
        sent = self.sending.prepare(source)
        self._listener.reader.forget()
        self.sending.transmit(sent)
        self._listener.note(self.sending.last_line)
        began = time.perf_counter()
        received, excerpt = self._receive(sent)
        receive_ms = 1e3 * (time.perf_counter() - began)
        if received is not None:
            receive_ms -= received.decode_ms
        result = make_result(
            self.parts,
            source.picture,
            sent,
            received,
            samples=excerpt,
            sample_rate_hz=self.tx_radio.sample_rate_hz,
            receive_ms=receive_ms,
        )
        if (snr_db := result.mean("pilot_snr_db")) is not None:
            self.sending.report(snr_db)
        return result

    def listen(self, samples: int) -> Tensor:
        """Receive while nothing is sent; what had come before is thrown away.

        Args:
            samples: how many to wait for.

        Returns:
            complex64 ``[antennas, n]``, ``n`` at most ``samples``: fewer where the radio gives nothing
            by itself.

        Raises:
            ConfigError: the link is not open.
            RadioError: the radio was lost.
        """
        if self._open is None:
            raise ConfigError("a link must be opened with 'with' before it listens (it is closed)")
        self._listener.reader.forget()
        heard = torch.zeros(self.rx_radio.antennas, 0, dtype=torch.complex64)
        longest_s = samples / self.rx_radio.sample_rate_hz + self.parts.config.receiver.timeout_s
        for reception in self._listener.reader.receptions(longest_s):
            heard = torch.cat([heard, reception.samples], dim=-1)
            # the receiver's positions are those of the stream, and of its recording
            self.receiving.push(reception.samples, dropped=reception.dropped)
            if heard.shape[-1] >= samples:
                break
        return heard[:, :samples]

    def _receive(self, sent: Transmission) -> tuple[ReceivedPicture | None, Tensor]:
        """Receive until the picture is there, the samples end, or a live radio has had its time.

        The receiver is flushed in each case: a channel drawn anew is a new stream.
        """
        excerpt = Excerpt(self.rx_radio.antennas)
        rate, timeout_s = self.rx_radio.sample_rate_hz, self.parts.config.receiver.timeout_s
        patience = sent.samples.numel() + round(timeout_s * rate)
        pictures: list[ReceivedPicture] = []
        for number, reception in enumerate(self._listener.reader.receptions()):
            # what the first has lost was before this picture
            patience -= reception.samples.shape[-1] + (reception.dropped if number else 0)
            excerpt.add(self.receiving.receiver.position + reception.dropped, reception.samples)
            arrived = self.receiving.push(reception.samples, dropped=reception.dropped)
            pictures += [one for one in arrived if _belongs(one, sent)]
            if pictures or patience <= 0:
                break
        pictures += [one for one in self.receiving.flush() if _belongs(one, sent)]
        if not pictures:
            return None, excerpt.of(())
        return pictures[0], excerpt.of(pictures[0].assembled.packets)


def _loopback_seed(config: LinkConfig) -> int | None:
    seed = config.radios.tx.get("seed") if config.radios.tx["name"] == "loopback" else None
    return seed % 256 if isinstance(seed, int) else None


def _source(image: str | Path | Picture | Tensor | Source) -> Source:
    if isinstance(image, Source):
        return image
    if isinstance(image, Picture):
        return Source(image)
    if isinstance(image, Tensor):
        return Source(Picture(pixels=image, name="tensor", notes=()))
    return read_source(Path(image))


def _belongs(one: ReceivedPicture, sent: Transmission) -> bool:
    header = one.assembled.header
    theirs = (header.nonce, header.transmission, header.packets, header.width, header.height)
    return theirs == (sent.nonce, sent.id, sent.packets, sent.width, sent.height)


def _check_rates(tx_hz: float, rx_hz: float) -> None:
    if abs(tx_hz - rx_hz) > _RATES_DIFFER * rx_hz:
        raise ConfigError(
            f"radios.tx and radios.rx must run at one sample rate (got {tx_hz:g} and {rx_hz:g} Hz)"
        )
