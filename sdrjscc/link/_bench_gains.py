"""The gains of a link: setting them under their cap, sweeping them, choosing among what was measured."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sdrjscc.errors import ConfigError
from sdrjscc.linkfile import LinkConfig, Table, parse_link

GAIN_STEP_DB = 6.0
NEAR_BEST_DB = 0.5
"""How much SNR a lower gain may cost: less gain leaves more room for stronger signals."""

End = Literal["rx", "tx"]


@dataclass(frozen=True)
class GainPoint:
    """Figures of one setting of the gains; ``None`` where nothing was received, or cannot be told.

    ``saturated`` counts received samples at full scale, ``clipped`` transmitted ones beyond it;
    ``cfo_hz`` and ``sco_ppm`` hold every packet's.
    """

    rx_gain_db: float
    tx_gain_db: float | None
    noise_dbfs: float | None
    dc_dbfs: float | None
    busiest_db: float | None
    level_dbfs: float | None
    snr_db: float | None
    pilot_snr_db: float | None
    evm_db: float | None
    saturated: int
    clipped: int
    overflows: int
    underflows: int
    late: int
    packets_sent: int
    packets_received: int
    cfo_hz: tuple[float, ...]
    sco_ppm: tuple[float, ...]
    temperature_c: float | None

    @property
    def usable(self) -> bool:
        """Whether everything arrived and nothing was saturated."""
        return self.snr_db is not None and not self.saturated and self.packets_received == self.packets_sent

    def row(self) -> dict[str, Any]:
        """Its entry in ``results.json``."""
        return asdict(self) | {"usable": self.usable}


def choose(points: Sequence[GainPoint]) -> GainPoint | None:
    """The lowest gains within 0.5 dB of the best SNR, of those where all arrived and nothing saturated.

    Args:
        points: in the order of rising gain.

    Returns:
        ``None`` where no point is usable.
    """
    usable = [(one, one.snr_db) for one in points if one.usable and one.snr_db is not None]
    best_db = max((snr_db for _, snr_db in usable), default=0.0)
    return next((one for one, snr_db in usable if snr_db >= best_db - NEAR_BEST_DB), None)


def steps(lowest_db: float, highest_db: float) -> list[float]:
    """A sweep in steps of 6 dB, ascending, both ends included."""
    count = math.floor((highest_db - lowest_db) / GAIN_STEP_DB + 1e-9)
    gains = [lowest_db + GAIN_STEP_DB * step for step in range(count + 1)]
    return gains if math.isclose(gains[-1], highest_db) else [*gains, highest_db]


def with_gain(config: LinkConfig, end: End, gain_db: float) -> LinkConfig:
    """The same link with another gain of one end's radio.

    Raises:
        ConfigError: the radio has no such gain, does not take this one, or it is a transmit gain
            over the table's cap, or without one.
    """
    table, key = radio_table(config, end), f"{end}_gain_db"
    if end == "tx":
        _check_cap(table, gain_db)
    link = config.model_dump(exclude_none=True)
    place = "rx" if end == "rx" and config.radios.rx is not None else "tx"
    link["radios"][place] = {**table, key: gain_db}
    return parse_link(link)


def radio_table(config: LinkConfig, end: End) -> Table:
    """The table of one end's radio."""
    radios = config.radios
    return dict(radios.tx if end == "tx" or radios.rx is None else radios.rx)


def config_gain(config: LinkConfig, end: End) -> float | None:
    """The gain in the table of one end's radio."""
    gain = radio_table(config, end).get(f"{end}_gain_db")
    return float(gain) if isinstance(gain, int | float) else None


def _check_cap(table: Table, gain_db: float) -> None:
    cap = table.get("tx_gain_max_db")
    if not isinstance(cap, int | float):
        raise ConfigError("radios.tx must have a tx_gain_max_db where its gain is swept (it has none)")
    if gain_db > cap:
        raise ConfigError(f"a transmit gain must be at most tx_gain_max_db = {cap:g} (got {gain_db:g})")
