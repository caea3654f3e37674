"""What ``sdrjscc evaluate`` is given, and the table that it prints at the end."""

import math
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from sdrjscc.cli._console import console
from sdrjscc.errors import ConfigError

if TYPE_CHECKING:
    from sdrjscc.evaluation.campaign import Campaign

_DIGITS = {"psnr_db": 2, "ssim": 4, "ms_ssim": 4, "lpips": 4}
_HEADS = {"psnr_db": "PSNR dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS"}
_MOST_LINES = 24
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class Choice:
    """What makes a campaign of a codec's name.

    Attributes:
        weights: a file, or a name of bundled ones.
        snr_db: in dB, with commas between.
        channel: on symbols.
        crop_px: 0: whole pictures.
        lpips: backbone.
    """

    weights: str | None
    snr_db: str | None
    channel: str | None
    crop_px: int | None
    lpips: Path | None

    def given(self) -> dict[str, str]:
        """The options that are given, as they are on the command line."""
        options = {
            "--weights": self.weights,
            "--snr-db": self.snr_db,
            "--channel": self.channel,
            "--crop": self.crop_px,
        }
        return {name: str(value) for name, value in options.items() if value is not None}


def read_campaign(what: str, choice: Choice) -> "tuple[Campaign, str]":
    """The campaign that is meant, with its TOML: a file, a bundled one, or one of a single codec.

    Raises:
        ConfigError: it is neither, or not valid.
    """
    from sdrjscc.evaluation.campaign import campaign_file, load_campaign, parse_campaign

    codec = _codec(what)
    if codec is None:
        if choice.given():
            names = ", ".join(choice.given())
            raise ConfigError(f"{names} must be left out where a campaign says it (got '{what}')")
        return load_campaign(what), campaign_file(what).read_text(encoding="utf-8")
    text = _text(codec, choice)
    return parse_campaign(tomllib.loads(text)), text


def _codec(what: str) -> dict[str, Any] | None:
    """The table of a codec that is named; ``None``: it is a campaign."""
    from sdrjscc.evaluation.campaign import campaign_names
    from sdrjscc.plugins import available

    name, _, variant = (what, "", "") if ":" in what else what.partition("/")
    known = name in available("codecs") or ":" in name
    if what in campaign_names() or Path(what).is_file() or what.endswith(".toml"):
        return None
    if not known:
        raise ConfigError(
            f"a campaign must be a TOML file or one of {', '.join(campaign_names())}, "
            f"or a codec to evaluate, with its variant: NAME/VARIANT (got '{what}')"
        )
    return {"name": name, "variant": variant} if variant else {"name": name}


def _text(codec: dict[str, Any], choice: Choice) -> str:
    from sdrjscc.evaluation.one_codec import CROP_PX, codec_campaign

    if choice.weights is not None:
        codec["weights"] = choice.weights
    crop_px = CROP_PX if choice.crop_px is None else choice.crop_px
    return codec_campaign(
        codec,
        snr_db=None if choice.snr_db is None else _numbers(choice.snr_db),
        channel=choice.channel or "awgn",
        crop_px=crop_px or None,
        lpips=choice.lpips is not None,
    )


def _numbers(text: str) -> list[float]:
    try:
        found = [float(one) for one in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(math.isfinite(one) for one in found):
        raise ConfigError(f"--snr-db must be numbers with commas between, as 1,4,7 (got '{text}')")
    return found


def shown_command(what: str, data: Path | None, out: Path, choice: Choice) -> str:
    """What to run for the same rows; who computes them is left out, as it decides nothing."""
    words = ["sdrjscc", "evaluate", what, *(["--data", str(data)] if data is not None else [])]
    words += [word for pair in choice.given().items() for word in pair]
    words += ["--out", str(out)]
    return shlex.join(words if choice.lpips is None else [*words, "--lpips", str(choice.lpips)])


def print_summary(lines: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> None:
    """Print the means; of many lines that are no recordings the first metric alone, a column an SNR."""
    recorded = any(line["recording"] for line in lines)
    short = recorded or len(lines) <= _MOST_LINES
    console.print(_long(lines, metrics) if short else _wide(lines, metrics[0]))


def _long(lines: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Table:
    heads = [_HEADS[metric] for metric in metrics]
    several = len({line["setting"] for line in lines}) > 1
    keys = {"channel": "setting"} if several else {}
    keys |= {"codec": "codec"} | (
        {"recording": "recording"} if any(line["recording"] for line in lines) else {}
    )
    on_air = any(line["rho_on_air"] is not None for line in lines)
    found = _table(list(keys), ["SNR dB", *heads, "rho air" if on_air else "rho", "lost %"])
    for line in lines:
        names = [line[key] for key in keys.values()]
        values = [number(line[metric], _DIGITS[metric]) for metric in metrics]
        rho = line["rho_on_air" if on_air else "rho"]
        cells = (number(line["snr_db"], 1), *values, number(rho, 4), number(100 * line["undecodable"], 1))
        found.add_row(*(escape(name) for name in names), *cells)
    return found


def _wide(lines: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """A line a codec and setting, a column an SNR."""
    snrs = sorted({line["snr_db"] for line in lines if line["snr_db"] is not None})
    shown = snrs if len(snrs) <= _MOST_COLUMNS else snrs[:: -(-len(snrs) // _MOST_COLUMNS)]
    found = _table(["channel", f"{_HEADS[metric]} of"], [f"{snr:g} dB" for snr in shown])
    values = {(line["setting"], line["codec"], line["snr_db"]): line[metric] for line in lines}
    for setting, codec in dict.fromkeys((line["setting"], line["codec"]) for line in lines):
        cells = [number(values.get((setting, codec, snr)), _DIGITS[metric]) for snr in shown]
        found.add_row(escape(setting), escape(codec), *cells)
    return found


def _table(names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def number(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
