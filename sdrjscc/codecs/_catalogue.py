"""What codecs and weights there are, as rows for tables and JSON.

Operations are counted once, into ``costs.json``: to build and run every network takes ten
seconds, even on the meta device. A test counts again and compares; what is not in the file,
a new codec for instance, is counted when it is asked for.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from sdrjscc import plugins
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._published import PUBLISHED
from sdrjscc.codecs._weights import UNTRAINED, bundled_cards
from sdrjscc.codecs.base import load_codec

SIDE_PX = 256
COSTS = Path(__file__).parent / "costs.json"


def codec_rows() -> list[dict[str, Any]]:
    """One row per variant and listed options: parameters, operations and symbols at 256x256.

    ``macs`` counts a transposed convolution at its input positions (what is computed),
    ``macs_output_counted`` at its output positions (as papers' tools do); both are those of the
    mode with most. ``macs_by_mode`` has ``macs`` of each mode of the network. ``rho`` is
    ``symbols_256 / (3 * 256 * 256)``. What begins with ``published`` is the paper's own, ``None``
    where it has none, its operations for a square picture of ``published_side_px``.
    """
    stored = {_key(row): row for row in json.loads(COSTS.read_text(encoding="utf-8"))}
    rows = [stored.get(_key(entry)) or count(entry) for entry in listed()]
    return [{**row, "rho": row["symbols_256"] / (3 * SIDE_PX**2), **_published(row)} for row in rows]


def weight_rows() -> list[dict[str, Any]]:
    """One row per bundled weights file, from its card."""
    keys = ("codec", "variant", "file", "parameters", "rho", "psnr_db", "terms")
    return [{key: card.get(key) for key in keys} for card in bundled_cards()]


def listed() -> Iterator[dict[str, Any]]:
    """``codec``, ``variant`` and ``options`` of every row."""
    for name in plugins.available("codecs"):
        for variant in plugins.variants("codecs", name):
            for options in plugins.listed_options("codecs", name):
                yield {"codec": name, "variant": variant, "options": options}


def count(entry: dict[str, Any]) -> dict[str, Any]:
    """A row of ``costs.json``: ``entry`` with its parameters, operations and symbols."""
    codec = load_codec(entry["codec"], entry["variant"], weights=UNTRAINED, **entry["options"])
    if isinstance(codec, nn.Module):
        codec.to("meta")
    costs = [codec_complexity(codec, SIDE_PX, SIDE_PX, mode) for mode in range(getattr(codec, "modes", 1))]
    return {
        **entry,
        "parameters": costs[0].parameters,
        "macs": max(cost.macs for cost in costs),
        "macs_output_counted": max(cost.macs_output_counted for cost in costs),
        "macs_by_mode": [cost.macs for cost in costs],
        "symbols_256": codec.plan(SIDE_PX, SIDE_PX).symbols,
    }


def _key(row: dict[str, Any]) -> str:
    return json.dumps([row["codec"], row["variant"], row["options"]], sort_keys=True)


def _published(row: dict[str, Any]) -> dict[str, Any]:
    found = PUBLISHED.get((row["codec"], row["variant"]))
    return {
        "published_parameters": found and found.parameters,
        "published_macs": found and found.macs,
        "published_side_px": found and found.side_px,
    }
