"""Why receivers of the pruned network differ: the latent's error, and how much is a wrong mean."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from _paper.tables import markdown
from sdrjscc.channel.awgn import Config as Awgn
from sdrjscc.channel.awgn import build as build_awgn
from sdrjscc.codecs.base import load_codec
from sdrjscc.codecs.ren2026 import Ren2026
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.files import write_text_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import read_image, to_float
from sdrjscc.mapping.base import Mapper, bind, build_mapper
from sdrjscc.randomness import derived_generator

VARIANT = "gamma-0.7"
RECEIVERS: dict[str, dict[str, Any]] = {
    "analog": {"name": "analog_real"},
    "analog, linear estimate": {"name": "analog_real", "demap": "lmmse"},
    "256-QAM, paper": {"name": "uniform_qam", "orders": [256], "demap": "paper"},
    "256-QAM, posterior": {"name": "uniform_qam", "orders": [256]},
}
_SIDE_PX, _PICTURES = 256, 8
_SNR_DB = (1.0, 9.0)
_COLUMNS = ("receiver", "snr_db", "pictures", "latent_error", "picture_error", "share_of_mean", "contrast")


def constant_share() -> float:
    """Share of the analog symbols' power that carries the latent's mean, a constant."""
    tables = _codec().mapper_tables
    return float(tables["mean"].square() * tables["scale"].square())


def measure_receivers(data: Path, target: Path) -> None:
    """Write as CSV, over white noise: squared errors, the share of a wrong mean in them, contrast."""
    codec = _codec()
    files = find_images(data)[:: max(1, len(find_images(data)) // _PICTURES)][:_PICTURES]
    pictures = [to_float(centre_square(read_image(file), _SIDE_PX).pixels).unsqueeze(0) for file in files]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, table in RECEIVERS.items():
        mapper = bind(build_mapper(table), codec)
        for snr_db in _SNR_DB:
            found = [
                _errors(codec, mapper, picture, snr_db, str(place)) for place, picture in enumerate(pictures)
            ]
            means = [round(float(value), 4) for value in torch.tensor(found).mean(0)]
            writer.writerow((name, snr_db, len(pictures), *means))
    write_text_atomic(target, text.getvalue())


@torch.inference_mode()
def _errors(codec: Ren2026, mapper: Mapper, picture: Tensor, snr_db: float, name: str) -> Sequence[float]:
    plan = codec.plan(_SIDE_PX, _SIDE_PX)
    latent = codec.encode(picture, plan)
    generator = derived_generator("receivers", name, str(snr_db))
    symbols, noise_var = build_awgn(Awgn()).apply(mapper.map(latent), torch.tensor([snr_db]), generator)
    received = mapper.demap(symbols, noise_var)
    shown = codec.decode(received, noise_var, plan).clamp(0.0, 1.0)
    error = shown - picture
    whole = error.square().mean()
    of_mean = error.mean((2, 3)).square().mean() / whole
    latent_error = (received - latent).square().mean()
    return [float(one) for one in (latent_error, whole, of_mean, shown.std() / picture.std())]


def receivers(source: Path) -> str:
    """The table that :func:`measure_receivers` wrote."""
    with source.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = [
        (
            f"{line['receiver']}, {float(line['snr_db']):g} dB",
            f"{float(line['latent_error']):.3f}",
            f"{float(line['picture_error']):.4f}",
            f"{100 * float(line['share_of_mean']):.0f} %",
            f"{float(line['contrast']):.2f}",
        )
        for line in lines
    ]
    return markdown(("", "latent error", "picture error", "of it, a wrong mean", "contrast kept"), rows)


def _codec() -> Ren2026:
    codec = load_codec("ren2026", VARIANT)
    assert isinstance(codec, Ren2026)
    return codec
