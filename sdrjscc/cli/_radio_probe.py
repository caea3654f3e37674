"""``sdrjscc radio probe``: opens one device and prints what it says."""

from dataclasses import dataclass
from typing import Any, Literal

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table as RichTable

from sdrjscc.cli._console import console
from sdrjscc.cli._live import spectrum_line
from sdrjscc.errors import ConfigError

_UNITS = {"hz": "Hz", "db": "dB", "dbfs": "dBFS", "ppm": "ppm", "s": "s", "samples": "samples"}


@dataclass(frozen=True)
class Wanted:
    """Which radio: of a link's end, or by a profile or a name, and its address."""

    config: str | None
    end: Literal["rx", "tx"]
    profile: str | None
    name: str | None
    address: str | None
    frequency_hz: float | None


def show(wanted: Wanted) -> None:
    """Open the radio as a receiving end and print what it says.

    Raises:
        ConfigError: it is not clear which radio, or its table is not valid.
        RadioError: it is not there, or refused a setting.
    """
    from sdrjscc.link.bench import probe, receiving_table

    table = receiving_table(_table(wanted), address=wanted.address)
    if wanted.frequency_hz is not None:
        table = receiving_table({**table, "center_frequency_hz": wanted.frequency_hz})
    found = probe(table)
    rows = RichTable(box=SIMPLE, padding=(0, 1, 0, 0), show_header=False)
    rows.add_row("radio", escape(_title(table)))
    for key, value in found.status.settings.items():
        rows.add_row(escape(key), escape(_told(key, value)))
    for key, capability in found.capabilities.items():
        rows.add_row(f"can: {escape(key)}", escape(_told(key, capability)))
    console.print(rows)
    lines = _heard(found)
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _table(wanted: Wanted) -> dict[str, Any]:
    from sdrjscc.link.bench import radio_table
    from sdrjscc.linkfile import load_link

    given = [one for one in (wanted.config, wanted.profile, wanted.name) if one is not None]
    if len(given) != 1:
        raise ConfigError(f"one of -c LINK, --profile and --name must be given (got {len(given)} of them)")
    if wanted.config is not None:
        return radio_table(load_link(wanted.config), wanted.end)
    if wanted.address is None:
        raise ConfigError("--address must be given with --profile and --name (nothing is searched for)")
    return {"profile": wanted.profile} if wanted.name is None else {"name": wanted.name}


def _title(table: dict[str, Any]) -> str:
    from sdrjscc.linkfile import ADDRESSES

    address = next((f" at {table[key]}" for key in ADDRESSES if key in table), "")
    device = f", {table['device']}" if table.get("device") else ""
    return f"{table['name']}{address}{device}"


def _told(key: str, value: object) -> str:
    """A setting or a capability in words; keys carry their units."""
    unit = _UNITS.get(key.rsplit("_", 1)[-1], "") if "_" in key else ""
    if isinstance(value, tuple):
        return f"{_number(value[0], unit)} to {_number(value[1], unit)}"
    return _number(value, unit) if isinstance(value, int | float) else str(value)


def _number(value: float, unit: str) -> str:
    if unit == "Hz" and abs(value) >= 1e5:
        return f"{value / 1e6:.9g} MHz"
    return f"{value:g} {unit}".rstrip()


def _heard(found: Any) -> list[str]:
    """Temperature, strength, level and spectrum of one reception."""
    status, lines = found.status, []
    if status.temperature_c is not None:
        lines.append(f"temperature  {status.temperature_c:.1f} degrees C")
    if status.rssi_db is not None:
        lines.append(f"RSSI         {status.rssi_db:g} dB (the device's own convention)")
    if found.level_dbfs is None:
        return [*lines, "heard        nothing: this radio gives no samples by itself"]
    count = found.samples.shape[-1]
    lines.append(
        f"heard        {count} samples, {found.level_dbfs:.1f} dBFS, {status.saturated} at full scale, "
        f"{status.overflows} overflows"
    )
    if line := spectrum_line(found.samples, found.sample_rate_hz):
        half = _number(found.sample_rate_hz / 2, "Hz")
        lines.append(f"spectrum     {line}  +-{half}, bars of 40 dB")
    return lines
