"""What a PlutoSDR tells of itself: settings, temperature, signal strength, status registers."""

import logging
import re
from typing import Any

from sdrjscc.radio._pluto_settings import Config, settings, transmit_gain

_log = logging.getLogger("sdrjscc.radio")

_PHY = "ad9361-phy"
ADC, DAC = "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
_STATUS_REGISTER = 0x80000088
_RAN_OVER = {ADC: 1 << 2, DAC: 1 << 0}
"""Bits of the status register, as libiio's tool ``iio_adi_xflow_check`` reads and clears them."""


def set_timeout(sdr: Any, seconds: float) -> None:
    """Bound every answer that libiio waits for, in buffers opened from now on too."""
    sdr.ctx.set_timeout(max(1, round(1e3 * seconds)))


def receive_channels(sdr: Any) -> int:
    """How many antennas the device can receive from at once."""
    adc = sdr.ctx.find_device(ADC)
    return 1 if adc is None or adc.find_channel("voltage2") is None else 2


def read_back(sdr: Any, config: Config) -> dict[str, float | str]:
    """Model, firmware and every setting as the device has it, by key of the configuration."""
    attributes = sdr.ctx.attrs
    told: dict[str, float | str] = {
        key: str(attributes[key]) for key in ("hw_model", "fw_version") if key in attributes
    }
    wanted = settings(sdr, config)
    if config.transmits:
        wanted.append(transmit_gain(sdr, config.tx_gain_db))
    for one in wanted:
        got = one.read()
        told[one.key] = got if isinstance(got, str) else float(got)
    if config.receives:
        told["rx_gain_db"] = float(sdr.rx_hardwaregain_chan0)  # automatic gain moves it
    return told


_RANGES = {
    "rx_gain_db": ("voltage0", False, "hardwaregain_available"),
    "tx_gain_db": ("voltage0", True, "hardwaregain_available"),
    "sample_rate_hz": ("voltage0", False, "sampling_frequency_available"),
    "rf_bandwidth_hz": ("voltage0", False, "rf_bandwidth_available"),
    "center_frequency_hz": ("altvoltage0", True, "frequency_available"),
}
"""Where the transceiver tells ``[lowest step highest]``: channel, whether it is an output, attribute."""


def capabilities(sdr: Any) -> dict[str, str | tuple[float, float]]:
    """Ranges that the device tells, by key of the configuration, and its antennas.

    The rate is that of the converters alone: their programmable filter reaches a quarter of the lowest.
    """
    told: dict[str, str | tuple[float, float]] = {"receive channels": str(receive_channels(sdr))}
    for key, (channel_id, output, name) in _RANGES.items():
        text = _phy_attribute(sdr, channel_id, name, output=output) or ""
        if found := re.fullmatch(r"\[\s*(\S+)\s+\S+\s+(\S+)\s*\]", text):
            told[key] = float(found[1]), float(found[2])
    return told


def temperature_c(sdr: Any) -> float | None:
    """Temperature of the transceiver; ``None`` where the firmware has no such attribute."""
    text = _phy_attribute(sdr, "temp0", "input")
    return None if text is None else float(text) / 1e3


def rssi_db(sdr: Any) -> float | None:
    """The transceiver's signal strength, which falls as the signal grows: the text ``83.25 dB``."""
    text = _phy_attribute(sdr, "voltage0", "rssi")
    return None if text is None else float(text.split()[0])


def _phy_attribute(sdr: Any, channel_id: str, name: str, *, output: bool = False) -> str | None:
    phy = sdr.ctx.find_device(_PHY)
    channel = None if phy is None else phy.find_channel(channel_id, output)
    return str(channel.attrs[name].value) if channel is not None and name in channel.attrs else None


class StatusBits:
    """The bits by which the FPGA says that a converter ran over or dry; they stay until cleared.

    Firmware without register access counts nothing: the first refusal ends the asking.
    """

    def __init__(self, sdr: Any) -> None:
        """Find the converters of an open device."""
        self._devices = {name: sdr.ctx.find_device(name) for name in _RAN_OVER}

    def take(self, name: str) -> bool:
        """Whether ``ADC`` ran over, or ``DAC`` dry, since it was last asked."""
        device = self._devices[name]
        if device is None:
            return False
        try:
            value = device.reg_read(_STATUS_REGISTER)
            if value & _RAN_OVER[name]:
                device.reg_write(_STATUS_REGISTER, value)
        except OSError as error:
            self._devices[name] = None
            _log.info("%s: losses are not counted, its status register cannot be read (%s)", name, error)
            return False
        return bool(value & _RAN_OVER[name])
