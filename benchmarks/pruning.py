"""What pruning saves: size of the weights' file, and time to encode and decode, as ratios.

    python benchmarks/pruning.py [--rounds 15] [--side 512] [--json FILE]

All architectures are measured in the same run, one after the other in every round, on one thread;
the time ratio is the median over rounds of a variant's time over the unpruned one's of that round,
so that what else the machine does cancels. Neither size nor time depends on the weights' values,
so untrained ones are taken. Files hold 16-bit floats, as ``sdrjscc export`` writes them.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._weights import save_weights
from sdrjscc.codecs.base import LatentCodec, load_codec

UNPRUNED = "base"
VARIANTS = (UNPRUNED, "gamma-0.2", "gamma-0.5", "gamma-0.7", "gamma-0.9")


def main() -> None:
    """Run the measurement and print a table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    codecs = {variant: _codec(variant) for variant in VARIANTS}
    seconds = _interleaved(codecs, arguments.side, arguments.rounds)
    rows = [_row(variant, codec, arguments.side, seconds) for variant, codec in codecs.items()]
    unpruned = rows[0]
    for row in rows:
        row["file_ratio"] = row["file_bytes"] / unpruned["file_bytes"]
        row["symbols_ratio"] = row["symbols"] / unpruned["symbols"]
        row["macs_ratio"] = row["macs"] / unpruned["macs"]
        print(_line(row))
    if arguments.json:
        content = {
            "side_px": arguments.side,
            "rounds": arguments.rounds,
            "threads": 1,
            "torch": torch.__version__,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _codec(variant: str) -> LatentCodec:
    codec = load_codec("ren2026", variant, weights="untrained")
    assert isinstance(codec, LatentCodec)
    return codec.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@torch.inference_mode()
def _interleaved(codecs: dict[str, LatentCodec], side: int, rounds: int) -> dict[str, list[list[float]]]:
    """Seconds to encode and to decode, by variant and round; a first round is thrown away."""
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    found: dict[str, list[list[float]]] = {variant: [] for variant in codecs}
    for number in range(rounds + 1):
        for variant, codec in codecs.items():
            plan = codec.plan(side, side)
            clean = torch.zeros(1, plan.symbols)
            instants = [time.perf_counter()]
            payload = codec.encode(images, plan)
            instants.append(time.perf_counter())
            codec.decode(payload, clean, plan)
            instants.append(time.perf_counter())
            if number:
                found[variant].append([instants[1] - instants[0], instants[2] - instants[1]])
    return found


def _row(
    variant: str, codec: LatentCodec, side: int, seconds: dict[str, list[list[float]]]
) -> dict[str, Any]:
    cost = codec_complexity(codec, side, side)
    encode, decode = zip(*seconds[variant], strict=True)
    ratios = [
        sum(own) / sum(unpruned) for own, unpruned in zip(seconds[variant], seconds[UNPRUNED], strict=True)
    ]
    return {
        "variant": variant,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "symbols": codec.plan(side, side).symbols,
        "file_bytes": _file_bytes(codec),
        "encode_ms": 1e3 * statistics.median(encode),
        "decode_ms": 1e3 * statistics.median(decode),
        "time_ratio": statistics.median(ratios),
        "time_ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
    }


def _file_bytes(codec: LatentCodec) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(codec, path, "ren2026", {}, half=True)
        return path.stat().st_size


def _line(row: dict[str, Any]) -> str:
    low, high = row["time_ratio_quartiles"]
    return (
        f"{row['variant']:>9}  {row['parameters'] / 1e6:.2f} M parameters  "
        f"{row['file_bytes'] / 1e6:5.2f} MB ({row['file_ratio']:.3f})  {row['macs'] / 1e9:.2f} G MACs "
        f"({row['macs_ratio']:.3f})  {row['encode_ms']:.0f} + {row['decode_ms']:.0f} ms "
        f"({row['time_ratio']:.3f}, quartiles {low:.3f} {high:.3f})  symbols {row['symbols_ratio']:.3f}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--side", type=int, default=512, help="input side, px")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
