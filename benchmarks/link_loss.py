"""PSNR through the whole link against the same codec at symbol level with the same SNR.

Also what the noise variance is worth: the same receptions decoded with the equaliser's noise
variance per symbol, with its mean, and without a linear MMSE estimate.

    python benchmarks/link_loss.py --data kodak --json link_loss.json
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from sdrjscc.channel.chain import scenario
from sdrjscc.config import build_plugin
from sdrjscc.evaluation.symbol_level import centre_square, evaluate, mean_by_snr
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image, to_uint8
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link
from sdrjscc.mapping.analog import Analog

SCENARIOS = ("awgn", "cfo", "full")
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")


def main() -> None:
    """Run the measurement and print two tables."""
    arguments = _arguments()
    pictures = _pictures(arguments.data)
    levels = [float(level) for level in arguments.snr_db.split(",")]
    base = load_link(arguments.config)
    table = []
    reference = _symbol_level(base, pictures, levels)
    for name in SCENARIOS:
        for level in levels:
            row = {"scenario": name, "snr_db": level, "symbol_level_db": reference[f"{level:g}"]}
            table.append(row | _through_link(_with_scenario(base, name, level), pictures))
            _print(table[-1])
    if arguments.json:
        content = {"pictures": len(pictures), "torch": torch.__version__, "rows": table}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _through_link(config: LinkConfig, pictures: Sequence[Picture]) -> dict[str, float]:
    sums = {"link_db": 0.0, "mean_variance_db": 0.0, "no_lmmse_db": 0.0, "delivered_snr_db": 0.0}
    received = 0
    with Link(config) as link:
        for picture in pictures:
            result = link.send(picture)
            if result.received is None or result.quality is None:
                continue
            received += 1
            assembled = result.received.assembled
            arrived = torch.isfinite(assembled.noise_var)
            mean_variance = assembled.noise_var[arrived].mean()
            flat = torch.where(arrived, mean_variance, torch.inf)
            sums["link_db"] += result.psnr_db.value or 0.0
            sums["delivered_snr_db"] += result.quality.snr_db
            sums["mean_variance_db"] += _decoded_psnr_db(
                link, picture, result.received.assembled, Analog(), flat
            )
            identity = Analog(lmmse=False)
            sums["no_lmmse_db"] += _decoded_psnr_db(link, picture, assembled, identity, assembled.noise_var)
    means = {key: value / max(received, 1) for key, value in sums.items()}
    return means | {"received": received, "sent": len(pictures)}


@torch.inference_mode()
def _decoded_psnr_db(
    link: Link, picture: Picture, assembled: object, mapper: Analog, noise_var: torch.Tensor
) -> float:
    payload = mapper.demap(assembled.symbols.unsqueeze(0), noise_var.unsqueeze(0))
    images = link.parts.codec.decode(payload, noise_var.unsqueeze(0), assembled.plan)
    return psnr_db(picture.pixels, to_uint8(images)[0]).value or 0.0


def _symbol_level(base: LinkConfig, pictures: Sequence[Picture], levels: Sequence[float]) -> dict[str, float]:
    with Link(base) as link:
        channel = build_plugin("channel", {"name": "awgn"}, "channel")
        rows = evaluate(link.parts.codec, link.parts.mapper, channel, pictures, levels)
    return mean_by_snr(rows, "psnr_db")


def _with_scenario(base: LinkConfig, name: str, snr_db: float) -> LinkConfig:
    channel = {"name": "chain", **scenario(name, snr_db).model_dump(mode="json", exclude_none=True)}
    return parse_link({**base.model_dump(exclude_none=True), "channel": channel})


def _pictures(folder: Path | None) -> list[Picture]:
    whole = (
        [read_sample(name) for name in PHOTOS]
        if folder is None
        else [read_image(p) for p in find_images(folder)]
    )
    return [centre_square(picture, 256) for picture in whole]


def _print(row: dict[str, float]) -> None:
    print(
        f"{row['scenario']:>5} {row['snr_db']:5.1f} dB  symbol level {row['symbol_level_db']:6.2f}  "
        f"link {row['link_db']:6.2f} ({row['link_db'] - row['symbol_level_db']:+.2f})  "
        f"mean variance {row['mean_variance_db']:6.2f}  no LMMSE {row['no_lmmse_db']:6.2f}  "
        f"delivered SNR {row['delivered_snr_db']:5.2f}  {row['received']}/{row['sent']}",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of pictures; default: bundled photos")
    parser.add_argument(
        "--config", default="loopback", help="preset or link TOML whose codec and frame are used"
    )
    parser.add_argument("--snr-db", default="0,5,10,15,20", help="comma-separated")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
