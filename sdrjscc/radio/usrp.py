"""USRP through UHD's Python interface: one device is one end of a link, or both.

Conversions only, no signal processing. Every setting is read back and compared; every error of
the library names the device. Transmit gain is at its lowest from opening until all settings
agree and all oscillators are locked, and again on every way out.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from sdrjscc.channel.base import SampleChannel
from sdrjscc.errors import RadioError
from sdrjscc.radio._device import Counts, apply, at_level, closing_on_error, leave, must, opened, saturated
from sdrjscc.radio._hardware import check_link, needing
from sdrjscc.radio._usrp_settings import Config, capabilities, clock_settings, settings, transmit_gain
from sdrjscc.radio._usrp_streams import Receiving, Sending, wait_for
from sdrjscc.radio.base import Reception, Status

_log = logging.getLogger("sdrjscc.radio")

__all__ = ["Config", "Usrp", "build"]

_LOCK_PATIENCE_S = 3.0


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> "Usrp":
    """Build the radio; the device is opened on entering its ``with``.

    Raises:
        ConfigError: there is a software channel, or the analog filters would cut the signal.
        RadioError: UHD's Python interface is missing.
    """
    check_link("usrp", config, channel=channel, occupied_share=occupied_share)
    with needing("usrp", "UHD and its Python interface: install Debian's packages python3-uhd and uhd-host"):
        import uhd
    return Usrp(config, uhd)


class Usrp:
    """A USRP that transmits on channel 0 and receives on channels 0, or 0 and 1.

    Transmissions are bursts with a start time, so that there is silence around them; they
    queue in the device, and :meth:`transmit` returns before they are on the air. A burst that
    came late is an error of the next call, or of leaving the ``with``.
    """

    live = True

    def __init__(self, config: Config, uhd: Any) -> None:
        """Keep the configuration; ``uhd`` is the library."""
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas = config.clock_ppm, config.antennas
        self._config, self._uhd = config, uhd
        self._name = f"usrp at {config.args}"
        self._usrp: Any = None
        self._receiving: Receiving | None = None
        self._sending: Sending | None = None
        self._settings: dict[str, float | str] = {}
        self._counts = Counts()

    def __enter__(self) -> Self:
        """Open the device, set it up silently, wait for its oscillators, raise its gain, start to receive.

        Raises:
            RadioError: it is not there, a setting was refused, coerced or ignored, or an
                oscillator does not lock.
        """
        if self._usrp is not None:
            raise RadioError(f"{self._name} must be opened once (it is open)")
        with must(self._name, "be there and answer"):
            self._usrp = self._uhd.usrp.MultiUSRP(self._config.args)
        self._counts = Counts()
        with closing_on_error(self):
            self._set_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and let go: at once on an error, else when all that was sent is acknowledged.

        At once means the lowest gain at once; the device then runs through what its buffer
        holds: a fraction of a second, or seconds on an X310 at low rates.
        """
        if self._usrp is not None:
            leave(error, self._finish, self._stop)

    def transmit(self, samples: Tensor) -> None:
        """Send complex ``[n]`` as one burst; returns when the device's queue has taken all of it.

        Samples of unit power leave at ``tx_dbfs``; what then exceeds full scale in I or Q is
        clipped, counted and logged.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: the device was lost, is not open or is a receiving end, or a burst came late.
        """
        sending = opened(self._name, self._sending, "transmit", end=self._config.end)
        codes, clipped = at_level(self._name, samples, self._config.tx_dbfs)
        self._counts.clipped += clipped
        if len(codes):
            sending.send(codes)

    def receive(self) -> Reception:
        """The next samples, ``[antennas, n]`` with n at most ``rx_buffer_samples``; never ends.

        Raises:
            RadioError: the device was lost, is not open, is a transmitting end, or reported
                anything but an overflow, which is counted and gives ``dropped``.
        """
        reception = opened(self._name, self._receiving, "receive", end=self._config.end).receive()
        self._counts.saturated += saturated(reception.samples)
        return reception

    def status(self) -> Status:
        """Settings as read back, counts, and the sensors that the device has."""
        return Status(
            settings=dict(self._settings),
            **asdict(self._counts),
            temperature_c=self._sensor("temp"),
            rssi_db=self._sensor("rssi"),
        )

    def describe(self) -> Mapping[str, str | tuple[float, float]]:
        """What the open device says it can do; see :class:`sdrjscc.link.bench.Described`.

        Raises:
            RadioError: the device was lost, or is not open.
        """
        usrp = opened(self._name, self._usrp, "tell what it can do")
        with must(self._name, "tell what it can do"):
            return capabilities(usrp, self._config)

    def _set_up(self) -> None:
        config, usrp, name = self._config, self._usrp, self._name
        self._check_channels()
        self._silence()
        self._settings = apply(name, clock_settings(usrp, config))
        self._set_time()
        self._settings |= apply(name, settings(usrp, config, self._uhd.types.TuneRequest))
        self.sample_rate_hz = float(self._settings["sample_rate_hz"])
        self._wait_for_locks()
        if config.transmits:
            with must(name, "set up its transmit stream"):
                self._sending = Sending(self._uhd, usrp, name, self._stream_args([0]), self._counts)
            self._settings |= apply(name, [transmit_gain(usrp, config.tx_gain_db)])
        if config.receives:
            with must(name, "start its receive stream"):
                stream_args = self._stream_args(config.rx_channels)
                most = config.rx_buffer_samples
                self._receiving = Receiving(self._uhd, usrp, name, stream_args, self._counts, most=most)
                self._receiving.start()

    def _silence(self) -> None:
        """Set the lowest transmit gain, which the device tells; a receiver alone has none."""
        with must(self._name, "tell its transmit gains"):
            if not self._usrp.get_tx_num_channels():
                return
            lowest_db = float(self._usrp.get_tx_gain_range(0).start())
        apply(self._name, [transmit_gain(self._usrp, lowest_db)])

    def _check_channels(self) -> None:
        with must(self._name, "tell its channels"):
            receivers, transmitters = self._usrp.get_rx_num_channels(), self._usrp.get_tx_num_channels()
        if self._config.receives and receivers < self.antennas:
            raise RadioError(f"{self._name} must have {self.antennas} receive channels (it has {receivers})")
        if self._config.transmits and not transmitters:
            raise RadioError(f"{self._name} must have a transmit channel (it has none)")

    def _set_time(self) -> None:
        """Lock the reference, then start the clock at 0: at a pulse where there is one."""
        usrp, config = self._usrp, self._config
        if config.clock_source != "internal":
            self._wait_for("ref_locked", usrp.get_mboard_sensor_names, usrp.get_mboard_sensor, 0)
        zero = self._uhd.types.TimeSpec(0.0)
        if config.time_source == "internal":
            with must(self._name, "have its time set"):
                usrp.set_time_now(zero)
        else:
            with must(self._name, f"see pulses per second ({config.time_source})"):
                usrp.set_time_unknown_pps(zero)

    def _wait_for_locks(self) -> None:
        usrp = self._usrp
        for channel in self._config.rx_channels:
            self._wait_for("lo_locked", usrp.get_rx_sensor_names, usrp.get_rx_sensor, channel)
        if self._config.transmits:
            self._wait_for("lo_locked", usrp.get_tx_sensor_names, usrp.get_tx_sensor, 0)

    def _wait_for(self, sensor: str, names: Any, read: Any, index: int) -> None:
        """Wait for a lock; boards without an oscillator (BasicRX) have no such sensor."""
        with must(self._name, "tell its sensors"):
            there = sensor in names(index)
        if there:
            wait_for(self._name, sensor, read, index, patience_s=_LOCK_PATIENCE_S)

    def _stream_args(self, channels: list[int]) -> Any:
        args = self._uhd.usrp.StreamArgs("fc32", self._config.wire_format)
        args.channels = channels
        return args

    def _sensor(self, name: str) -> float | None:
        """A receive sensor's value; ``None`` where there is none, or the device is gone."""
        usrp = self._usrp
        if usrp is None or not self._config.receives:
            return None
        try:
            if name in usrp.get_rx_sensor_names(0):
                return float(usrp.get_rx_sensor(name, 0).to_real())
        except RuntimeError:
            _log.debug("%s does not tell its %s", self._name, name)
        return None

    def _finish(self) -> None:
        if self._sending is not None:
            self._sending.drain()

    def _stop(self) -> None:
        """Silence, in steps that are all tried whatever happens to the others."""
        with must(self._name, "stop"), ExitStack() as last_to_first:
            last_to_first.callback(self._let_go)
            if self._receiving is not None:
                last_to_first.callback(self._receiving.stop)
            if self._sending is not None:
                last_to_first.callback(self._sending.end_burst)
            last_to_first.callback(self._silence)

    def _let_go(self) -> None:
        """Drop what keeps the device open: an error's traceback may keep the streams' objects."""
        for stream in (self._receiving, self._sending):
            if stream is not None:
                stream.let_go()
        self._usrp = self._receiving = self._sending = None
