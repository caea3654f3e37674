"""ADALM-PLUTO (PlutoSDR) through pyadi-iio: one device is one end of a link, or both.

Conversions only, no signal processing. Every setting is read back and compared; every error of
the library names the device. Transmit attenuation is at its highest from opening until all
settings agree, and again on every way out. A device that is lost while it only receives is looked
for and set up anew; what it was transmitting is lost with it, and said so.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from sdrjscc.channel.base import SampleChannel
from sdrjscc.errors import RadioError
from sdrjscc.radio._device import Counts, apply, at_level, closing_on_error, leave, must, opened
from sdrjscc.radio._hardware import check_link, needing
from sdrjscc.radio._pluto_clock import CaptureClock
from sdrjscc.radio._pluto_codes import from_codes, saturated_codes, to_codes
from sdrjscc.radio._pluto_device import (
    ADC,
    DAC,
    StatusBits,
    capabilities,
    read_back,
    receive_channels,
    rssi_db,
    set_timeout,
    temperature_c,
)
from sdrjscc.radio._pluto_settings import Config, settings, silence, transmit_gain
from sdrjscc.radio.base import Reception, Status

_log = logging.getLogger("sdrjscc.radio")

__all__ = ["Config", "Pluto", "build"]

_KERNEL_BUFFERS = 4
_TX_BLOCK = 1024
_LONGEST_TX_BUFFER = 1 << 18
_LONGEST_CYCLE = 1 << 22
_CYCLE_STEP = 4  # samples: the DMA moves 8 bytes at a time
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> "Pluto":
    """Build the radio; the device is opened on entering its ``with``.

    Raises:
        ConfigError: there is a software channel, or the analog filters would cut the signal.
        RadioError: pyadi-iio or libiio is missing.
    """
    check_link("pluto", config, channel=channel, occupied_share=occupied_share)
    with needing(
        "pluto",
        "pyadi-iio, from pip install 'sdrjscc[pluto]', and the system library libiio 0.x, "
        "Debian's package libiio0",
    ):
        import adi
    return Pluto(config, adi.Pluto if config.antennas == 1 else adi.ad9361)


class Pluto:
    """A PlutoSDR; see :class:`sdrjscc.radio.base.Radio` and :class:`sdrjscc.radio.base.Repeater`.

    The device holds four buffers and loses samples when they are not fetched in time: ``receive`` is
    to be called without pause; it may be called in another thread than everything else. ``dropped``
    is estimated from this host's clock where the device says that it lost samples.

    Attributes:
        sample_rate_hz: as asked for; once open, as read back.
    """

    live = True

    def __init__(self, config: Config, connect: Callable[..., Any]) -> None:
        """Keep the configuration; ``connect(uri=...)`` opens the device (``adi.Pluto``)."""
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas = config.clock_ppm, config.antennas
        self._config, self._connect = config, connect
        self._name = f"pluto at {config.uri}"
        self._sdr: Any = None
        self._bits: StatusBits | None = None
        self._clock: CaptureClock | None = None
        self._tx_buffer_samples = 0
        self._on_air_until_s = 0.0
        self._counts, self._reconnects = Counts(), 0

    def __enter__(self) -> Self:
        """Open the device, set it up silently and only then raise its transmit gain.

        Raises:
            RadioError: it is not there, or a setting was refused, coerced or ignored.
        """
        if self._sdr is not None:
            raise RadioError(f"{self._name} must be opened once (it is open)")
        self._open()
        now_s = time.monotonic()
        self._clock = CaptureClock(
            self.sample_rate_hz, self._config.rx_buffer_samples, _KERNEL_BUFFERS, now_s
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop transmitting and let go: at once on an error, else when all that was sent is on the air."""
        if self._sdr is not None:
            leave(error, self._drain, self._stop)

    @property
    def clipped(self) -> int:
        """Samples clipped at full scale since construction."""
        return self._counts.clipped

    def transmit(self, samples: Tensor) -> None:
        """Send complex ``[n]``; returns when the last buffer is queued in the device.

        Samples of unit power leave at ``tx_dbfs``; what then exceeds full scale in I or Q is
        clipped, counted in ``clipped`` and logged. Silence follows the last sample.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: the device was lost, is not open, or is a receiving end.
        """
        opened(self._name, self._sdr, "transmit", end=self._config.end)
        codes = self._codes(samples)
        codes = pad(codes, (0, 2 * _TX_BLOCK - len(codes) % _TX_BLOCK))
        with must(self._name, "stay connected while it transmits"):
            self._size_tx_buffer(min(len(codes), _LONGEST_TX_BUFFER))
            for first in range(0, len(codes), self._tx_buffer_samples):
                self._queue(codes[first : first + self._tx_buffer_samples])
                if first == 0:
                    self._ran(DAC)  # dry before this transmission, which is no fault
            self._counts.underflows += self._tx_buffer_samples < len(codes) and self._ran(DAC)

    def repeat(self, samples: Tensor) -> None:
        """Send complex ``[n]`` over and over, by the device itself; see :meth:`transmit`.

        What was queued before is sent first. Up to three samples of silence make n a multiple of 4.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: more than 2^22 samples or none, or the device was lost, is not open, or is a
                receiving end.
        """
        sdr = opened(self._name, self._sdr, "transmit", end=self._config.end)
        if not 0 < samples.numel() <= _LONGEST_CYCLE:
            raise RadioError(
                f"{self._name} must be given 1 to {_LONGEST_CYCLE} samples to repeat (got {samples.numel()})"
            )
        codes = self._codes(samples)
        codes = pad(codes, (0, -len(codes) % _CYCLE_STEP))
        with must(self._name, "stay connected while it transmits"):
            self._end_tx_buffer()
            sdr.tx_cyclic_buffer = True
            self._on_air_until_s = math.inf
            sdr.tx(codes.numpy())

    def receive(self) -> Reception:
        """The next buffer, ``[antennas, rx_buffer_samples]``; waits for it, and never ends.

        A device that is lost is looked for during ``reconnect_s``, unless it was transmitting; the
        time that passed is then in ``dropped``.

        Raises:
            RadioError: the device was lost, is not open, or is a transmitting end.
        """
        opened(self._name, self._sdr, "receive", end=self._config.end)
        try:
            codes, dropped = self._fetch()
        except RadioError as lost:
            self._find_again(lost)
            codes, dropped = self._fetch(resumed=True)
        return Reception(from_codes(codes).reshape(self.antennas, -1), dropped)

    def status(self) -> Status:
        """What was counted, and, while the device answers, what it says of itself."""
        told: dict[str, float | str] = {}
        temperature, rssi = None, None
        try:
            with must(self._name, "tell its state"):
                if (sdr := self._sdr) is not None:
                    told = read_back(sdr, self._config)
                    temperature = temperature_c(sdr)
                    rssi = rssi_db(sdr) if self._config.receives else None
        except RadioError as error:
            _log.warning("%s", error)
        return Status(
            settings=told,
            **asdict(self._counts),
            reconnects=self._reconnects,
            temperature_c=temperature,
            rssi_db=rssi,
        )

    def describe(self) -> Mapping[str, str | tuple[float, float]]:
        """What the device says it can do; a RadioError where it was lost or is not open."""
        sdr = opened(self._name, self._sdr, "tell what it can do")
        with must(self._name, "tell what it can do"):
            return capabilities(sdr)

    def _open(self) -> None:
        uri = self._config.uri
        try:
            with must(self._name, "be there and answer"):
                self._sdr = self._connect(uri=uri)
        except RadioError as error:
            raise RadioError(
                f"{error}; check its power, its cable and the address: iio_info -u {uri}"
            ) from error
        with closing_on_error(self):
            self._set_up()

    def _set_up(self) -> None:
        sdr, config = self._sdr, self._config
        with must(self._name, "answer"):
            longest_s = max(config.rx_buffer_samples, _LONGEST_TX_BUFFER) / config.sample_rate_hz
            set_timeout(sdr, config.timeout_s + longest_s)
            channels = receive_channels(sdr)
        if channels < self.antennas:
            raise RadioError(
                f"{self._name} must have 2 receive channels for antennas = 2 (got 1: only "
                "revision C and later have two, with the firmware's mode set to 2r2t)"
            )
        apply(self._name, silence(sdr, self.antennas))
        with must(self._name, "switch off its test tones"):
            sdr.tx_cyclic_buffer = False
            sdr.disable_dds()
        apply(self._name, settings(sdr, config))
        self.sample_rate_hz = float(sdr.sample_rate)
        with must(self._name, "deliver samples"):
            if self.antennas > 1:
                sdr.tx_enabled_channels = [0]
            self._bits = StatusBits(sdr)
            self._fill()
        if config.transmits:
            apply(self._name, [transmit_gain(sdr, config.tx_gain_db)])

    def _fill(self) -> None:
        """Throw away what was captured before the carrier settled, and until nothing is lost any more."""
        if not self._config.receives:
            return
        self._sdr.rx_buffer_size = self._config.rx_buffer_samples  # takes effect at the first rx()
        for _ in range(_KERNEL_BUFFERS):
            for _ in range(_KERNEL_BUFFERS):
                self._sdr.rx()
            if not self._ran(ADC):
                return

    def _fetch(self, *, resumed: bool = False) -> tuple[Tensor, int]:
        """The next buffer's codes, complex ``[antennas, n]`` or ``[n]``, and what was lost before it."""
        called_s = time.monotonic()
        with must(self._name, "stay connected while it receives"):
            codes = torch.as_tensor(np.asarray(self._sdr.rx()))
            returned_s = time.monotonic()
            overflow = self._ran(ADC)
        self._counts.saturated += saturated_codes(codes)
        self._counts.overflows += overflow
        if self._clock is None:
            return codes, 0
        if resumed:
            return codes, self._clock.resumed(returned_s)
        return codes, self._clock.received(called_s, returned_s, overflow)

    def _find_again(self, lost: RadioError) -> None:
        """Open the device anew, at growing intervals; a transmission that went down with it is an error."""
        ends_s = time.monotonic() + self._config.reconnect_s
        if not self._config.reconnect_s or time.monotonic() < self._on_air_until_s:
            raise lost
        _log.warning("%s; looking for it for %g s", lost, self._config.reconnect_s)
        self.__exit__(RadioError, lost, lost.__traceback__)
        pause_s = _FIRST_PAUSE_S
        while True:
            time.sleep(pause_s)
            try:
                self._open()
            except RadioError as error:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                if time.monotonic() + pause_s > ends_s:
                    raise RadioError(
                        f"{lost}; not found again within {self._config.reconnect_s:g} s ({error})"
                    ) from error
            else:
                self._reconnects += 1
                _log.warning("%s was found again", self._name)
                return

    def _ran(self, converter: str) -> bool:
        return self._bits is not None and self._bits.take(converter)

    def _codes(self, samples: Tensor) -> Tensor:
        """Samples at their level as the converter's codes, complex64 ``[n]``."""
        levelled, clipped = at_level(self._name, samples, self._config.tx_dbfs)
        self._counts.clipped += clipped
        return to_codes(levelled)

    def _queue(self, codes: Tensor) -> None:
        """Hand one buffer to the device; waits while four are queued."""
        self._sdr.tx(pad(codes, (0, self._tx_buffer_samples - len(codes))).numpy())
        airtime_s = self._tx_buffer_samples / self.sample_rate_hz
        self._on_air_until_s = max(self._on_air_until_s, time.monotonic()) + airtime_s

    def _size_tx_buffer(self, length: int) -> None:
        """Change the transmit buffer's length, which only a new buffer can have."""
        if length != self._tx_buffer_samples:
            self._end_tx_buffer()
            self._sdr.tx_cyclic_buffer = False
            self._tx_buffer_samples = length

    def _end_tx_buffer(self) -> None:
        """End the transmit buffer: a repeated one at once, another when it has been sent."""
        self._drain()
        self._sdr.tx_destroy_buffer()
        self._tx_buffer_samples, self._on_air_until_s = 0, 0.0

    def _drain(self) -> None:
        """Wait until what was queued has been sent: destroying a buffer cuts it off."""
        if math.isfinite(self._on_air_until_s):
            time.sleep(max(0.0, self._on_air_until_s - time.monotonic()))

    def _stop(self) -> None:
        """Silence, in three steps that are all tried whatever happens to the others."""
        sdr, self._sdr, self._bits = self._sdr, None, None
        self._tx_buffer_samples, self._on_air_until_s = 0, 0.0
        with must(self._name, "stop transmitting"), ExitStack() as last_to_first:
            last_to_first.callback(sdr.rx_destroy_buffer)
            for one in silence(sdr, self.antennas):
                last_to_first.callback(one.write)
            last_to_first.callback(sdr.tx_destroy_buffer)
