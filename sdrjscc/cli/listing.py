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
    RECIPES = "recipes"
    CAMPAIGNS = "campaigns"


_LEGEND = """\
parameters: trainable values. MACs: multiply-accumulates of encoding and decoding one picture of
256 x 256 px, in the mode with most, transposed convolutions counted at their input positions (what
is computed) and, 'at outputs', at their output positions (as papers count). paper's: the published
figures, MACs for a square picture of so many px a side; no credible strides reproduce those of
ren2026. They are empty where a paper publishes none to compare with: LICRnet's gives megabytes alone,
uJSCC's not all widths, that of ren2026 no cost of table1 and reduced. k: complex channel symbols of
the picture. rho = k / (3 x 256 x 256), symbols a source value. K, M, G: 10^3, 10^6, 10^9.
0: a codec without a network, whose transform or coder is not counted."""
_NUMBERS = ("parameters", "paper's", "MACs", "at outputs", "paper's MACs", "for px", "rho")
_ANY_WIDTH, _LEAST_WIDTH = 1000, 80
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
    """List codecs with their cost, weights with their quality, recipes, presets and plug-ins."""
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
    if what is Listed.RECIPES:
        from sdrjscc.training.recipe import recipe_rows

        return recipe_rows()
    if what is Listed.CAMPAIGNS:
        from sdrjscc.evaluation.campaign import campaign_rows

        return campaign_rows()
    from sdrjscc import plugins

    return [{"name": name} for name in plugins.available(_FAMILIES[what])]


def _print(what: Listed, rows: list[dict[str, Any]]) -> None:
    terms = sorted({str(row["terms"]) for row in rows if "terms" in row})
    flat = [_codec(row) if what is Listed.CODECS else _flat(row) for row in rows]
    caption = "PSNR in dB by SNR" if what is Listed.WEIGHTS else None
    table = Table(box=SIMPLE, pad_edge=False, padding=0, title=what.value, caption=caption)
    columns = max(flat, key=len)  # weights for high SNRs have one more
    for key, value in columns.items():
        words = isinstance(value, str) and key not in _NUMBERS
        whole = key != "description"
        table.add_column(key.replace("_", " "), justify="left" if words else "right", no_wrap=whole)
    for row in flat:
        table.add_row(*(_cell(row.get(key, "")) for key in columns))
    needed = console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum
    if what in (Listed.RECIPES, Listed.CAMPAIGNS):  # of which the descriptions wrap
        needed = _LEAST_WIDTH
    console.print(table, width=max(needed, console.width), crop=False)  # a terminal wraps, digits stay
    for sentence in (_LEGEND,) if what is Listed.CODECS else terms:
        console.print(sentence, highlight=False, markup=False)


def _codec(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the columns that ``_LEGEND`` explains."""
    return {
        "codec": row["codec"],
        "variant": row["variant"],
        "options": ", ".join(f"{option} {chosen}" for option, chosen in row["options"].items()),
        "parameters": _scaled(row["parameters"]),
        "paper's": _scaled(row["published_parameters"]),
        "MACs": _scaled(row["macs"]),
        "at outputs": _scaled(row["macs_output_counted"]),
        "paper's MACs": _scaled(row["published_macs"]),
        "for px": row["published_side_px"] or "",
        "k": row["symbols_256"],
        "rho": f"{row['rho']:.4f}",
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The row as columns: a table by SNR becomes a column per SNR; what is too long for one goes."""
    columns: dict[str, Any] = {}
    if "file" in row:  # weights: their name says codec and variant
        row = {"name": Path(str(row["file"])).stem} | {k: v for k, v in row.items() if k not in _IN_NAME}
    for key, value in row.items():
        if isinstance(value, dict):
            columns |= {f"{level} dB": entry for level, entry in value.items()}
        elif key != "terms":
            columns[key] = value
    return columns


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}" if value >= 1.0 else f"{value:.3g}"
    return str(value)


def _scaled(value: int | None) -> str:
    """With four digits or so and K, M or G."""
    if value is None:
        return ""
    for factor, letter in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if value >= factor:
            return f"{value / factor:.{2 if value < 100 * factor else 1}f} {letter}"
    return str(value)
