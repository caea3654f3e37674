"""What a USRP is asked for: the configuration and the list of settings made from it."""

from functools import partial
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sdrjscc.radio._device import Setting
from sdrjscc.radio._hardware import HardwareSection, argument_keys, rx_gain_is_given

_IDENTIFIES = ("type", "addr", "serial", "name", "resource", "mgmt_addr")
_EXAMPLE = "such as type=b200 or addr=192.168.10.2"

Source = Literal["internal", "external", "gpsdo"]


class Config(HardwareSection):
    """``name = "usrp"``: a USRP of Ettus Research or National Instruments, through UHD.

    Keys that are not listed are those of every device: :class:`sdrjscc.radio._hardware.HardwareSection`.

    Attributes:
        args: UHD device address, ``type=b200``, ``serial=30C5678`` or ``addr=192.168.10.2``.
        sample_rate_hz: of both directions; the master clock rate over a whole number.
        antennas: receive channels 0 and 1, on one clock and one start.
        tx_gain_db: transmit gain; 0 is the lowest of every daughterboard.
        rx_gain_db: receive gain, of all channels; a receiving end must give it.
        tx_antenna, rx_antenna: connector, ``TX/RX`` or ``RX2``, of all channels; the device's
            own choice where left out.
        rf_bandwidth_hz: analog filters; UHD's choice for the rate where left out.
        clock_source: of the 10 MHz reference; anything but ``internal`` must lock.
        time_source: of the pulse per second; anything but ``internal`` must be there.
        master_clock_rate_hz: set after opening; the device's own where left out.
        wire_format: of samples between host and device; ``sc8`` halves the traffic and the bits.
    """

    args: str = Field(examples=["type=b200"])
    center_frequency_hz: float = Field(ge=1e6, le=8e9, examples=[2.45e9])
    sample_rate_hz: float = Field(1e6, ge=100e3, le=250e6)
    tx_gain_db: float = Field(0.0, ge=0, le=100)
    tx_gain_max_db: float | None = Field(None, ge=0, le=100)
    rx_gain_db: float | None = Field(None, ge=0, le=100, examples=[30.0])
    tx_antenna: str | None = None
    rx_antenna: str | None = None
    rf_bandwidth_hz: float | None = Field(None, ge=200e3, le=200e6)
    clock_source: Source = "internal"
    time_source: Source = "internal"
    master_clock_rate_hz: float | None = Field(None, ge=5e6, le=250e6)
    clock_ppm: float = Field(2.5, ge=0, le=100)
    wire_format: Literal["sc16", "sc12", "sc8"] = "sc16"

    @field_validator("args")
    @classmethod
    def _names_a_device(cls, args: str) -> str:
        if argument_keys(args).isdisjoint(_IDENTIFIES):
            raise ValueError(f"must name a device by {', '.join(_IDENTIFIES)}, {_EXAMPLE}")
        return args

    _rx_gain_is_given = model_validator(mode="after")(rx_gain_is_given)


def transmit_gain(usrp: Any, gain_db: float) -> Setting:
    """The transmit gain; steps are 0.25 to 1 dB."""
    return Setting(
        "tx_gain_db", gain_db, partial(usrp.set_tx_gain, gain_db, 0), partial(usrp.get_tx_gain, 0), 0.5
    )


def capabilities(usrp: Any, config: Config) -> dict[str, str | tuple[float, float]]:
    """Ranges by key of the configuration, and what the boards are called, of channel 0."""
    told: dict[str, str | tuple[float, float]] = {"mainboard": str(usrp.get_mboard_name(0))}
    if config.receives:
        told["receive board"] = str(usrp.get_rx_subdev_name(0))
        told["receive connectors"] = ", ".join(usrp.get_rx_antennas(0))
        told["rx_gain_db"] = _ends(usrp.get_rx_gain_range(0))
        told["center_frequency_hz"] = _ends(usrp.get_rx_freq_range(0))
        told["sample_rate_hz"] = _ends(usrp.get_rx_rates(0))
        told["rf_bandwidth_hz"] = _ends(usrp.get_rx_bandwidth_range(0))
    if usrp.get_tx_num_channels():
        told["tx_gain_db"] = _ends(usrp.get_tx_gain_range(0))
    return told


def _ends(meta_range: Any) -> tuple[float, float]:
    return float(meta_range.start()), float(meta_range.stop())


def clock_settings(usrp: Any, config: Config) -> list[Setting]:
    """References and master clock, which everything else depends on."""
    wanted = [
        Setting(
            "clock_source",
            config.clock_source,
            partial(usrp.set_clock_source, config.clock_source),
            partial(usrp.get_clock_source, 0),
        ),
        Setting(
            "time_source",
            config.time_source,
            partial(usrp.set_time_source, config.time_source),
            partial(usrp.get_time_source, 0),
        ),
    ]
    if config.master_clock_rate_hz is not None:
        rate = config.master_clock_rate_hz
        wanted.append(
            Setting(
                "master_clock_rate_hz",
                rate,
                partial(usrp.set_master_clock_rate, rate),
                partial(usrp.get_master_clock_rate, 0),
                1.0,
            )
        )
    return wanted


def settings(usrp: Any, config: Config, tune_request: Any) -> list[Setting]:
    """All but clocks and transmit gain; ``tune_request`` is the library's class.

    Tolerances: a rate of the wrong decimation is percents off, one by the clock's rounding far
    less than 1 ppm; synthesiser and digital mixer together reach the carrier to fractions of a
    hertz; analog filters come in coarse steps; gains in steps of up to 1 dB.
    """
    channels = config.rx_channels
    wanted = [one for channel in channels for one in _direction(usrp, config, tune_request, "rx", channel)]
    if config.rx_gain_db is not None:
        wanted += [
            Setting(
                "rx_gain_db",
                config.rx_gain_db,
                partial(usrp.set_rx_gain, config.rx_gain_db, channel),
                partial(usrp.get_rx_gain, channel),
                0.5,
            )
            for channel in channels
        ]
    return wanted + (_direction(usrp, config, tune_request, "tx", 0) if config.transmits else [])


def _direction(usrp: Any, config: Config, tune_request: Any, way: str, channel: int) -> list[Setting]:
    """Rate, connector, carrier and filters of one channel, ``way`` being ``rx`` or ``tx``."""

    def setting(key: str, asked: float | str, name: str, value: Any, tolerance: float) -> Setting:
        write = partial(getattr(usrp, f"set_{way}_{name}"), value, channel)
        return Setting(key, asked, write, partial(getattr(usrp, f"get_{way}_{name}"), channel), tolerance)

    rate, carrier = config.sample_rate_hz, config.center_frequency_hz
    wanted = [setting("sample_rate_hz", rate, "rate", rate, 1e-6 * rate)]
    connector = config.rx_antenna if way == "rx" else config.tx_antenna
    if connector is not None:
        wanted.append(setting(f"{way}_antenna", connector, "antenna", connector, 0.0))
    wanted.append(setting("center_frequency_hz", carrier, "freq", tune_request(carrier), 10.0))
    if (bandwidth := config.rf_bandwidth_hz) is not None:
        wanted.append(setting("rf_bandwidth_hz", bandwidth, "bandwidth", bandwidth, 0.05 * bandwidth))
    return wanted
