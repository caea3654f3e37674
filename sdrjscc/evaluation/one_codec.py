"""The campaign of a single codec, which stands for many figures on its card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from sdrjscc.codecs._weights import bundled_cards
from sdrjscc.evaluation.campaign import METRICS
from sdrjscc.evaluation.symbol_level import CARD_SNR_DB
from sdrjscc.link.fit import codec_name
from sdrjscc.linkfile import Table

CROP_PX = 256
BEST = "best.safetensors"
"""What every training run calls its weights."""


def codec_campaign(
    codec: Table,
    *,
    snr_db: Sequence[float] | None = None,
    channel: str = "awgn",
    crop_px: int | None = CROP_PX,
    lpips: bool = False,
) -> str:
    """A campaign's TOML: one codec at symbol level, on pictures' centres, as weights' cards are measured.

    Args:
        codec: its table.
        snr_db: per complex symbol; ``None``: those of the card of the weights.
        channel: on symbols, by name, with its defaults.
        crop_px: side of the centre that is sent of larger pictures; ``None``: whole pictures.
        lpips: measure LPIPS too.
    """
    shown, levels = _shown(codec), _card_snr_db(codec) if snr_db is None else snr_db
    name = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in shown).strip("_.-")
    table: dict[str, Any] = {
        "campaign": {
            "name": name,
            "description": f"{shown} over {channel} at symbol level; frames and pilots are not counted.",
        },
        "grid": {
            "codec": [{**codec, "label": shown}],
            "channel": [{"name": channel}],
            "snr_db": [float(one) for one in levels],
        },
        "images": {} if crop_px is None else {"crop_px": crop_px},
        "metrics": {metric: metric != "lpips" or lpips for metric in METRICS},
    }
    return tomli_w.dumps(table)


def _shown(codec: Table) -> str:
    """Codec, variant and, where they are said, weights: what tells one evaluation from another."""
    path = Path(str(codec.get("weights", "")))
    weights = path.parent.name if path.name == BEST else path.stem  # a run's folder has its name
    return f"{codec_name(codec)} {weights}".strip()


def _card_snr_db(codec: Table) -> Sequence[float]:
    """SNRs of the card of bundled weights, all in dB; the usual ones for others."""
    file = f"{codec.get('weights', codec_name(codec).replace('/', '_'))}.safetensors"
    cards = (card for card in bundled_cards() if card["file"] == file)
    return next(([float(level) for level in card["psnr_db"]] for card in cards), CARD_SNR_DB)
