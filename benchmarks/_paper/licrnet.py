"""What LICRnet and LICRnet-F cost: counted, and timed by ``benchmarks/attention.py``."""

import json
from pathlib import Path
from typing import Any

from _paper.tables import markdown
from sdrjscc.codecs.licrnet import VARIANTS

_RESULTS = Path(__file__).parent.parent / "results" / "attention.json"
_LEVELS = (2, 4, 8)
_SIDE_PX = 256


def scores(variant: str) -> int:
    """Attention scores of encoding and decoding a picture of 256 x 256 px: a key a position and query."""
    design = VARIANTS[variant]
    return sum(
        (_SIDE_PX // level) ** 2 * min(window, _SIDE_PX // level) ** 2
        for windows in (design.encoder, design.decoder)
        for level, (window, _) in zip(_LEVELS, windows, strict=True)
    )


def scores_ratio(variant: str) -> float:
    """LICRnet's scores over LICRnet-F's."""
    return scores(variant) / scores(f"{variant}-F")


def costs() -> str:
    """Parameters, operations, scores and times of both at 256 x 256 px, and times at 768 x 512 px."""
    head = (
        "network",
        "parameters",
        "MACs (M)",
        "attention scores (K)",
        "encode, decode (ms)",
        "768 x 512 px: encode, decode (ms)",
    )
    by_size = {(tuple(row["variants"]), row["width"]): row for row in _rows()}
    lines = []
    for pair in dict.fromkeys(tuple(row["variants"]) for row in _rows()):
        small, large = by_size[pair, 256], by_size[pair, 768]
        for number, variant in enumerate(pair):
            name = f"LICRnet{'-F' if variant.endswith('-F') else ''}, {variant.removesuffix('-F')}"
            counted = f"{small['parameters'][number]:,}", f"{small['macs'][number] / 1e6:,.0f}"
            taken = [
                f"{row['encode_ms'][number]:.0f}, {row['decode_ms'][number]:.0f}" for row in (small, large)
            ]
            lines.append((name, *counted, f"{scores(variant) / 1e3:,.0f}", *taken))
    return markdown(head, lines)


def time_ratio(variant: str, width: int) -> str:
    """LICRnet's time over LICRnet-F's, with the quartiles of the rounds."""
    row = next(row for row in _rows() if row["variants"][0] == variant and row["width"] == width)
    low, high = row["time_ratio_quartiles"]
    return f"{row['time_ratio']:.2f} ({low:.2f} to {high:.2f})"


def macs_ratio(variant: str) -> float:
    """LICRnet's operations over LICRnet-F's, at 256 x 256 px."""
    row = next(row for row in _rows() if row["variants"][0] == variant and row["width"] == _SIDE_PX)
    return float(row["macs_ratio"])


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_RESULTS.read_text(encoding="utf-8"))["rows"]
    return rows
