"""The separation baseline on a folder of pictures: PSNR with the best scheme at each SNR, and the cliff.

    python benchmarks/separation_kodak.py --data kodak [--rho 0.0833] [--json FILE]

Centre crops of 256 x 256 px over white noise at symbol level; the payload header counts, the frame's
overhead does not. Every value is measured end to end: bits through QAM, noise and the LDPC decoder.
``held`` is the share of pictures that came through; one that did not is its mean colour.
"""

import argparse
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdrjscc.codecs._mcs import SCHEMES, scheme_at
from sdrjscc.codecs.base import Codec, load_codec
from sdrjscc.errors import ImageError, Undecodable
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image, to_float, to_uint8
from sdrjscc.images.metrics import psnr_db
from sdrjscc.linkfile import default_mapping
from sdrjscc.mapping.base import Mapper, build_mapper
from sdrjscc.randomness import derived_generator

SIDE_PX = 256
SNR_DB = (0.0, 4.0, 8.0, 10.0, 12.0, 16.0, 20.0)
CLIFF_SNR_DB = (0.0, 2.0, 4.0, 6.0, 8.0)
FIXED = ("QPSK 1/2", "16QAM 1/2")
GOALS_DB = {
    Fraction(1, 12): (27.80, 30.44, 32.24, 33.64, 34.80, 36.49, 37.50),
    Fraction(1, 16): (26.86, 29.27, 30.95, 32.24, 33.32, 34.87, 35.81),
    Fraction(1, 6): (30.44, 33.64, 35.81, 37.50, 38.89, 40.87, 42.04),
}
"""Of an independent trial on Kodak: AVIF speed 4, another LDPC program, payload header not counted."""


class Sender:
    """Encodes each picture once for a mode; a picture that does not fit is ``None``."""

    def __init__(self, codec: Codec, pictures: Sequence[Picture]) -> None:
        self.codec, self.pictures = codec, pictures
        self._sent: dict[tuple[int, int], Tensor | None] = {}

    def payload(self, number: int, mode: int) -> Tensor | None:
        """Bits ``[1, n]``."""
        if (number, mode) not in self._sent:
            images = to_float(self.pictures[number].pixels).unsqueeze(0)
            plan = self.codec.plan(SIDE_PX, SIDE_PX, mode)
            try:
                self._sent[number, mode] = self.codec.encode(images, plan)
            except ImageError:
                self._sent[number, mode] = None
        return self._sent[number, mode]


def received(sender: Sender, mapper: Mapper, number: int, mode: int, snr_db: float) -> tuple[float, bool]:
    """PSNR of a picture after the channel, and whether it came through."""
    picture = sender.pictures[number]
    bits = sender.payload(number, mode)
    mean = picture.pixels.float().mean((1, 2), keepdim=True).round().expand(3, SIDE_PX, SIDE_PX)
    pixels, held = mean.to(torch.uint8), False
    if bits is not None:
        symbols = mapper.map(bits, mode)
        noise_var = torch.full(symbols.shape, 10.0 ** (-snr_db / 10.0))
        generator = derived_generator("separation", picture.name, str(snr_db), mode)
        noise = torch.randn(symbols.shape, dtype=symbols.dtype, generator=generator)
        llr = mapper.demap(symbols + noise * noise_var.sqrt(), noise_var, mode)
        try:
            images = sender.codec.decode(llr, noise_var, sender.codec.plan(SIDE_PX, SIDE_PX, mode))
            pixels, held = to_uint8(images)[0], True
        except Undecodable:
            pass
    value = psnr_db(picture.pixels, pixels).value
    return math.inf if value is None else value, held


def row(sender: Sender, mapper: Mapper, mode: int, snr_db: float) -> dict[str, Any]:
    """Means over all pictures."""
    found = [received(sender, mapper, number, mode, snr_db) for number in range(len(sender.pictures))]
    return {
        "snr_db": snr_db,
        "scheme": SCHEMES[mode].name,
        "psnr_db": round(sum(value for value, _ in found) / len(found), 3),
        "held": round(sum(held for _, held in found) / len(found), 3),
    }


def measure(sender: Sender, mapper: Mapper, rho: Fraction) -> dict[str, Any]:
    """Both tables, printed as they come."""
    goals = GOALS_DB.get(rho, (None,) * len(SNR_DB))
    best, cliff = [], []
    for snr_db, goal_db in zip(SNR_DB, goals, strict=True):
        one = row(sender, mapper, scheme_at(snr_db), snr_db)
        below = None if goal_db is None else round(goal_db - one["psnr_db"], 3)
        best.append(one | {"goal_psnr_db": goal_db, "below_goal_db": below})
        print(best[-1], flush=True)
    for mode in [mode for mode, scheme in enumerate(SCHEMES) if scheme.name in FIXED]:
        for snr_db in CLIFF_SNR_DB:
            cliff.append(row(sender, mapper, mode, snr_db))
            print(cliff[-1], flush=True)
    return {"best": best, "cliff": cliff}


def main() -> None:
    """Read the pictures, measure, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--rho", default="1/12", help="symbols a source value, such as 1/12")
    parser.add_argument("--speed", type=int, default=4, help="of AVIF's encoder")
    parser.add_argument("--pictures", type=int, help="only the first so many")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rho = Fraction(arguments.rho).limit_denominator(1000)
    table = {"name": "separation", "rho": float(rho), "speed": arguments.speed}
    files = find_images(arguments.data)[: arguments.pictures]
    pictures = [centre_square(read_image(file), SIDE_PX) for file in files]
    codec, mapper = load_codec(**table), build_mapper(default_mapping(table))
    results = measure(Sender(codec, pictures), mapper, rho)
    content = {"pictures": len(pictures), "rho": str(rho), "speed": arguments.speed, **results}
    if arguments.json:
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
