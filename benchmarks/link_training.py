"""What training through the link brings: PSNR over the real link before and after.

    sdrjscc train dsc_jscc_link --data photos --out runs/dsc_jscc_link
    sdrjscc train dsc_jscc_link_control --data photos --out runs/dsc_jscc_link_control
    python benchmarks/link_training.py --data kodak --weights runs/dsc_jscc_60-E2D2/best.safetensors \
        --weights runs/dsc_jscc_link/best.safetensors [--quick] [--json FILE]

The first weights are those of the link's TOML, the bundled ones: the control's. All meet the same
channels: scenario ``full`` with everything in it (offsets of carrier and clock, phase noise, IQ image,
DC), and a receiver that has to find the frame. ``channel_db`` is what the channel ``link`` of the
training recipes gives in the same scenario's multipath, ``awgn_db`` white noise alone, both at symbol
level.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from _phy.results import machine, versions
from rich.console import Console

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.channel.chain import scenario
from sdrjscc.evaluation.symbol_level import centre_square, evaluate, mean_by_snr
from sdrjscc.files import write_json_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link
from sdrjscc.training.channels import build_symbol_channel

SCENARIO = "full"
SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")
_QUICK_PICTURES = 5
_SIDE_PX = 256


def main() -> None:
    """Measure all weights at all SNRs; print each row as it comes."""
    options = _options()
    torch.set_num_threads(1)
    console = Console(width=140, highlight=False)
    pictures = _pictures(options.data, _QUICK_PICTURES if options.quick else None)
    seeds = range(1 if options.quick else options.channels)
    base = load_link(options.config)
    content: dict[str, Any] = {"schema": 1, "complete": False, "scenario": SCENARIO}
    content |= {"pictures": len(pictures), "channels": len(seeds)}
    content |= {"machine": machine(), "versions": versions(), "link": base.model_dump(exclude_none=True)}
    content["rows"] = []
    for weights in [None, *options.weights]:
        link = base if weights is None else _with_weights(base, weights)
        for row in _rows(link, pictures, seeds):
            content["rows"].append({"weights": "bundled" if weights is None else str(weights)} | row)
            console.print(_text(content["rows"][-1], content["rows"]))
            if options.json:
                write_json_atomic(options.json, content)
    content["complete"] = True
    if options.json:
        write_json_atomic(options.json, content)


def _rows(base: LinkConfig, pictures: Sequence[Picture], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One row an SNR."""
    with Link(base) as link:
        at_symbol_level = {
            name: _symbol_level(link, channel, pictures, seeds)
            for name, channel in _symbol_channels(base).items()
        }
    for snr_db in SNRS_DB:
        found = {name: levels[f"{snr_db:g}"] for name, levels in at_symbol_level.items()}
        yield {"snr_db": snr_db} | _through_link(base, pictures, snr_db, seeds) | found


def _symbol_level(
    link: Link, channel: SymbolChannel, pictures: Sequence[Picture], seeds: Sequence[int]
) -> dict[str, float]:
    """Mean PSNR in dB by SNR, over as many realisations as the link's."""
    codec, mapper = link.parts.codec, link.parts.mapper
    found = [row for seed in seeds for row in evaluate(codec, mapper, channel, pictures, SNRS_DB, seed=seed)]
    return mean_by_snr(found, "psnr_db")


def _symbol_channels(base: LinkConfig) -> dict[str, SymbolChannel]:
    """The training channel in the scenario's multipath, and white noise."""
    taps = [tap.model_dump(mode="json") for tap in scenario(SCENARIO).taps]
    link = {"name": "link", "waveform": base.waveform, "taps": taps}
    return {"channel_db": build_symbol_channel(link), "awgn_db": build_symbol_channel({"name": "awgn"})}


def _through_link(
    base: LinkConfig, pictures: Sequence[Picture], snr_db: float, seeds: Sequence[int]
) -> dict[str, Any]:
    """Means over the pictures that were received, each over a channel of its own a seed."""
    psnr_db, delivered_db = [], []
    for seed in seeds:
        with Link(_over_scenario(base, snr_db, seed)) as link:
            for picture in pictures:
                result = link.send(picture)
                if result.psnr_db.value is not None and result.quality is not None:
                    psnr_db.append(result.psnr_db.value)
                    delivered_db.append(result.quality.snr_db)
    count = max(1, len(psnr_db))
    return {
        "psnr_db": sum(psnr_db) / count,
        "delivered_snr_db": sum(delivered_db) / count,
        "received": len(psnr_db),
        "sent": len(pictures) * len(seeds),
    }


def _over_scenario(base: LinkConfig, snr_db: float, seed: int) -> LinkConfig:
    channel = {"name": "chain", **scenario(SCENARIO, snr_db).model_dump(mode="json", exclude_none=True)}
    table = base.model_dump(exclude_none=True)
    return parse_link({**table, "channel": channel, "radios": {"tx": {"name": "loopback", "seed": seed}}})


def _with_weights(base: LinkConfig, weights: Path) -> LinkConfig:
    table = base.model_dump(exclude_none=True)
    return parse_link({**table, "codec": {**base.codec, "weights": str(weights)}})


def _text(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    before = next(other for other in rows if other["snr_db"] == row["snr_db"])
    return (
        f"{row['weights'][-40:]:>40s} {row['snr_db']:3.0f} dB: link {row['psnr_db']:6.2f} dB"
        f" ({row['psnr_db'] - before['psnr_db']:+.2f}), channel {row['channel_db']:6.2f},"
        f" AWGN {row['awgn_db']:6.2f}, delivered SNR {row['delivered_snr_db']:5.2f},"
        f" {row['received']}/{row['sent']}"
    )


def _pictures(folder: Path | None, most: int | None) -> list[Picture]:
    if folder is None:
        return [centre_square(read_sample(name), _SIDE_PX) for name in PHOTOS[:most]]
    return [centre_square(read_image(path), _SIDE_PX) for path in find_images(folder)[:most]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of pictures; default: bundled photos")
    parser.add_argument("--config", default="loopback", help="preset or link TOML: the weights before")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="weights after; repeatable")
    parser.add_argument("--channels", type=int, default=4, help="channels each picture is sent over")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_PICTURES} pictures, one channel each")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
