"""What ``sdrjscc radio calibrate`` says before it transmits, and the table of what it measured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from sdrjscc.cli._console import console

if TYPE_CHECKING:
    from sdrjscc.link.bench import GainPoint
    from sdrjscc.linkfile import LinkConfig

_COLUMNS = ("rx gain dB", "tx gain dB", "noise dBFS", "signal dBFS", "SNR dB", "saturated", "packets")


def announce(
    config: "LinkConfig",
    receive: Sequence["LinkConfig"],
    transmit: Sequence["LinkConfig"],
    pictures: int,
) -> None:
    """Say what goes on the air before it does."""
    from sdrjscc.link.bench import config_gain, radio_table

    table = radio_table(config, "tx")
    gains = [gain for one in (config, *transmit) if (gain := config_gain(one, "tx")) is not None]
    carrier_hz = table.get("center_frequency_hz")
    carrier = f"{carrier_hz / 1e6:g} MHz" if isinstance(carrier_hz, int | float) else "its own carrier"
    told = (
        f"{min(gains):g} to {max(gains):g} dB" if len(gains) > 1 else "".join(f"{one:g} dB" for one in gains)
    )
    cap, level = table.get("tx_gain_max_db"), table.get("tx_dbfs")
    parts = [f"{table['name']} transmits at {carrier}, gain {told or 'its own'}"]
    parts.append("no cap" if cap is None else f"cap {cap:g} dB")
    if level is not None:
        parts.append(f"mean {level:g} dBFS")
    count = pictures * (len(receive) + len(transmit))
    console.print(
        f"{', '.join(parts)}; {count} test pictures at {len(receive)} receive gains",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def table(sweeps: "Sequence[tuple[Sequence[GainPoint], GainPoint | None]]") -> Table:
    """A row for each point of each sweep; those chosen stand out."""
    shown = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        shown.add_column(name, justify="right", no_wrap=True)
    for points, chosen in sweeps:
        for point in points:
            cells = (point.rx_gain_db, point.tx_gain_db, point.noise_dbfs, point.level_dbfs, point.snr_db)
            shown.add_row(
                *("-" if one is None else f"{one:.1f}" for one in cells),
                str(point.saturated),
                f"{point.packets_received}/{point.packets_sent}",
                style="bold green" if point is chosen else None,
            )
    return shown
