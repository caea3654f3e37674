"""Markdown tables of the page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _paper.numbers import DECIMALS, Numbers
from sdrjscc.codecs._catalogue import codec_rows
from sdrjscc.codecs._weights import bundled_cards

_MIB = 2.0**20
_FLOAT_BYTES = 4
_AREA_512 = 4
"""512 x 512 px over 256 x 256: every layer is a convolution, so that operations go with the area."""
_CLOSE_DB = 0.1

REN_PAPER = {
    "base": ("23.8", "31.42", "0.91"),
    "gamma-0.2": ("20.4", "31.63", "0.92"),
    "gamma-0.5": ("15.3", "30.99", "0.91"),
    "gamma-0.7": ("11.9", "30.36", "0.91"),
    "gamma-0.9": ("8.54", "28.57", "0.87"),
}
"""The pruning paper's Table II: size in MB, PSNR in dB and SSIM at 25 dB; Cityscapes."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def dsc_costs() -> str:
    """Parameters and operations of the DSC paper's Table III, and ours."""
    head = (
        "variant",
        "parameters",
        "paper (K)",
        "MACs at outputs (M)",
        "paper's FLOPs (M)",
        "MACs computed (M)",
    )
    rows = []
    for row in _codec("dsc_jscc"):
        paper = _thousands(row["published_parameters"]), f"{row['published_macs'] / 1e6:.1f}"
        macs = f"{row['macs_output_counted'] / 1e6:.1f}", f"{row['macs'] / 1e6:.1f}"
        rows.append((row["variant"], f"{row['parameters']:,}", paper[0], macs[0], paper[1], macs[1]))
    return markdown(head, rows)


def ren_costs(numbers: Numbers, pruning: Path) -> str:
    """The pruning paper's Table II, and ours: counted, and measured on Kodak."""
    head = (
        "gamma",
        "parameters (M)",
        "paper",
        "float32 (MiB)",
        "paper",
        "our file (MB)",
        "MACs, 512 px (G)",
        "paper",
        "k/n",
        "PSNR at 25 dB",
        "paper",
        "SSIM",
        "paper",
    )
    files = {
        row["variant"]: row["file_bytes"] for row in json.loads(pruning.read_text(encoding="utf-8"))["rows"]
    }
    rows = []
    for row in _codec("ren2026"):
        variant = row["variant"]
        if variant not in REN_PAPER:
            continue
        gamma = variant.removeprefix("gamma-") if variant != "base" else "0"
        size, psnr, ssim = REN_PAPER[variant]
        quality = [
            numbers.mean("paper-ren-gamma", f"gamma {gamma}", metric, 25.0) for metric in ("psnr_db", "ssim")
        ]
        rows.append(
            (
                gamma,
                f"{row['parameters'] / 1e6:.2f}",
                f"{row['published_parameters'] / 1e6:.2f}",
                f"{row['parameters'] * _FLOAT_BYTES / _MIB:.1f}",
                size,
                f"{files[variant] / 1e6:.1f}",
                f"{_AREA_512 * row['macs_output_counted'] / 1e9:.2f}",
                f"{row['published_macs'] / 1e9:.2f}",
                f"{row['rho']:.3f}",
                *(quality[0], psnr, quality[1], ssim),
            )
        )
    return markdown(head, rows)


def ujscc_costs() -> str:
    """Parameters, the share of batch normalisation, and operations a CIFAR-10 picture in each order."""
    head = ("scheme", "width", "parameters", "MACs (M): BPSK", "4-QAM", "16-QAM", "64-QAM", "256-QAM")
    rows = []
    for row in _codec("ujscc"):
        if row["options"]["size"] not in ("comparison", "paper"):
            continue
        macs = [f"{value / _PICTURES_32 / 1e6:.1f}" for value in row["macs_by_mode"]]
        rows.append((row["variant"], row["options"]["size"], f"{row['parameters']:,}", *macs))
    return markdown(head, rows)


_PICTURES_32 = 64
"""Pictures of 32 x 32 px in one of 256 x 256, for which the operations are counted."""


def curve_table(
    numbers: Numbers, campaign: str, metric: str, codecs: Sequence[str] = (), setting: str = ""
) -> str:
    """Means by codec, a column an SNR; an empty cell where a codec was not measured."""
    curves = {
        codec: numbers.curve(campaign, codec, metric, setting)
        for codec in codecs or numbers.codecs(campaign, setting)
    }
    levels = sorted({snr for curve in curves.values() for snr in curve})
    rows = [
        (codec, *(f"{curve[snr]:.{DECIMALS[metric]}f}" if snr in curve else "" for snr in levels))
        for codec, curve in curves.items()
    ]
    return markdown(("", *(f"{snr:g} dB" for snr in levels)), rows)


def diff_table(
    numbers: Numbers,
    campaign: str,
    metric: str,
    pairs: Iterable[tuple[str, str]],
    snr_db: Sequence[float],
    setting: str = "",
) -> str:
    """Mean paired differences with their intervals."""
    rows = [
        (
            f"{ours} less {theirs}",
            *(str(numbers.diff(campaign, ours, theirs, metric, snr, setting)) for snr in snr_db),
        )
        for ours, theirs in pairs
    ]
    return markdown(("", *(f"{snr:g} dB" for snr in snr_db)), rows)


def convergence(names: Sequence[str], close_db: float = _CLOSE_DB) -> str:
    """Steps after which validation PSNR stays within ``close_db`` of the last one, by the card's curve."""
    cards = {card["file"].removesuffix(".safetensors"): card for card in bundled_cards()}
    chosen = {name: cards[name]["curve"] for name in names}
    levels = list(next(iter(chosen.values()))[0]["psnr_db"])
    rows = [
        (name, *(f"{_settled(curve, level, close_db):,}" for level in levels))
        for name, curve in chosen.items()
    ]
    return markdown(("weights", *(f"at {float(level):g} dB" for level in levels)), rows)


def _settled(curve: Sequence[Mapping[str, Any]], level: str, close_db: float) -> int:
    last = curve[-1]["psnr_db"][level]
    away = [number for number, point in enumerate(curve) if point["psnr_db"][level] < last - close_db]
    return int(curve[away[-1] + 1 if away else 0]["step"])


def _codec(name: str) -> list[dict[str, Any]]:
    return [row for row in codec_rows() if row["codec"] == name]


def _thousands(value: int) -> str:
    return f"{value / 1e3:.1f}"
