"""What a SoapySDR device is asked for: the configuration and the list of settings made from it."""

from functools import partial
from typing import Any

from pydantic import Field, field_validator, model_validator

from sdrjscc.radio._device import Setting
from sdrjscc.radio._hardware import HardwareSection, argument_keys, rx_gain_is_given


class Config(HardwareSection):
    """``name = "soapy"``: a LimeSDR, HackRF, bladeRF, ... through its SoapySDR module.

    Keys that are not listed are those of every device: :class:`sdrjscc.radio._hardware.HardwareSection`.

    Attributes:
        args: SoapySDR device arguments, ``driver=lime`` or ``driver=hackrf,serial=...``.
        end: a half-duplex device (HackRF) is one end, never both.
        tx_gain_db: transmit gain; the device's lowest where left out.
        rx_gain_db: receive gain, of all channels; a receiving end must give it. Automatic gain
            is switched off.
        gain_tolerance_db: how far off a gain may read back; half of the device's steps.
        tx_antenna, rx_antenna: connectors; the device's own choice where left out.
        rf_bandwidth_hz: analog filters; the device's own choice where left out.
        clock_source: of the reference, by the device's names; its own where left out.
        clock_ppm: accuracy of the reference; 20 ppm are those of a plain crystal.
    """

    args: str = Field(examples=["driver=lime"])
    center_frequency_hz: float = Field(ge=100e3, le=12e9, examples=[2.45e9])
    sample_rate_hz: float = Field(2e6, ge=100e3, le=100e6)
    tx_gain_db: float | None = Field(None, ge=-100, le=120)
    tx_gain_max_db: float | None = Field(None, ge=-100, le=120)
    rx_gain_db: float | None = Field(None, ge=-50, le=120, examples=[30.0])
    gain_tolerance_db: float = Field(0.5, ge=0, le=6)
    tx_antenna: str | None = None
    rx_antenna: str | None = None
    rf_bandwidth_hz: float | None = Field(None, ge=100e3, le=100e6)
    clock_source: str | None = None
    clock_ppm: float = Field(20.0, ge=0, le=100)

    @field_validator("args")
    @classmethod
    def _names_a_driver(cls, args: str) -> str:
        if "driver" not in argument_keys(args):
            raise ValueError("must name a driver, such as driver=lime or driver=hackrf,serial=...")
        return args

    _rx_gain_is_given = model_validator(mode="after")(rx_gain_is_given)


def transmit_gain(device: Any, config: Config, direction: int, gain_db: float) -> Setting:
    """The transmit gain of channel 0; ``direction`` is the library's code."""
    return Setting(
        "tx_gain_db",
        gain_db,
        partial(device.setGain, direction, 0, gain_db),
        partial(device.getGain, direction, 0),
        config.gain_tolerance_db,
    )


def capabilities(device: Any, config: Config, rx: int, tx: int) -> dict[str, str | tuple[float, float]]:
    """Ranges by key of the configuration, and what the device is called, of channel 0.

    A range of several parts is told from the lowest to the highest; one that is empty is left out.
    """
    told: dict[str, str | tuple[float, float]] = {"hardware": str(device.getHardwareKey())}
    for way, direction, used in (("rx", rx, config.receives), ("tx", tx, config.transmits)):
        if used:
            gains = device.getGainRange(direction, 0)
            told[f"{way}_gain_db"] = float(gains.minimum()), float(gains.maximum())
            told[f"{way} connectors"] = ", ".join(device.listAntennas(direction, 0))
    first = rx if config.receives else tx
    for key, name in (
        ("center_frequency_hz", "Frequency"),
        ("sample_rate_hz", "SampleRate"),
        ("rf_bandwidth_hz", "Bandwidth"),
    ):
        parts = getattr(device, f"get{name}Range")(first, 0)
        if parts:
            told[key] = min(float(one.minimum()) for one in parts), max(float(one.maximum()) for one in parts)
    return told


def settings(device: Any, config: Config, rx: int, tx: int) -> list[Setting]:
    """All but the transmit gain; ``rx`` and ``tx`` are the library's codes of the directions.

    Tolerances: a rate may be off by as much as a clock; a synthesiser without a digital mixer
    steps by up to a kilohertz; analog filters come in coarse steps, but must not be narrower.
    """
    wanted = []
    if config.clock_source is not None:
        source = config.clock_source
        write = partial(device.setClockSource, source)
        wanted.append(Setting("clock_source", source, write, device.getClockSource))
    for channel in config.rx_channels:
        wanted += _direction(device, config, rx, "rx", channel)
        if device.hasGainMode(rx, channel):
            write = partial(device.setGainMode, rx, channel, False)
            wanted.append(Setting("automatic gain", 0.0, write, partial(device.getGainMode, rx, channel)))
        if config.rx_gain_db is not None:
            write = partial(device.setGain, rx, channel, config.rx_gain_db)
            read = partial(device.getGain, rx, channel)
            wanted.append(Setting("rx_gain_db", config.rx_gain_db, write, read, config.gain_tolerance_db))
    return wanted + (_direction(device, config, tx, "tx", 0) if config.transmits else [])


def _direction(device: Any, config: Config, direction: int, way: str, channel: int) -> list[Setting]:
    """Connector, rate, carrier and filters of one channel, ``way`` being ``rx`` or ``tx``."""

    def setting(key: str, asked: float | str, name: str, tolerance: float) -> Setting:
        write = partial(getattr(device, f"set{name}"), direction, channel, asked)
        return Setting(
            key, asked, write, partial(getattr(device, f"get{name}"), direction, channel), tolerance
        )

    wanted = []
    connector = config.rx_antenna if way == "rx" else config.tx_antenna
    if connector is not None:
        wanted.append(setting(f"{way}_antenna", connector, "Antenna", 0.0))
    rate = config.sample_rate_hz
    wanted.append(setting("sample_rate_hz", rate, "SampleRate", 1e-5 * rate))
    wanted.append(setting("center_frequency_hz", config.center_frequency_hz, "Frequency", 1e3))
    if (bandwidth := config.rf_bandwidth_hz) is not None:
        wanted.append(setting("rf_bandwidth_hz", bandwidth, "Bandwidth", 0.1 * bandwidth))
    return wanted
