"""Mean power that uJSCC and its rivals really send, by modulation order.

No scheme bounds it: symbols have unit mean power where all points are used equally, and a network that
prefers outer points has more SNR than it is said to have.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from _paper.tables import markdown
from _paper.ujscc import NAMES, load
from sdrjscc.codecs.ujscc import ORDERS, Config, default_mapping
from sdrjscc.files import write_text_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import read_image, to_float
from sdrjscc.mapping.base import bind, build_mapper
from sdrjscc.units import to_db

SCHEMES: Mapping[str, tuple[str, str]] = {
    "ujscc": ("ujscc", "ujscc_ujscc-alike"),
    "te": ("te", "bundled"),
    "me1": ("me1", "bundled"),
    "me2": ("me2", "bundled"),
    "deepjscc-q te": ("deepjscc-q-te", "bundled"),
    "deepjscc-q me1": ("deepjscc-q-me1", "bundled"),
    "deepjscc-q s-bn": ("deepjscc-q-sbn", "bundled"),
}
"""Variant and weights of each scheme of campaign paper-ujscc-schemes."""
_PICTURES = 500


@torch.inference_mode()
def measure(data: Path, target: Path) -> None:
    """Write the mean symbol power of every scheme and order over the campaign's pictures as CSV."""
    files = find_images(data)[:_PICTURES]
    images = torch.stack([to_float(read_image(file).pixels) for file in files])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("scheme", "order", "power_db"))
    for name, (variant, weights) in SCHEMES.items():
        for order, power_db in zip(ORDERS, _powers_db(variant, weights, images), strict=True):
            writer.writerow((name, order, round(power_db, 4)))
    write_text_atomic(target, text.getvalue())


def _powers_db(variant: str, weights: str, images: Tensor) -> Sequence[float]:
    codec = load(variant, weights=weights)
    mapper = bind(build_mapper({"name": default_mapping(Config(variant=variant))}), codec)
    height, width = images.shape[-2:]
    powers = []
    for mode in range(len(ORDERS)):
        plan = codec.plan(width, height, mode)
        symbols = [mapper.map(codec.encode(some, plan), mode) for some in images.split(100)]
        powers.append(to_db(float(torch.cat(symbols).abs().square().mean())))
    return powers


def table(source: Path) -> str:
    """The table that :func:`measure` wrote."""
    with source.open(encoding="utf-8", newline="") as file:
        found = {(line["scheme"], int(line["order"])): line["power_db"] for line in csv.DictReader(file)}
    rows = [(name, *(f"{float(found[name, order]):+.2f} dB" for order in ORDERS)) for name in SCHEMES]
    return markdown(("mean power sent", *NAMES), rows)
