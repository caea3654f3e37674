"""What a PlutoSDR is asked for: the configuration and the list of settings made from it."""

from functools import partial
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sdrjscc.radio._device import Setting
from sdrjscc.radio._hardware import HardwareSection

LOWEST_TX_GAIN_DB = -89.75


class Config(HardwareSection):
    """``name = "pluto"``: an ADALM-PLUTO at a given address.

    Keys that are not listed are those of every device: :class:`sdrjscc.radio._hardware.HardwareSection`.

    Attributes:
        uri: libiio address, ``ip:192.168.2.1`` or ``usb:1.4.5`` (``usb:``: the only one there).
        center_frequency_hz: carrier; 325 MHz to 3.8 GHz unless the firmware is unlocked.
        sample_rate_hz: of both converters; USB 2 sustains a few MS/s.
        tx_gain_db: minus the attenuation, in steps of 0.25 dB.
        tx_gain_max_db: cap on ``tx_gain_db``. A device at 0 dB gives some 7 dBm, more than the 2.5 dBm
            that its own receiver survives; 10 dB less is safe even where a cable lacks its attenuator.
        tx_dbfs: level of samples of unit power; full scale is 2^14, half of what the converter
            takes, so that its interpolation filters can overshoot. OFDM peaks are 12 dB up.
        gain_mode: who sets the receive gain. Automatic gain may move within a frame.
        rx_gain_db: receive gain of every antenna, for ``gain_mode = "manual"`` and only there.
        antennas: receive channels; two need revision C or later, its firmware in mode 2r2t.
        rf_bandwidth_hz: analog filters; the sample rate (at most 40 MHz) where left out.
        clock_ppm: accuracy of the crystal.
        timeout_s: patience with a device that does not answer, on top of a buffer's duration. Opening
            has libiio's own timeout of 5 s.
        reconnect_s: for how long a device lost while receiving is looked for; 0: not at all.
    """

    uri: str = Field(examples=["ip:192.168.2.1"])
    center_frequency_hz: float = Field(ge=70e6, le=6e9, examples=[2.45e9])
    sample_rate_hz: float = Field(2e6, ge=521e3, le=61.44e6)
    tx_gain_db: float = Field(-40.0, ge=LOWEST_TX_GAIN_DB, le=0)
    tx_gain_max_db: float = Field(-10.0, ge=LOWEST_TX_GAIN_DB, le=0)
    gain_mode: Literal["manual", "slow_attack", "fast_attack", "hybrid"] = "manual"
    rx_gain_db: float | None = Field(None, ge=-3, le=71, examples=[40.0])
    rf_bandwidth_hz: float | None = Field(None, ge=200e3, le=40e6)
    clock_ppm: float = Field(25.0, ge=0, le=100)
    timeout_s: float = Field(5.0, ge=0.1, le=60)
    reconnect_s: float = Field(10.0, ge=0, le=3600)

    @field_validator("uri")
    @classmethod
    def _has_scheme(cls, uri: str) -> str:
        scheme, _, address = uri.partition(":")
        if not (scheme == "usb" and ":" in uri) and not (scheme == "ip" and address):
            raise ValueError("must begin with ip: or usb:, such as ip:192.168.2.1")
        return uri

    @model_validator(mode="after")
    def _gain_is_used(self) -> Self:
        if self.receives and (self.gain_mode == "manual") != (self.rx_gain_db is not None):
            raise ValueError(
                "rx_gain_db must be given where a receiving end has gain_mode manual, and only there"
            )
        return self

    @property
    def analog_bandwidth_hz(self) -> float:
        """Bandwidth that the analog filters are set to."""
        return min(self.sample_rate_hz, 40e6) if self.rf_bandwidth_hz is None else self.rf_bandwidth_hz


def _attribute(sdr: Any, key: str, name: str, asked: float | str, tolerance: float = 0.0) -> Setting:
    """A key of the configuration that is an attribute in pyadi-iio."""
    return Setting(key, asked, partial(setattr, sdr, name, asked), partial(getattr, sdr, name), tolerance)


def transmit_gain(sdr: Any, gain_db: float, channel: int = 0) -> Setting:
    """The transmit gain, which the device takes in steps of 0.25 dB."""
    return _attribute(sdr, "tx_gain_db", f"tx_hardwaregain_chan{channel}", float(gain_db), 0.25)


def silence(sdr: Any, antennas: int) -> list[Setting]:
    """Every transmitter that the device has at its lowest gain; of two, the second stays there."""
    return [transmit_gain(sdr, LOWEST_TX_GAIN_DB, channel) for channel in range(antennas)]


def settings(sdr: Any, config: Config) -> list[Setting]:
    """All but the transmit gain, in this order: the rate moves filters, the mode frees the gain.

    Tolerances: half of the receive gain's steps of 1 dB; the synthesisers' rounding, far below
    the crystal's own error.
    """
    wanted = [_attribute(sdr, "sample_rate_hz", "sample_rate", round(config.sample_rate_hz), 5.0)]
    if config.receives:
        wanted += _tuning(sdr, config, "rx")
        for antenna in config.rx_channels:
            wanted += _receive_gain(sdr, config, antenna)
    if config.transmits:
        wanted += _tuning(sdr, config, "tx")
    return wanted


def _tuning(sdr: Any, config: Config, way: str) -> list[Setting]:
    carrier, bandwidth = round(config.center_frequency_hz), round(config.analog_bandwidth_hz)
    return [
        _attribute(sdr, "center_frequency_hz", f"{way}_lo", carrier, 100.0),
        _attribute(sdr, "rf_bandwidth_hz", f"{way}_rf_bandwidth", bandwidth, 0.01 * bandwidth),
    ]


def _receive_gain(sdr: Any, config: Config, antenna: int) -> list[Setting]:
    mode = _attribute(sdr, "gain_mode", f"gain_control_mode_chan{antenna}", config.gain_mode)
    if config.rx_gain_db is None:
        return [mode]
    return [
        mode,
        _attribute(sdr, "rx_gain_db", f"rx_hardwaregain_chan{antenna}", float(config.rx_gain_db), 0.5),
    ]
