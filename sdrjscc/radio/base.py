"""The radio contract: everything that takes complex samples and gives them back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor

from sdrjscc.channel.base import SampleChannel
from sdrjscc.config import configure
from sdrjscc.errors import ConfigError


@dataclass(frozen=True)
class Reception:
    """Samples as they came from a radio.

    Attributes:
        samples: complex64 ``[antennas, n]``, full scale 1.0.
        dropped: samples the radio lost immediately before these.
    """

    samples: Tensor
    dropped: int = 0


@dataclass(frozen=True)
class Status:
    """What a radio says about itself; all counts since it was opened.

    Attributes:
        settings: every setting as read back, by key of the radio's ``Config``.
        overflows: how often received samples were lost because they were not fetched in time.
        underflows: how often the transmitter ran out of samples within a transmission.
        late: transmissions whose time had passed when they reached the radio.
        clipped: transmitted samples that exceeded full scale.
        saturated: received samples at full scale.
        reconnects: how often the device was lost and found again.
        temperature_c: of the device, where it says so.
        rssi_db: received signal strength in the device's own convention, where it says so.
    """

    settings: Mapping[str, float | str] = field(default_factory=dict)
    overflows: int = 0
    underflows: int = 0
    late: int = 0
    clipped: int = 0
    saturated: int = 0
    reconnects: int = 0
    temperature_c: float | None = None
    rssi_db: float | None = None


@runtime_checkable
class Radio(Protocol):
    """One end (or both) of a link; open it in a ``with``, which stops transmission on every exit.

    Attributes:
        sample_rate_hz: rate that the hardware really runs at.
        center_frequency_hz: carrier, 0 where there is none.
        clock_ppm: accuracy of this radio's clock.
        antennas: receive channels.
        live: samples go by whether they are fetched or not; otherwise they wait.
    """

    sample_rate_hz: float
    center_frequency_hz: float
    clock_ppm: float
    antennas: int
    live: bool

    def __enter__(self) -> Self:
        """Open the radio."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop transmitting and close."""
        ...

    def transmit(self, samples: Tensor) -> None:
        """Send complex64 samples ``[n]``, full scale 1.0; returns when they are handed over.

        Raises:
            RadioError: the radio was lost or refused them.
        """
        ...

    def receive(self) -> Reception | None:
        """The next chunk of samples; ``None`` when no more will come.

        Raises:
            RadioError: the radio was lost.
        """
        ...

    def status(self) -> Status:
        """Settings as read back, and what was counted so far; never raises while open."""
        ...


@runtime_checkable
class Repeater(Protocol):
    """A radio that can send the same samples over and over by itself, without a gap."""

    def repeat(self, samples: Tensor) -> None:
        """Send complex64 ``[n]`` again and again until the next transmission or the end of the ``with``.

        Raises:
            RadioError: the radio was lost, or the samples do not fit its memory.
        """
        ...


def build_radio(
    table: dict[str, Any], path: str, *, channel: SampleChannel | None, occupied_share: float
) -> Radio:
    """Build a radio from its table of the link's TOML.

    Args:
        table: the plug-in's options with its ``name``.
        path: the table's key, for errors.
        channel: software channel between transmission and reception; real radios take none.
        occupied_share: occupied bandwidth over sample rate of the waveform.

    Raises:
        ConfigError: unknown radio or option.
        RadioError: there is no such device.
    """
    plugin, config = configure("radio", table, path)
    radio = plugin.build(config, channel=channel, occupied_share=occupied_share)
    if not isinstance(radio, Radio):
        raise ConfigError(
            f"{path}: radio '{plugin.name}' must be a context manager with transmit and receive"
        )
    return radio
