"""The campaign of a single codec, which stands for many figures on its card."""

from collections.abc import Sequence
from typing import Any

import tomli_w

from sdrjscc.evaluation.campaign import METRICS
from sdrjscc.evaluation.symbol_level import CARD_SNR_DB
from sdrjscc.link.fit import codec_name
from sdrjscc.linkfile import Table

CROP_PX = 256


def codec_campaign(
    codec: Table,
    *,
    snr_db: Sequence[float] = CARD_SNR_DB,
    channel: str = "awgn",
    crop_px: int | None = CROP_PX,
    lpips: bool = False,
) -> str:
    """A campaign's TOML: one codec at symbol level, on pictures' centres, as weights' cards are measured.

    Args:
        codec: its table.
        snr_db: per complex symbol.
        channel: on symbols, by name, with its defaults.
        crop_px: side of the centre that is sent of larger pictures; ``None``: whole pictures.
        lpips: measure LPIPS too.
    """
    shown = codec_name(codec)
    name = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in shown).strip("_.-")
    table: dict[str, Any] = {
        "campaign": {
            "name": name,
            "description": f"{shown} over {channel} at symbol level; frames and pilots are not counted.",
        },
        "grid": {"codec": [codec], "channel": [{"name": channel}], "snr_db": [float(one) for one in snr_db]},
        "images": {} if crop_px is None else {"crop_px": crop_px},
        "metrics": {metric: metric != "lpips" or lpips for metric in METRICS},
    }
    return tomli_w.dumps(table)
