"""LimeSDR, HackRF, bladeRF and more, through SoapySDR: one device is one end of a link, or both.

Conversions only, no signal processing. Every setting is read back and compared; every error of
the library names the device. Transmit gain is at its lowest from opening until all settings
agree, and again on every way out.
"""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sdrjscc.channel.base import SampleChannel
from sdrjscc.errors import RadioError
from sdrjscc.radio._device import (
    Counts,
    Setting,
    apply,
    at_level,
    closing_on_error,
    leave,
    must,
    opened,
    saturated,
)
from sdrjscc.radio._hardware import check_link, needing
from sdrjscc.radio._soapy_settings import Config, capabilities, settings, transmit_gain
from sdrjscc.radio.base import Reception, Status

_log = logging.getLogger("sdrjscc.radio")

__all__ = ["Config", "Soapy", "build"]

_PATIENCE_S = 1.0
_PIECE = 1 << 16


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> "Soapy":
    """Build the radio; the device is opened on entering its ``with``.

    Raises:
        ConfigError: there is a software channel, or the analog filters would cut the signal.
        RadioError: SoapySDR's Python interface is missing.
    """
    check_link("soapy", config, channel=channel, occupied_share=occupied_share)
    with needing(
        "soapy",
        "SoapySDR, its Python interface and the device's module: install Debian's packages "
        "python3-soapysdr and soapysdr-module-...",
    ):
        import SoapySDR
    return Soapy(config, SoapySDR)


class Soapy:
    """A SoapySDR device that transmits on channel 0 and receives on channels 0, or 0 and 1.

    SoapySDR says that samples were lost, not how many; where the device stamps its samples with
    its time, ``dropped`` is computed from the stamps, and otherwise it is 0.
    """

    live = True

    def __init__(self, config: Config, library: Any) -> None:
        """Keep the configuration; ``library`` is the module ``SoapySDR``."""
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas = config.clock_ppm, config.antennas
        self._config, self._library = config, library
        self._rx, self._tx = library.SOAPY_SDR_RX, library.SOAPY_SDR_TX
        self._name = f"soapy at {config.args}"
        self._device: Any = None
        self._streams: dict[int, Any] = {}
        self._counts = Counts()
        self._settings: dict[str, float | str] = {}
        self._expected_ns: float | None = None
        self._on_air_until_s = 0.0

    def __enter__(self) -> Self:
        """Open the device, set it up silently, and only then raise its gain and start to receive.

        Raises:
            RadioError: it is not there, or a setting was refused, coerced or ignored.
        """
        if self._device is not None:
            raise RadioError(f"{self._name} must be opened once (it is open)")
        with must(self._name, "be there and answer"):
            self._device = self._library.Device(self._config.args)
        self._counts = Counts()
        self._expected_ns, self._on_air_until_s = None, 0.0
        with closing_on_error(self):
            self._set_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop transmitting and let go: at once on an error, else when all that was sent is on the air."""
        if self._device is not None:
            leave(error, self._finish, self._stop)

    def transmit(self, samples: Tensor) -> None:
        """Send complex ``[n]`` as one burst; returns when the driver has taken all of it.

        Samples of unit power leave at ``tx_dbfs``; what then exceeds full scale in I or Q is
        clipped, counted and logged.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: the device was lost, is not open, or is a receiving end.
        """
        stream = opened(self._name, self._streams.get(self._tx), "transmit", end=self._config.end)
        codes, clipped = at_level(self._name, samples, self._config.tx_dbfs)
        self._counts.clipped += clipped
        queue, done = np.ascontiguousarray(codes.numpy()), 0
        while done < len(queue):
            piece = queue[done : done + _PIECE]
            flags = self._library.SOAPY_SDR_END_BURST if done + len(piece) == len(queue) else 0
            done += self._write(stream, piece, flags)
        airtime_s = len(queue) / self.sample_rate_hz
        self._on_air_until_s = max(self._on_air_until_s, time.monotonic()) + airtime_s
        self._heed_transmission()

    def receive(self) -> Reception:
        """The next samples, ``[antennas, n]`` with n at most ``rx_buffer_samples``; never ends.

        Raises:
            RadioError: the device was lost, is not open, is a transmitting end, or reported
                anything but an overflow, which is counted.
        """
        stream = opened(self._name, self._streams.get(self._rx), "receive", end=self._config.end)
        wanted, library = self._config.rx_buffer_samples, self._library
        patience_us = round(1e6 * (wanted / self.sample_rate_hz + _PATIENCE_S))
        buffer = np.empty((self.antennas, wanted), dtype=np.complex64)
        while True:
            with must(self._name, "stay connected while it receives"):
                result = self._device.readStream(stream, list(buffer), wanted, timeoutUs=patience_us)
            if result.ret == library.SOAPY_SDR_OVERFLOW:
                self._counts.overflow(self._name)
            elif result.ret < 0:
                raise RadioError(f"{self._name} must deliver samples (got: {library.errToStr(result.ret)})")
            elif result.ret:
                samples = torch.from_numpy(buffer[:, : result.ret])
                self._counts.saturated += saturated(samples)
                return Reception(samples, self._gap(result))

    def status(self) -> Status:
        """Settings as read back, and counts; SoapySDR has no common name for a temperature."""
        return Status(settings=dict(self._settings), **asdict(self._counts))

    def describe(self) -> Mapping[str, str | tuple[float, float]]:
        """What the open device says it can do; see :class:`sdrjscc.link.bench.Described`.

        Raises:
            RadioError: the device was lost, or is not open.
        """
        device = opened(self._name, self._device, "tell what it can do")
        with must(self._name, "tell what it can do"):
            return capabilities(device, self._config, self._rx, self._tx)

    def _set_up(self) -> None:
        config, name = self._config, self._name
        if config.transmits:
            apply(name, [self._silent()])
        self._check_channels()
        with must(name, "tell whether its gain can be automatic"):
            wanted = settings(self._device, config, self._rx, self._tx)
        self._settings = apply(name, wanted)
        self.sample_rate_hz = float(self._settings["sample_rate_hz"])
        if config.transmits:
            self._start(self._tx, [0], "transmit")
            if config.tx_gain_db is not None:
                gain = transmit_gain(self._device, config, self._tx, config.tx_gain_db)
                self._settings |= apply(name, [gain])
        if config.receives:
            self._start(self._rx, config.rx_channels, "receive")

    def _check_channels(self) -> None:
        """A device may lack a direction, or have one at a time."""
        device, config = self._device, self._config
        for direction, way, needed in (
            (self._rx, "receive", len(config.rx_channels)),
            (self._tx, "transmit", int(config.transmits)),
        ):
            with must(self._name, "tell its channels"):
                there = device.getNumChannels(direction)
            if there < needed:
                raise RadioError(f"{self._name} must have {needed} {way} channels (it has {there})")
        with must(self._name, "tell whether it is full duplex"):
            duplex = config.end != "both" or device.getFullDuplex(self._rx, 0)
        if not duplex:
            raise RadioError(f"{self._name} must have end 'transmit' or 'receive' (it is half duplex)")

    def _start(self, direction: int, channels: list[int], way: str) -> None:
        with must(self._name, f"start its {way} stream"):
            stream = self._device.setupStream(direction, self._library.SOAPY_SDR_CF32, channels)
            self._streams[direction] = stream
            self._check(self._device.activateStream(stream), f"start its {way} stream")

    def _write(self, stream: Any, piece: Any, flags: int) -> int:
        patience_us = round(1e6 * (len(piece) / self.sample_rate_hz + _PATIENCE_S))
        with must(self._name, "stay connected while it transmits"):
            result = self._device.writeStream(stream, [piece], len(piece), flags, timeoutUs=patience_us)
        self._check(result.ret, "take samples to transmit")
        if result.ret == 0:
            raise RadioError(f"{self._name} must take samples to transmit in time (it took none)")
        return int(result.ret)

    def _heed_transmission(self) -> None:
        """Count what the driver has to say of the bursts; many have nothing to say."""
        library, counts = self._library, self._counts
        kinds = {library.SOAPY_SDR_UNDERFLOW: "underflows", library.SOAPY_SDR_TIME_ERROR: "late"}
        with must(self._name, "tell what became of a transmission"):
            while (code := self._device.readStreamStatus(self._streams[self._tx], timeoutUs=0).ret) in kinds:
                counts.underflows += code == library.SOAPY_SDR_UNDERFLOW
                counts.late += code == library.SOAPY_SDR_TIME_ERROR
                _log.warning("%s: samples were missing within a transmission (%s)", self._name, kinds[code])

    def _gap(self, result: Any) -> int:
        """Samples missing before a reception, by its time stamp if it has one."""
        if not result.flags & self._library.SOAPY_SDR_HAS_TIME:
            self._expected_ns = None
            return 0
        expected_ns = result.timeNs if self._expected_ns is None else self._expected_ns
        self._expected_ns = result.timeNs + 1e9 * result.ret / self.sample_rate_hz
        lost: int = round((result.timeNs - expected_ns) * 1e-9 * self.sample_rate_hz)
        return max(0, lost)

    def _check(self, code: int, what: str) -> None:
        if code < 0:
            raise RadioError(f"{self._name} must {what} (got: {self._library.errToStr(code)})")

    def _silent(self) -> Setting:
        with must(self._name, "tell its transmit gains"):
            lowest_db = float(self._device.getGainRange(self._tx, 0).minimum())
        return transmit_gain(self._device, self._config, self._tx, lowest_db)

    def _finish(self) -> None:
        time.sleep(max(0.0, self._on_air_until_s - time.monotonic()))
        if self._tx in self._streams:
            self._heed_transmission()

    def _stop(self) -> None:
        """Silence, in steps that are all tried whatever happens to the others."""
        device, streams = self._device, dict(self._streams)
        with must(self._name, "stop"), ExitStack() as last_to_first:
            last_to_first.callback(self._let_go)
            last_to_first.callback(device.close)
            for stream in streams.values():
                last_to_first.callback(partial(device.closeStream, stream))
                last_to_first.callback(partial(device.deactivateStream, stream))
            if self._config.transmits:
                last_to_first.callback(lambda: apply(self._name, [self._silent()]))

    def _let_go(self) -> None:
        """Forget the device and its streams."""
        self._device = None
        self._streams.clear()
