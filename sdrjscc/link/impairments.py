"""A chain of impairments from a link's ``[channel]`` or a named scenario, and a few knobs."""

from dataclasses import dataclass

from sdrjscc.channel._chain_config import SCENARIOS, Config
from sdrjscc.channel._multipath import Tap
from sdrjscc.channel.chain import Chain
from sdrjscc.config import configure, validate
from sdrjscc.errors import ConfigError
from sdrjscc.linkfile import LinkConfig

NO_ECHO_DB = -60.0


@dataclass(frozen=True)
class Knobs:
    """What is turned while a channel is in use.

    Attributes:
        snr_db: over the occupied band; takes the place of the scenario's.
        cfo_hz: added to the scenario's carrier offset.
        echo_db: power of one more path beside the scenario's; ``NO_ECHO_DB`` and less: none.
        echo_delay_samples: its delay.
    """

    snr_db: float = 10.0
    cfo_hz: float = 0.0
    echo_db: float = -100.0
    echo_delay_samples: float = 5.0


def impaired(link: LinkConfig, scenario: str, knobs: Knobs, antennas: int = 1) -> Chain:
    """The chain of a scenario, with the knobs where they are.

    Args:
        link: whose ``[channel]`` is meant by the scenario ``link``.
        scenario: ``link``, ``none`` (noise only), or a name of ``SCENARIOS``.
        knobs: numbers on top of it.
        antennas: receive antennas.

    Raises:
        ConfigError: no such scenario, the link's channel is not a chain, or a number is out of range.
    """
    config = _scenario(link, scenario)
    changes = {"snr_db": knobs.snr_db, "cfo_hz": config.cfo_hz + knobs.cfo_hz, "antennas": antennas}
    validate(Config, changes, "")
    taps = config.taps
    if knobs.echo_db > NO_ECHO_DB:
        echo = {"delay_samples": knobs.echo_delay_samples, "power_db": knobs.echo_db}
        taps = (*(taps or (Tap(),)), validate(Tap, echo, "echo"))
    return Chain(config.model_copy(update={**changes, "taps": taps}))


def _scenario(link: LinkConfig, name: str) -> Config:
    if name == "none":
        return Config()
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name != "link":
        raise ConfigError(f"scenario must be one of link, none, {', '.join(SCENARIOS)} (got '{name}')")
    there = "none" if link.channel is None else f"'{link.channel['name']}'"
    if link.channel is None or link.channel["name"] != "chain":
        raise ConfigError(
            f"scenario link must be of a link whose [channel] is 'chain' (this one's is {there})"
        )
    config: Config = configure("channel", dict(link.channel), "channel")[1]
    return config
