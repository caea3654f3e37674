"""``sdrjscc list``: what there is."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from sdrjscc.cli._console import console


class Listed(StrEnum):
    """What can be listed."""

    CODECS = "codecs"
    MAPPINGS = "mappings"
    CHANNELS = "channels"
    RADIOS = "radios"
    WAVEFORMS = "waveforms"
    WEIGHTS = "weights"
    PRESETS = "presets"


_IN_NAME = ("file", "codec", "variant")
_FAMILIES = {
    Listed.MAPPINGS: "mapping",
    Listed.CHANNELS: "channel",
    Listed.RADIOS: "radio",
    Listed.WAVEFORMS: "waveform",
}


def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")] = Listed.CODECS,
    as_json: Annotated[bool, typer.Option("--json", help="The same rows as JSON.")] = False,
) -> None:
    """List codecs with their cost, weights with their quality, presets and plug-ins."""
    rows = _rows(what)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        _print(what, rows)
    else:
        console.print(f"no {what.value}")


def _rows(what: Listed) -> list[dict[str, Any]]:
    if what is Listed.CODECS:
        from sdrjscc.codecs._catalogue import codec_rows

        return codec_rows()
    if what is Listed.WEIGHTS:
        from sdrjscc.codecs._catalogue import weight_rows

        return weight_rows()
    if what is Listed.PRESETS:
        from sdrjscc.linkfile import preset_names

        return [{"preset": name} for name in preset_names()]
    from sdrjscc import plugins

    return [{"name": name} for name in plugins.available(_FAMILIES[what])]


def _print(what: Listed, rows: list[dict[str, Any]]) -> None:
    terms = sorted({str(row["terms"]) for row in rows if "terms" in row})
    flat = [_flat(row) for row in rows]
    caption = "PSNR in dB by SNR" if what is Listed.WEIGHTS else None
    table = Table(box=SIMPLE, pad_edge=False, padding=0, title=what.value, caption=caption)
    for key, value in flat[0].items():
        table.add_column(
            key.replace("_", " "), justify="right" if isinstance(value, int | float) else "left", no_wrap=True
        )
    for row in flat:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)
    for sentence in terms:
        console.print(sentence)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The row as columns: a table by SNR becomes a column per SNR; what is too long for one goes."""
    columns: dict[str, Any] = {}
    if "file" in row:  # weights: their name says codec and variant
        row = {"name": Path(str(row["file"])).stem} | {k: v for k, v in row.items() if k not in _IN_NAME}
    for key, value in row.items():
        if key == "options":
            columns[key] = ", ".join(f"{option} {chosen}" for option, chosen in value.items())
        elif isinstance(value, dict):
            columns |= {f"{level} dB": entry for level, entry in value.items()}
        elif key not in ("terms", "macs_by_mode"):
            columns[key] = value
    return columns


def _cell(value: Any) -> str:
    if isinstance(value, int) and value >= 10_000_000_000:
        return f"{value / 1e9:.1f} G"
    if isinstance(value, int):
        return f"{value / 1e6:.1f} M" if value >= 1_000_000 else f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}" if value >= 1.0 else f"{value:.3g}"
    return str(value)
