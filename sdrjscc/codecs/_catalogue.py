"""What codecs and weights there are, as rows for tables and JSON."""

from typing import Any

from torch import nn

from sdrjscc import plugins
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._weights import UNTRAINED, bundled_cards
from sdrjscc.codecs.base import load_codec

SIDE_PX = 256


def codec_rows() -> list[dict[str, Any]]:
    """One row per variant and listed options: parameters, operations and symbols at 256x256.

    ``macs`` counts a transposed convolution at its input positions (what is computed),
    ``macs_output_counted`` at its output positions (as papers' tools do); both are those of the
    mode with most. ``macs_by_mode`` has ``macs`` of each mode of the network.
    """
    return [
        _codec_row(name, variant, options)
        for name in plugins.available("codecs")
        for variant in plugins.variants("codecs", name)
        for options in plugins.listed_options("codecs", name)
    ]


def weight_rows() -> list[dict[str, Any]]:
    """One row per bundled weights file, from its card."""
    keys = ("codec", "variant", "file", "parameters", "rho", "psnr_db", "terms")
    return [{key: card.get(key) for key in keys} for card in bundled_cards()]


def _codec_row(name: str, variant: str, options: dict[str, Any]) -> dict[str, Any]:
    codec = load_codec(name, variant, weights=UNTRAINED, **options)
    if isinstance(codec, nn.Module):
        codec.to("meta")
    costs = [codec_complexity(codec, SIDE_PX, SIDE_PX, mode) for mode in range(getattr(codec, "modes", 1))]
    return {
        "codec": name,
        "variant": variant,
        "options": options,
        "parameters": costs[0].parameters,
        "macs": max(cost.macs for cost in costs),
        "macs_output_counted": max(cost.macs_output_counted for cost in costs),
        "macs_by_mode": [cost.macs for cost in costs],
        "symbols_256": codec.plan(SIDE_PX, SIDE_PX).symbols,
    }
