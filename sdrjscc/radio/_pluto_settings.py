"""What a PlutoSDR is asked for: the configuration and the list of settings made from it."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sdrjscc.config import Section

LOWEST_TX_GAIN_DB = -89.75


class Config(Section):
    """``name = "pluto"``: an ADALM-PLUTO at a given address.

    Attributes:
        uri: libiio address, ``ip:192.168.2.1`` or ``usb:1.4.5`` (``usb:``: the only one there).
        device: what it is, in free text.
        center_frequency_hz: carrier; 325 MHz to 3.8 GHz unless the firmware is unlocked.
        sample_rate_hz: of both converters; USB 2 sustains a few MS/s.
        end: what this device does on the link; only a transmitting end ever raises its gain.
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
        rx_buffer_samples: samples per reception.
        timeout_s: patience with a device that does not answer, on top of a buffer's duration. Opening
            has libiio's own timeout of 5 s.
        reconnect_s: for how long a device lost while receiving is looked for; 0: not at all.
    """

    uri: str = Field(examples=["ip:192.168.2.1"])
    device: str | None = None
    center_frequency_hz: float = Field(ge=70e6, le=6e9, examples=[2.45e9])
    sample_rate_hz: float = Field(2e6, ge=521e3, le=61.44e6)
    end: Literal["transmit", "receive", "both"] = "both"
    tx_gain_db: float = Field(-40.0, ge=LOWEST_TX_GAIN_DB, le=0)
    tx_gain_max_db: float = Field(-10.0, ge=LOWEST_TX_GAIN_DB, le=0)
    tx_dbfs: float = Field(-12.0, ge=-40, le=0)
    gain_mode: Literal["manual", "slow_attack", "fast_attack", "hybrid"] = "manual"
    rx_gain_db: float | None = Field(None, ge=-3, le=71, examples=[40.0])
    antennas: int = Field(1, ge=1, le=2)
    rf_bandwidth_hz: float | None = Field(None, ge=200e3, le=40e6)
    clock_ppm: float = Field(25.0, ge=0, le=100)
    rx_buffer_samples: int = Field(65_536, ge=1024, le=1 << 20)
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

    @model_validator(mode="after")
    def _gain_is_allowed(self) -> Self:
        if self.tx_gain_db > self.tx_gain_max_db:
            raise ValueError(
                f"tx_gain_db must be at most tx_gain_max_db = {self.tx_gain_max_db:g} "
                f"(got {self.tx_gain_db:g})"
            )
        return self

    @property
    def transmits(self) -> bool:
        """Whether this end may transmit."""
        return self.end != "receive"

    @property
    def receives(self) -> bool:
        """Whether this end may receive."""
        return self.end != "transmit"

    @property
    def analog_bandwidth_hz(self) -> float:
        """Bandwidth that the analog filters are set to."""
        return min(self.sample_rate_hz, 40e6) if self.rf_bandwidth_hz is None else self.rf_bandwidth_hz


@dataclass(frozen=True)
class Setting:
    """A key of the configuration, its attribute in pyadi-iio, and how far off it may read back."""

    key: str
    attribute: str
    asked: int | float | str
    tolerance: float = 0.0

    def agrees(self, got: Any) -> bool:
        """Whether the device took the value."""
        if isinstance(self.asked, str):
            return bool(got == self.asked)
        return abs(float(got) - self.asked) <= self.tolerance


def transmit_gain(gain_db: float) -> Setting:
    """The transmit gain, which the device takes in steps of 0.25 dB."""
    return Setting("tx_gain_db", "tx_hardwaregain_chan0", float(gain_db), 0.25)


def silence(antennas: int) -> list[Setting]:
    """Every transmitter that the device has at its lowest gain; of two, the second stays there."""
    lowest = transmit_gain(LOWEST_TX_GAIN_DB)
    return [replace(lowest, attribute=f"tx_hardwaregain_chan{one}") for one in range(antennas)]


def settings(config: Config) -> list[Setting]:
    """All but the transmit gain, in this order: the rate moves filters, the mode frees the gain.

    Tolerances: half of the receive gain's steps of 1 dB; the synthesisers' rounding, far below
    the crystal's own error.
    """
    wanted = [Setting("sample_rate_hz", "sample_rate", round(config.sample_rate_hz), 5.0)]
    if config.receives:
        wanted += _tuning(config, "rx")
        for antenna in range(config.antennas):
            wanted += _receive_gain(config, antenna)
    if config.transmits:
        wanted += _tuning(config, "tx")
    return wanted


def _tuning(config: Config, way: str) -> list[Setting]:
    carrier, bandwidth = round(config.center_frequency_hz), round(config.analog_bandwidth_hz)
    return [
        Setting("center_frequency_hz", f"{way}_lo", carrier, 100.0),
        Setting("rf_bandwidth_hz", f"{way}_rf_bandwidth", bandwidth, 0.01 * bandwidth),
    ]


def _receive_gain(config: Config, antenna: int) -> list[Setting]:
    mode = Setting("gain_mode", f"gain_control_mode_chan{antenna}", config.gain_mode)
    if config.rx_gain_db is None:
        return [mode]
    return [mode, Setting("rx_gain_db", f"rx_hardwaregain_chan{antenna}", float(config.rx_gain_db), 0.5)]
