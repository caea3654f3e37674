"""What the configurations of real devices share, and what is refused before one is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from sdrjscc.channel.base import SampleChannel
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError, RadioError


class HardwareSection(Section):
    """Keys that every device has; each device gives the bounds of those that depend on it.

    Attributes:
        center_frequency_hz: carrier, of both directions.
        sample_rate_hz: of both directions.
        end: what this device does on the link; only a transmitting end ever raises its gain.
        antennas: receive channels, 0 or 0 and 1.
        tx_gain_db: transmit gain.
        tx_gain_max_db: what ``tx_gain_db`` may be at most, for the sake of what is connected.
        tx_dbfs: level of samples of unit power; OFDM peaks are 12 dB up.
        rx_gain_db: receive gain, of all channels.
        rf_bandwidth_hz: analog filters.
        clock_ppm: accuracy of the reference.
        rx_buffer_samples: samples per reception, at most.
        device: what it is, in words; for people and recordings.
    """

    center_frequency_hz: float
    sample_rate_hz: float
    end: Literal["transmit", "receive", "both"] = "both"
    antennas: int = Field(1, ge=1, le=2)
    tx_gain_db: float | None = None
    tx_gain_max_db: float | None = None
    tx_dbfs: float = Field(-12.0, ge=-40, le=0)
    rx_gain_db: float | None = None
    rf_bandwidth_hz: float | None = None
    clock_ppm: float
    rx_buffer_samples: int = Field(65_536, ge=1024, le=1 << 20)
    device: str | None = None

    @model_validator(mode="after")
    def _gain_is_allowed(self) -> Self:
        gain, most = self.tx_gain_db, self.tx_gain_max_db
        if gain is not None and most is not None and gain > most:
            raise ValueError(f"tx_gain_db must be at most tx_gain_max_db = {most:g} (got {gain:g})")
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
    def rx_channels(self) -> list[int]:
        """The receive channels of this end."""
        return list(range(self.antennas)) if self.receives else []

    @property
    def analog_bandwidth_hz(self) -> float | None:
        """Bandwidth that the analog filters are set to; ``None`` where the device chooses."""
        return self.rf_bandwidth_hz


HardwareT = TypeVar("HardwareT", bound=HardwareSection)


def rx_gain_is_given(config: HardwareT) -> HardwareT:
    """A validator for devices whose receive gain is never automatic.

    Raises:
        ValueError: a receiving end has none.
    """
    if config.receives and config.rx_gain_db is None:
        raise ValueError("rx_gain_db must be given where end is receive or both")
    return config


def argument_keys(args: str) -> set[str]:
    """The keys that have a value in device arguments such as ``type=b200,serial=30C5678``."""
    pairs = [part.partition("=") for part in args.split(",")]
    return {key.strip() for key, _, value in pairs if value.strip()}


def check_link(
    radio: str, config: HardwareSection, *, channel: SampleChannel | None, occupied_share: float
) -> None:
    """Check that a link can run over a device.

    Args:
        radio: the plug-in's name.
        config: of the device.
        channel: the link's software channel.
        occupied_share: occupied bandwidth over sample rate of the waveform.

    Raises:
        ConfigError: there is a software channel, or the analog filters would cut the signal.
    """
    if channel is not None:
        raise ConfigError(f"the link must have no [channel] where its radio is '{radio}' (it has one)")
    bandwidth_hz, occupied_hz = config.analog_bandwidth_hz, occupied_share * config.sample_rate_hz
    if bandwidth_hz is not None and bandwidth_hz < occupied_hz:
        raise ConfigError(
            f"rf_bandwidth_hz must be at least the occupied {occupied_hz:g} Hz (got {bandwidth_hz:g})"
        )


@contextmanager
def needing(radio: str, what: str) -> Iterator[None]:
    """Turn whatever the import of a device's library raises into what must be installed.

    Bindings raise more than ImportError: one made for another release of numpy, one whose system
    library is missing, one that checks its binary interface.

    Raises:
        RadioError: ``radio '<radio>' needs <what> (got: <the library's words>)``.
    """
    try:
        yield
    except Exception as error:
        raise RadioError(f"radio '{radio}' needs {what} (got: {error})") from error
