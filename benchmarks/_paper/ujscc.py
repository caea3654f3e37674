"""Read off uJSCC's weights: batch normalisation by order, and what the codewords' places are worth."""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from _paper.numbers import Difference
from _paper.tables import markdown
from sdrjscc.channel.awgn import Config as Awgn
from sdrjscc.channel.awgn import build as build_awgn
from sdrjscc.codecs._switchable import BatchNorm, Network, SwitchableNorm
from sdrjscc.codecs.base import load_codec
from sdrjscc.codecs.ujscc import ORDERS, Ujscc
from sdrjscc.evaluation.intervals import mean_interval
from sdrjscc.evaluation.symbol_level import send_picture
from sdrjscc.files import write_text_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.images.metrics import psnr_db
from sdrjscc.mapping._assignment import detection_noise_var, distortion, transition
from sdrjscc.mapping._constellation import constellation
from sdrjscc.mapping.base import bind, build_mapper
from sdrjscc.randomness import derived_generator
from sdrjscc.units import to_db

NAMES = tuple("BPSK" if order == 2 else f"{order}-QAM" for order in ORDERS)
_ERROR_RATE = 0.1
_ORDERS_DRAWN = 20
_PICTURES = 200
_SNR_DB = (2.0, 8.0, 15.0, 22.0, 26.0)
"""Inside each order's range."""


def load(variant: str, size: str = "comparison", weights: str = "bundled") -> Ujscc:
    """The codec of one variant."""
    codec = load_codec("ujscc", variant, size=size, weights=weights)
    assert isinstance(codec, Ujscc)
    return codec


@cache
def stored(variant: str, size: str) -> int:
    """Values that a model must store, running statistics counted."""
    return _values(load(variant, size, "untrained"))


@cache
def norm_share(variant: str, size: str) -> float:
    """Share of batch normalisation in them."""
    codec = load(variant, size, "untrained")
    norms = sum(_values(module) for module in codec.modules() if isinstance(module, BatchNorm))
    return norms / _values(codec)


def norm_shares() -> str:
    """Share of batch normalisation in all values of a model, running statistics counted, by width."""
    rows = []
    for variant in ("ujscc", "ujscc-shared-bn", "me1", "te"):
        cells = []
        for size in ("comparison", "paper"):
            cells += [f"{stored(variant, size):,}", f"{100 * norm_share(variant, size):.1f} %"]
        rows.append((variant, *cells))
    head = ("scheme", "comparison width", "BN", "the paper's width", "BN")
    return markdown(head, rows)


def _values(module: torch.nn.Module) -> int:
    """Parameters and running statistics."""
    return sum(value.numel() for value in module.state_dict().values())


def inner_norms(codec: Ujscc) -> dict[str, list[Tensor]]:
    """The inner decoder's batch normalisation, a list over the orders of values by channel."""
    decoder = cast(Network, codec.networks[0]).decoder
    norms = next(module for module in decoder.modules() if isinstance(module, SwitchableNorm))
    kept = [norm for norm in norms if isinstance(norm, BatchNorm)]
    return {
        "running mean": [norm.running_mean.detach() for norm in kept],
        "running deviation": [norm.running_var.sqrt().detach() for norm in kept],
        "scale": [norm.weight.detach() for norm in kept],
        "shift": [norm.bias.detach() for norm in kept],
    }


def norm_statistics(weights: str = "bundled") -> str:
    """Mean over the channels of the inner decoder's batch normalisation, by order."""
    found = inner_norms(load("ujscc", weights=weights))
    rows = [
        (name, *(f"{float(values.abs().mean()):.3f}" for values in orders)) for name, orders in found.items()
    ]
    return markdown(("mean size over the channels", *NAMES), rows)


def assignment_distortion() -> str:
    """By how much the codewords' places lessen the latent's distortion, against random places."""
    codebooks = load("ujscc").mapper_tables
    gains = []
    for mode, order in enumerate(ORDERS):
        codebook = codebooks[f"codebook{mode}"].detach().double()
        chances = transition(constellation(order, "natural"), detection_noise_var(order, _ERROR_RATE))
        generator = torch.Generator().manual_seed(0)
        drawn = [
            distortion(codebook[torch.randperm(order, generator=generator)], chances)
            for _ in range(_ORDERS_DRAWN)
        ]
        gains.append(f"{to_db(sum(drawn) / len(drawn) / distortion(codebook, chances)):.1f} dB")
    return markdown(("", *NAMES), [("distortion, random places over those bundled", *gains)])


def measure_assignment(data: Path, target: Path) -> None:
    """Write the paired gain in PSNR of the bundled places over random ones, by order, as CSV."""
    files = find_images(data)[:_PICTURES]
    pictures = [read_image(file) for file in files]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("order", "snr_db", "pictures", "gain_db", "low", "high"))
    for mode, (order, snr_db) in enumerate(zip(ORDERS, _SNR_DB, strict=True)):
        ours = list(_received(load("ujscc"), pictures, mode, snr_db))
        theirs = list(_received(_shuffled(load("ujscc"), mode), pictures, mode, snr_db))
        one = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)])
        assert one is not None
        assert one.low is not None
        assert one.high is not None
        ends = [round(value, 4) for value in (one.mean, one.low, one.high)]
        writer.writerow((order, snr_db, len(pictures), *ends))
    write_text_atomic(target, text.getvalue())


def assignment_psnr(source: Path) -> str:
    """The table that :func:`measure_assignment` wrote."""
    with source.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    gains = [
        Difference("psnr_db", *(float(line[key]) for key in ("gain_db", "low", "high"))) for line in lines
    ]
    levels = [f"{name}, {float(line['snr_db']):g} dB" for name, line in zip(NAMES, lines, strict=True)]
    return markdown(("", *levels), [("PSNR, bundled places less random ones", *(str(one) for one in gains))])


def _shuffled(codec: Ujscc, mode: int) -> Ujscc:
    codebook = codec.codebooks[mode]
    order = torch.randperm(len(codebook), generator=torch.Generator().manual_seed(1))
    codebook.data = codebook.data[order]
    return codec


def _received(codec: Ujscc, pictures: Sequence[Picture], mode: int, snr_db: float) -> Iterator[float]:
    """PSNR of every picture; the noise of one is the same whatever the codec."""
    mapper, channel = bind(build_mapper({"name": "vq"}), codec), build_awgn(Awgn())
    for picture in pictures:
        generator = derived_generator("assignment", picture.name, str(snr_db))
        delivered = send_picture(codec, mapper, channel, picture, snr_db, generator, mode=mode)
        value = psnr_db(picture.pixels, delivered.pixels).value
        assert value is not None
        yield value
