"""What codecs and weights there are, as rows for tables and JSON."""

from typing import Any

from sdrjscc import plugins
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._weights import UNTRAINED, bundled_cards
from sdrjscc.codecs.base import load_codec

SIDE_PX = 256


def codec_rows() -> list[dict[str, Any]]:
    """One row per variant: parameters, multiply-accumulates and symbols at 256x256.

    ``macs`` counts a transposed convolution at its input positions (what is computed),
    ``macs_output_counted`` at its output positions (as papers' tools do).
    """
    rows = []
    for name in plugins.available("codecs"):
        for variant in plugins.variants("codecs", name):
            codec = load_codec(name, variant, weights=UNTRAINED)
            cost = codec_complexity(codec, SIDE_PX, SIDE_PX)
            rows.append(
                {
                    "codec": name,
                    "variant": variant,
                    "parameters": cost.parameters,
                    "macs": cost.macs,
                    "macs_output_counted": cost.macs_output_counted,
                    "symbols_256": codec.plan(SIDE_PX, SIDE_PX).symbols,
                }
            )
    return rows


def weight_rows() -> list[dict[str, Any]]:
    """One row per bundled weights file, from its card."""
    keys = ("codec", "variant", "file", "parameters", "rho", "psnr_db", "terms")
    return [{key: card.get(key) for key in keys} for card in bundled_cards()]
