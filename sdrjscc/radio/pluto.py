"""ADALM-PLUTO (PlutoSDR) through pyadi-iio: one device is one end of a link, or both.

Conversions only, no signal processing. Every setting is read back and compared; every error of
the library names the device. Transmit attenuation is at its highest from opening until all
settings agree, and again on every way out.
"""

import logging
import math
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from sdrjscc.channel.base import SampleChannel
from sdrjscc.errors import ConfigError, RadioError, SignalError
from sdrjscc.radio._pluto_settings import LOWEST_TX_GAIN_DB, Config, Setting, settings, transmit_gain
from sdrjscc.radio.base import Reception, Status
from sdrjscc.units import from_db

_log = logging.getLogger("sdrjscc.radio")

__all__ = ["Config", "Pluto", "build"]

_SILENT = transmit_gain(LOWEST_TX_GAIN_DB)
_DAC_FULL_SCALE = 2**14
_ADC_FULL_SCALE = 2**11
_KERNEL_BUFFERS = 4
_TX_BLOCK = 1024
_LONGEST_TX_BUFFER = 1 << 18


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> "Pluto":
    """Build the radio; the device is opened on entering its ``with``.

    Raises:
        ConfigError: there is a software channel, or the analog filters would cut the signal.
        RadioError: pyadi-iio or libiio is missing.
    """
    if channel is not None:
        raise ConfigError("the link must have no [channel] where its radio is 'pluto' (it has one)")
    occupied_hz = occupied_share * config.sample_rate_hz
    if config.analog_bandwidth_hz < occupied_hz:
        raise ConfigError(
            f"rf_bandwidth_hz must be at least the occupied {occupied_hz:g} Hz "
            f"(got {config.analog_bandwidth_hz:g})"
        )
    try:
        import adi
    except Exception as error:  # pylibiio raises many kinds, bare Exception among them
        raise RadioError(
            "radio 'pluto' needs pyadi-iio, from pip install 'sdrjscc[pluto]', and the system library "
            f"libiio 0.x, Debian's package libiio0 (got: {error})"
        ) from error
    return Pluto(config, adi.Pluto)


class Pluto:
    """A PlutoSDR with one antenna each way; see :class:`sdrjscc.radio.base.Radio`.

    The device holds four buffers and loses samples silently when they are not fetched in time:
    ``receive`` is to be called without pause. ``dropped`` is therefore always 0.

    Attributes:
        sample_rate_hz: as asked for; once open, as read back.
        clipped: samples clipped at full scale since construction.
    """

    live = True

    def __init__(self, config: Config, connect: Callable[..., Any]) -> None:
        """Keep the configuration; ``connect(uri=...)`` opens the device (``adi.Pluto``)."""
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas, self.clipped = config.clock_ppm, 1, 0
        self._config, self._connect = config, connect
        self._sdr: Any = None
        self._tx_buffer_samples = 0
        self._on_air_until_s = 0.0

    def __enter__(self) -> Self:
        """Open the device, set it up silently and only then raise its transmit gain.

        Raises:
            RadioError: it is not there, or a setting was refused, coerced or ignored.
        """
        if self._sdr is not None:
            raise RadioError(f"pluto at {self._config.uri} must be opened once (it is open)")
        with self._must("be there and answer"):
            self._sdr = self._connect(uri=self._config.uri)
        try:
            self._set_up()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop transmitting and let go: at once on an error, else when all that was sent is on the air."""
        if self._sdr is None:
            return
        try:
            if error is None:
                self._drain()
        finally:
            try:
                self._stop()
            except RadioError as failure:
                if error is None:
                    raise
                _log.warning("%s", failure)

    def transmit(self, samples: Tensor) -> None:
        """Send complex ``[n]``; returns when the last buffer is queued in the device.

        Samples of unit power leave at ``tx_dbfs``; what then exceeds full scale in I or Q is
        clipped, counted in ``clipped`` and logged. Silence follows the last sample.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: the device was lost, is not open, or is a receiving end.
        """
        sdr = self._opened(self._config.transmits, "transmit")
        codes = self._codes(samples)
        with self._must("stay connected while it transmits"):
            self._size_tx_buffer(min(len(codes), _LONGEST_TX_BUFFER))
            for first in range(0, len(codes), self._tx_buffer_samples):
                chunk = codes[first : first + self._tx_buffer_samples]
                sdr.tx(pad(chunk, (0, self._tx_buffer_samples - len(chunk))).numpy())
                airtime_s = self._tx_buffer_samples / self.sample_rate_hz
                self._on_air_until_s = max(self._on_air_until_s, time.monotonic()) + airtime_s

    def receive(self) -> Reception:
        """The next buffer, ``[1, rx_buffer_samples]``; waits for it, and never ends.

        Raises:
            RadioError: the device was lost, is not open, or is a transmitting end.
        """
        sdr = self._opened(self._config.receives, "receive")
        with self._must("stay connected while it receives"):
            codes = torch.as_tensor(sdr.rx())
        return Reception((codes / _ADC_FULL_SCALE).to(torch.complex64).reshape(1, -1))

    def status(self) -> Status:
        """What was clipped."""
        return Status(clipped=self.clipped)

    def _set_up(self) -> None:
        sdr = self._sdr
        self._set([_SILENT])
        with self._must("switch off its test tones"):
            sdr.tx_cyclic_buffer = False
            sdr.disable_dds()
        self._set(settings(self._config))
        self.sample_rate_hz = float(sdr.sample_rate)
        if self._config.receives:
            with self._must("deliver samples"):
                sdr.rx_buffer_size = self._config.rx_buffer_samples  # takes effect at the first rx()
                for _ in range(_KERNEL_BUFFERS):  # filled before the carrier settled
                    sdr.rx()
        if self._config.transmits:
            self._set([transmit_gain(self._config.tx_gain_db)])

    def _set(self, wanted: list[Setting]) -> None:
        """Apply all, then compare all: a later setting may have moved an earlier one."""
        for one in wanted:
            with self._must(f"accept {one.key} = {one.asked}"):
                setattr(self._sdr, one.attribute, one.asked)
        for one in wanted:
            with self._must(f"tell its {one.key}"):
                got = getattr(self._sdr, one.attribute)
                agrees = one.agrees(got)
            if not agrees:
                raise RadioError(
                    f"pluto at {self._config.uri}: {one.key} must read back as {one.asked} "
                    f"within {one.tolerance:g} (got {got})"
                )

    def _codes(self, samples: Tensor) -> Tensor:
        """Converter codes, whole numbers in complex64 ``[m]``, closed by at least a block's silence."""
        if samples.ndim != 1 or not samples.is_complex():
            raise SignalError(f"samples to transmit must be a complex vector (got {tuple(samples.shape)})")
        if not torch.isfinite(samples).all():
            bad = int((~torch.isfinite(samples)).sum())
            raise SignalError(
                f"samples to transmit must be finite (got {bad} of {len(samples)} that are not)"
            )
        level = math.sqrt(from_db(self._config.tx_dbfs))
        rails = torch.view_as_real(level * samples.detach().resolve_conj().to("cpu", torch.complex64))
        self._count_clipped(int((rails.abs() > 1.0).any(dim=-1).sum()), len(samples))
        codes = torch.view_as_complex((rails.clamp(-1.0, 1.0) * _DAC_FULL_SCALE).round())
        return pad(codes, (0, 2 * _TX_BLOCK - len(codes) % _TX_BLOCK))

    def _count_clipped(self, clipped: int, total: int) -> None:
        self.clipped += clipped
        if clipped:
            _log.warning(
                "pluto at %s: %d of %d samples clipped; lower tx_dbfs (it is %g)",
                self._config.uri,
                clipped,
                total,
                self._config.tx_dbfs,
            )

    def _size_tx_buffer(self, length: int) -> None:
        """Change the transmit buffer's length, which only a new buffer can have; an old one is waited for."""
        if length != self._tx_buffer_samples:
            self._drain()
            self._sdr.tx_destroy_buffer()
            self._tx_buffer_samples = length

    def _drain(self) -> None:
        """Wait until what was queued has been sent: destroying a buffer cuts it off."""
        time.sleep(max(0.0, self._on_air_until_s - time.monotonic()))

    def _stop(self) -> None:
        """Silence, in three steps that are all tried whatever happens to the others."""
        sdr, self._sdr = self._sdr, None
        self._tx_buffer_samples, self._on_air_until_s = 0, 0.0
        with self._must("stop transmitting"), ExitStack() as last_to_first:
            last_to_first.callback(sdr.rx_destroy_buffer)
            last_to_first.callback(setattr, sdr, _SILENT.attribute, _SILENT.asked)
            last_to_first.callback(sdr.tx_destroy_buffer)

    def _opened(self, allowed: bool, action: str) -> Any:
        if not allowed:
            raise RadioError(
                f"pluto at {self._config.uri} must have end '{action}' or 'both' to {action} "
                f"(got '{self._config.end}')"
            )
        if self._sdr is None:
            raise RadioError(f"pluto at {self._config.uri} must be open to {action} (it is closed)")
        return self._sdr

    @contextmanager
    def _must(self, what: str) -> Iterator[None]:
        """Turn whatever the library raises, bare ``Exception`` included, into one sentence."""
        try:
            yield
        except BaseException as error:
            _let_go_of_buffers(error)
            if not isinstance(error, Exception):
                raise
            reason = str(error) or type(error).__name__
            raise RadioError(f"pluto at {self._config.uri} must {what} (got: {reason})") from error


def _let_go_of_buffers(error: BaseException) -> None:
    """Clear the locals of the library's frames in the traceback.

    They hold its buffers, which would then outlive ``*_destroy_buffer`` for as long as the error
    does: transmission would not stop, and a buffer that the garbage collector frees after its
    connection is a segmentation fault in libiio 0.x.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, RadioError):
        traceback.clear_frames(link.__traceback__)
        link = link.__context__
