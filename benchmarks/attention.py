"""What LICRnet's growing windows save over shifted windows: parameters, operations and time.

    python benchmarks/attention.py [--rounds 40] [--json FILE]

LICRnet and LICRnet-F encode and decode the same picture in turn, on one thread, so that both
meet the same machine; seconds are processor time. Untrained weights: the time is the same.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs.base import Codec, load_codec

PAIRS = (("small", "small-F"), ("base", "base-F"))
SIZES_PX = ((256, 256), (768, 512))
WARM_UP = 3


def seconds(codec: Codec, images: Tensor) -> tuple[float, float]:
    """Processor time of encoding and of decoding one picture."""
    plan = codec.plan(images.shape[-1], images.shape[-2])
    noise_var = torch.zeros(1, plan.symbols)
    start = time.thread_time()
    payload = codec.encode(images, plan)
    between = time.thread_time()
    codec.decode(payload, noise_var, plan)
    return between - start, time.thread_time() - between


def in_turn(codecs: list[Codec], images: Tensor, index: int) -> list[tuple[float, float]]:
    """Seconds of both codecs; every other round the second goes first."""
    order = (0, 1) if index % 2 == 0 else (1, 0)
    taken = {i: seconds(codecs[i], images) for i in order}
    return [taken[0], taken[1]]


def measure(variant: str, shifted: str, width: int, height: int, rounds: int) -> dict:
    """One row: both variants at one size, and what the first takes of the second."""
    codecs = [load_codec("licrnet", name, weights="untrained") for name in (variant, shifted)]
    costs = [codec_complexity(codec, width, height) for codec in codecs]
    images = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        taken = [in_turn(codecs, images, index) for index in range(WARM_UP + rounds)][WARM_UP:]
    encode, decode = ([[pair[i] for pair in both] for both in taken] for i in (0, 1))
    ratios = [sum(first) / sum(second) for first, second in taken]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "variants": [variant, shifted],
        "width": width,
        "height": height,
        "parameters": [cost.parameters for cost in costs],
        "macs": [cost.macs for cost in costs],
        "macs_ratio": round(costs[0].macs / costs[1].macs, 3),
        "encode_ms": medians_ms(encode),
        "decode_ms": medians_ms(decode),
        "time_ratio": round(middle, 3),
        "time_ratio_quartiles": [round(low, 3), round(high, 3)],
    }


def medians_ms(rows: list[list[float]]) -> list[float]:
    """Median of each variant's seconds, in milliseconds."""
    return [round(1e3 * statistics.median(column), 2) for column in zip(*rows, strict=True)]


def main() -> None:
    """Measure, print a line each, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40, help="times that each picture is coded")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for pair in PAIRS:
        for size in SIZES_PX:
            rows.append(measure(*pair, *size, arguments.rounds))
            print(rows[-1], flush=True)
    if arguments.json:
        results = {"schema": 1, "rounds": arguments.rounds, "rows": rows}
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
