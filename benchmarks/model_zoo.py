"""The README's model zoo: cost, time and quality of all bundled weights, and of codecs without weights.

    python benchmarks/model_zoo.py --data kodak       # measure all rows
    python benchmarks/model_zoo.py --missing          # only those of weights that are new or changed
    python benchmarks/model_zoo.py --again separation --data kodak   # only those of one codec
    python benchmarks/model_zoo.py --render           # write the README's table, measure nothing

Parameters and PSNR of weights are their cards'; those of codecs without weights are measured as cards
are, on centre crops of the pictures in ``--data``. Times are of one thread and one picture of the size
that the card's pictures have: the median over runs, on bundled photographs, of the codec alone with the
payload that arrived over white noise of 10 dB. Processor time is taken, which is wall time where nothing
else runs, and hardly more where something does. Multiply-accumulates are of that size and mode.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._weights import bundled_cards
from sdrjscc.codecs.base import Codec, build_codec
from sdrjscc.config import build_plugin
from sdrjscc.evaluation.symbol_level import CARD_SNR_DB, centre_square, evaluate, mean_by_snr
from sdrjscc.files import write_text_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import read_image, to_float
from sdrjscc.images.samples import read_sample
from sdrjscc.link.fit import codec_name
from sdrjscc.link.parts import mode_at_snr
from sdrjscc.linkfile import default_mapping
from sdrjscc.mapping.base import Mapper, bind, build_mapper, transmit

WITHOUT_WEIGHTS: tuple[dict[str, Any], ...] = (
    {"name": "softcast", "variant": "graded"},
    {"name": "separation", "variant": "avif", "speed": 4, "margin_db": 0.3},
)
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")
SNR_DB, TIMED_AT_DB, SIDE_PX, SMALL_PX = ("1", "10", "19"), 10.0, 256, 32
ROOT = Path(__file__).parent.parent
RESULTS, README, FOLDER = (
    ROOT / "benchmarks/results/model_zoo.json",
    ROOT / "README.md",
    "sdrjscc/codecs/weights",
)
BEGIN, END = "<!-- rendered by benchmarks/model_zoo.py -->", "<!-- end of the model zoo -->"
COLUMNS = "codec", "variant", "parameters", "MACs", "encode", "decode", "rho"
HEADS = (*COLUMNS, *(f"{level} dB" for level in SNR_DB), "files")


def main() -> None:
    """Measure what is asked for, and render the table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    if not arguments.render:
        _measure(arguments)
    write_text_atomic(README, with_table(README.read_text(encoding="utf-8"), stored()))


def _measure(arguments: argparse.Namespace) -> None:
    kept = stored() if arguments.missing or arguments.again else []
    known = {row["key"]: row for row in kept if row["codec"] != arguments.again}
    rows = [known.get(card["sha256"]) or card_row(card, arguments.runs) for card in bundled_cards()]
    for options in WITHOUT_WEIGHTS:
        row = known.get(options["name"])
        if row is None and arguments.data is None:
            raise SystemExit(f"--data must be given to measure {options['name']}")
        rows.append(row or plain_row(options, arguments.data, arguments.runs))
    content = {"timed_at_db": TIMED_AT_DB, "threads": 1, "torch": torch.__version__, "rows": rows}
    write_text_atomic(RESULTS, json.dumps(content, indent=1) + "\n")


def stored() -> list[dict[str, Any]]:
    """Rows of the results."""
    return list(json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]) if RESULTS.exists() else []


def card_row(card: dict[str, Any], runs: int) -> dict[str, Any]:
    """The row of bundled weights."""
    name = Path(card["file"]).stem
    table = {**card["architecture"], "name": card["codec"], "weights": name}
    side_px = SMALL_PX if "cifar" in card["test"] else SIDE_PX
    return {
        "key": card["sha256"],
        "codec": card["codec"],
        "variant": card["variant"],
        "file": card["file"],
        **_cost(table, card["recipe"]["mapping"], side_px, runs),
        "psnr_db": {level: card["psnr_db"][level] for level in SNR_DB},
    }


def plain_row(options: dict[str, Any], data: Path, runs: int) -> dict[str, Any]:
    """The row of a codec without weights."""
    mapping = default_mapping(options)
    pictures = [centre_square(read_image(path), SIDE_PX) for path in find_images(data)]
    awgn: SymbolChannel = build_plugin("channel", {"name": "awgn"}, "channel")
    levels = [level for level in CARD_SNR_DB if f"{level:g}" in SNR_DB]
    rows = evaluate(build_codec(options), build_mapper(mapping), awgn, pictures, levels)
    return {
        "key": options["name"],
        "codec": options["name"],
        "variant": options["variant"],
        "options": {key: value for key, value in options.items() if key not in ("name", "variant")},
        "file": None,
        **_cost(options, mapping, SIDE_PX, runs),
        "psnr_db": mean_by_snr(rows, "psnr_db"),
    }


def _cost(table: dict[str, Any], mapping: dict[str, Any], side_px: int, runs: int) -> dict[str, Any]:
    codec = build_codec(table)
    mapper = bind(build_mapper(mapping), codec)
    mode = mode_at_snr(codec, mapper, TIMED_AT_DB)
    seconds = _seconds(codec, mapper, mode, side_px, runs)
    cost = codec_complexity(codec, side_px, side_px, mode)
    found = {
        "side_px": side_px,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "encode_ms": round(1e3 * seconds[0], 2),
        "decode_ms": round(1e3 * seconds[1], 2),
        "rho": codec.plan(side_px, side_px, mode).symbols / (3 * side_px**2),
    }
    print(codec_name(table), found, flush=True)
    return found


@torch.inference_mode()
def _seconds(codec: Codec, mapper: Mapper, mode: int, side_px: int, runs: int) -> tuple[float, float]:
    """Median processor seconds to encode and to decode; every photograph's first run is thrown away."""
    awgn: SymbolChannel = build_plugin("channel", {"name": "awgn"}, "channel")
    plan, generator = codec.plan(side_px, side_px, mode), torch.Generator().manual_seed(0)

    def send(symbols: Tensor) -> tuple[Tensor, Tensor]:
        return awgn.apply(symbols, torch.tensor([TIMED_AT_DB]), generator)

    encode, decode = [], []
    for number in range(len(PHOTOS) * (runs + 1)):
        photo = centre_square(read_sample(PHOTOS[number // (runs + 1)]), side_px)
        images = to_float(photo.pixels).unsqueeze(0)
        began = time.process_time()
        payload = codec.encode(images, plan)
        encoded = time.process_time()
        passed = transmit(mapper, payload, send, mode)
        arrived = time.process_time()
        codec.decode(passed.payload_hat, passed.noise_var, plan)
        decoded = time.process_time()
        if number % (runs + 1):
            encode.append(encoded - began)
            decode.append(decoded - arrived)
    return statistics.median(encode), statistics.median(decode)


def with_table(readme: str, rows: Sequence[dict[str, Any]]) -> str:
    """The README with the table of ``rows`` between its two marks."""
    before, found, rest = readme.partition(BEGIN)
    if not found or END not in rest:
        raise SystemExit(f"README.md must have the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(rows)}{END}{rest.partition(END)[2]}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * 2 + "---:|" * (len(HEADS) - 3) + "---|"]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(row: dict[str, Any]) -> str:
    size = "" if row["side_px"] == SIDE_PX else f" ({row['side_px']} px)"
    numbers = f"{row['parameters']:,}" if row["file"] else "none", _scaled(row["macs"]) + size
    times = [f"{row[key]:.{0 if row[key] >= 10 else 1}f} ms" for key in ("encode_ms", "decode_ms")]
    levels = [f"{row['psnr_db'][level]:.2f}" for level in SNR_DB]
    cells = [
        f"`{row['codec']}`",
        f"`{row['variant']}`",
        *numbers,
        *times,
        _share(row["rho"]),
        *levels,
        _files(row),
    ]
    return "| " + " | ".join(cells) + " |"


def _share(rho: float) -> str:
    simple = Fraction(rho).limit_denominator(16)
    return str(simple) if abs(float(simple) - rho) < 1e-6 else f"{rho:.3f}"


def _files(row: dict[str, Any]) -> str:
    if row["file"] is None:
        return "no weights"
    name = Path(row["file"]).stem
    return f"[`{name}`]({FOLDER}/{name}.safetensors), [card]({FOLDER}/{name}.json)"


def _scaled(macs: int) -> str:
    for factor, letter in ((10**9, "G"), (10**6, "M")):
        if macs >= factor:
            return f"{macs / factor:.3g} {letter}"
    return "not counted" if not macs else f"{macs / 1e6:.2g} M"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of pictures for codecs without weights, Kodak")
    parser.add_argument("--runs", type=int, default=3, help="timed runs on each photograph")
    parser.add_argument("--missing", action="store_true", help="keep the rows that are there")
    parser.add_argument("--again", help="measure the rows of this codec, and what is missing")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
