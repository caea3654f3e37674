"""Many pictures of random sizes through the whole link: none may be lost, none may crash it.

python benchmarks/many_pictures.py --count 1000 --large 5 --snr-db 10
"""

import argparse
import json
import math
import resource
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from sdrjscc.channel.chain import scenario
from sdrjscc.images.io import Picture, to_uint8
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link, parse_link
from sdrjscc.randomness import derived_generator

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "retina")
LARGE_PX = ((3000, 2000), (3000, 3000), (4095, 64), (64, 4095), (4095, 4095))


def main() -> None:
    """Send the pictures, print what was lost, and the peak memory."""
    arguments = _arguments()
    photos = [read_sample(name) for name in PHOTOS]
    base = load_link("loopback")
    channel = {
        "name": "chain",
        **scenario("full", arguments.snr_db).model_dump(mode="json", exclude_none=True),
    }
    config = parse_link({**base.model_dump(exclude_none=True), "channel": channel})
    sizes = _sizes(arguments.count, arguments.seed) + list(LARGE_PX[: arguments.large])
    lost, packets_sent, packets_received, levels = [], 0, 0, []
    began = time.monotonic()
    with Link(config) as link:
        for index, (width, height) in enumerate(sizes):
            result = link.send(_resized(photos[index % len(photos)], width, height))
            packets_sent += result.sent.packets
            packets_received += result.packets_received
            if result.pixels is None or result.pixels.shape != (3, height, width):
                lost.append([width, height])
            elif result.psnr_db.value is not None:
                levels.append(result.psnr_db.value)
            if (index + 1) % 50 == 0 or index >= arguments.count:
                print(
                    f"{index + 1}/{len(sizes)}  {width}x{height}  lost {len(lost)}  {_peak_mib():.0f} MiB",
                    flush=True,
                )
    summary = {
        "pictures": len(sizes),
        "lost": lost,
        "packets_sent": packets_sent,
        "packets_received": packets_received,
        "mean_psnr_db": sum(levels) / max(len(levels), 1),
        "peak_memory_mib": _peak_mib(),
        "seconds": time.monotonic() - began,
    }
    print(json.dumps(summary, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _sizes(count: int, seed: int) -> list[tuple[int, int]]:
    draws = torch.rand(count, 2, generator=derived_generator("sizes", seed)) * math.log(640.0)
    return [(max(1, round(w)), max(1, round(h))) for w, h in draws.exp().tolist()]


def _resized(photo: Picture, width: int, height: int) -> Picture:
    pixels = F.interpolate(
        photo.pixels.unsqueeze(0).float() / 255, (height, width), mode="bilinear", antialias=True
    )
    return Picture(to_uint8(pixels)[0], f"{photo.name} {width}x{height}")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="pictures with sides log-uniform 1 to 640 px")
    parser.add_argument(
        "--large", type=int, default=5, choices=range(6), help="pictures of at least 3,000 px"
    )
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the summary to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
