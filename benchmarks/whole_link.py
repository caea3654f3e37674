"""Every bundled codec over the whole link, beside its figure at symbol level.

    python benchmarks/whole_link.py --data kodak [--cifar cifar10-test] [--only dsc_jscc/60-E2D2]
    python benchmarks/whole_link.py --render      # docs/whole-link.md from the results, nothing measured

For every codec, with the mapping that it is made for, and every SNR the same pictures go

1. over white noise at symbol level, at the nominal SNR;
2. over the software radio in scenario "full" (preset ``loopback-hard``), which is recorded;
3. again from that recording, as ``sdrjscc replay`` receives it;
4. through GNU Radio: ``sdrjscc grc run loopback`` with the same preset, seed and pictures;

and once more over white noise, at the SNR that each picture's symbols really had in 2. The n-th picture
meets the same channel in 2 and 4 and with every codec. What is lost counts as the picture's mean colour.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.channel.base import SymbolChannel
from sdrjscc.config import build_plugin
from sdrjscc.evaluation.symbol_level import centre_square, mean_colour, send_picture
from sdrjscc.files import write_text_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image, write_png
from sdrjscc.images.metrics import psnr_db
from sdrjscc.link.parts import Parts, sending_mode
from sdrjscc.link.replay import Replay, recorded_link
from sdrjscc.link.result import Result
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link, to_toml, with_codec, with_snr
from sdrjscc.mapping.base import modulation_orders
from sdrjscc.randomness import derived_generator

CODECS = (
    "dsc_jscc/60-E2D2",
    "dsc_jscc/deep-jscc",
    "dsc_jscc/60-E3D2",
    "ren2026/base",
    "ren2026/gamma-0.5",
    "ujscc/ujscc",
    "ujscc/deepjscc-q-sbn",
    "licrnet/small",
    "softcast/graded",
    "separation/avif",
)
MOSAIC = "ujscc/ujscc"
"""What is also measured on the small pictures that it was trained for, side by side."""
PRESET, SNR_DB, SEED, SIDE_PX = "loopback-hard", (10.0, 20.0), 1, 256
ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks/results/whole_link.json", ROOT / "docs/whole-link.md"
HEADS = (
    "codec",
    "pictures",
    "rho",
    "points",
    "SNR",
    "symbol level",
    "full scenario",
    "recording",
    "GNU Radio",
    "delivered SNR",
    "symbol level there",
    "decoded",
)
BEGIN, END = "<!-- rendered by benchmarks/whole_link.py -->", "<!-- end -->"


@dataclass(frozen=True)
class Shots:
    """Pictures of one size that are sent.

    Attributes:
        name: of the data.
        pictures: a crop each, or a mosaic of small ones.
        tile_px: side of the squares whose PSNR is measured, and its mean taken.
    """

    name: str
    pictures: list[Picture]
    tile_px: int = SIDE_PX

    def psnr_db(self, number: int, pixels: Tensor | None) -> float:
        """Of a received picture; of what was lost, that of the mean colour."""
        picture = self.pictures[number]
        received = mean_colour(picture) if pixels is None else pixels
        pairs = zip(_tiles(picture.pixels, self.tile_px), _tiles(received, self.tile_px), strict=True)
        levels = [psnr_db(*pair).value for pair in pairs]
        return sum(level for level in levels if level is not None) / len(levels)

    def way(self, received: Sequence[Tensor | None], decoded: int) -> "Way":
        """What came out of one way."""
        return Way([self.psnr_db(number, pixels) for number, pixels in enumerate(received)], decoded)


@dataclass(frozen=True)
class Way:
    """What came out of one way: PSNR of each picture, and how many were decoded."""

    psnr_db: list[float]
    decoded: int


def main() -> None:
    """Measure what is asked for, keep the other rows, render the page."""
    arguments = _arguments()
    torch.set_num_threads(1)
    if not arguments.render:
        rows = {_key(row): row for row in _stored()["rows"]}
        for row in _measured(arguments):
            rows[_key(row)] = row
            _print(row)
        ranked = sorted(rows.values(), key=_rank)
        content = {"preset": PRESET, "seed": SEED, "side_px": SIDE_PX, "torch": torch.__version__}
        write_text_atomic(RESULTS, json.dumps({**content, "rows": ranked}, indent=1) + "\n")
    write_text_atomic(PAGE, with_table(PAGE.read_text(encoding="utf-8"), _stored()))


def _measured(arguments: argparse.Namespace) -> Iterable[dict[str, Any]]:
    wanted = arguments.only or CODECS
    jobs = [(codec, _crops(arguments.data, arguments.pictures)) for codec in wanted]
    if arguments.cifar is not None and MOSAIC in wanted:
        jobs.append((MOSAIC, _mosaics(arguments.cifar, arguments.pictures)))
    for codec, shots in jobs:
        for snr_db in SNR_DB:
            about = {"codec": codec, "pictures": shots.name, "sent": len(shots.pictures)}
            yield about | measure(codec, snr_db, shots)


def measure(codec: str, snr_db: float, shots: Shots) -> dict[str, Any]:
    """All ways of one codec at one SNR."""
    config = link_config(codec, snr_db)
    with tempfile.TemporaryDirectory(prefix="sdrjscc-whole-") as scratch:
        recording = Path(scratch) / "air"
        with Link(config, record=recording) as link:
            parts = link.parts
            results = [link.send(picture) for picture in shots.pictures]
        ways = {
            "loopback": _through(results, shots),
            "replay": _replayed(recording, results, shots),
            "flowgraph": _flowgraph(config, snr_db, shots, Path(scratch)),
        }
    delivered = [snr_db if result.quality is None else result.quality.snr_db for result in results]
    return {
        "snr_db": snr_db,
        "order": _order(parts),
        "k": results[0].plan.symbols,
        "packets": results[0].packets_sent,
        "symbol_level_db": _mean(_symbol_level(parts, shots, [snr_db] * len(delivered))),
        "delivered_snr_db": _mean(delivered),
        "symbol_level_delivered_db": _mean(_symbol_level(parts, shots, delivered)),
        **{f"{name}_db": _mean(way.psnr_db) for name, way in ways.items()},
        **{f"{name}_decoded": way.decoded for name, way in ways.items()},
        "replay_largest_difference_db": _largest(ways["replay"], ways["loopback"]),
        "flowgraph_largest_difference_db": _largest(ways["flowgraph"], ways["loopback"]),
    }


def link_config(codec: str, snr_db: float) -> LinkConfig:
    """The preset with this codec and its own mapping, SNR and seed."""
    config = with_snr(with_codec(load_link(PRESET), codec), snr_db)
    table = config.model_dump(exclude_none=True)
    return parse_link({**table, "radios": {"tx": {**config.radios.tx, "seed": SEED}}})


@torch.inference_mode()
def _symbol_level(parts: Parts, shots: Shots, levels_db: Sequence[float]) -> list[float]:
    """Each picture at its own SNR, in the mode that the link sends."""
    channel: SymbolChannel = build_plugin("channel", {"name": "awgn"}, "channel")
    mode, found = sending_mode(parts), []
    for number, level in enumerate(levels_db):
        picture = shots.pictures[number]
        generator = derived_generator("whole link", picture.name, repr(level))
        sent = send_picture(parts.codec, parts.mapper, channel, picture, level, generator, mode=mode)
        found.append(shots.psnr_db(number, sent.pixels))
    return found


def _through(results: Sequence[Result], shots: Shots) -> Way:
    decoded = [result.received is not None and result.received.decoded for result in results]
    return shots.way([result.pixels for result in results], sum(decoded))


def _replayed(recording: Path, results: Sequence[Result], shots: Shots) -> Way:
    capture = open_capture(recording)
    config = recorded_link(capture)
    assert config is not None
    received = [one for _, found in Replay(capture, config, own=True).pictures() for one in found]
    pixels = {one.assembled.header.transmission: one.pixels for one in received}
    ids = [-1 if result.sent is None else result.sent.id for result in results]
    return shots.way([pixels.get(number) for number in ids], sum(one.decoded for one in received))


def _flowgraph(config: LinkConfig, snr_db: float, shots: Shots, scratch: Path) -> Way:
    """The flowgraph in a process of its own; pictures are numbered in the order in which they are sent."""
    folder, preset = scratch / "pictures", scratch / "link.toml"
    folder.mkdir()
    for number, picture in enumerate(shots.pictures):
        write_png(folder / f"{number:03d}.png", picture.pixels)
    preset.write_text(to_toml(config), encoding="utf-8")
    options = {"--preset": preset, "--pictures": folder, "--count": len(shots.pictures), "--max-side": 0}
    options |= {"--snr-db": snr_db, "--seed": SEED}
    words = [str(word) for option in options.items() for word in option]
    run = ["grc", "run", "loopback", "--out", str(scratch), *words]
    subprocess.run([sys.executable, "-m", "sdrjscc", *run], check=True, stderr=subprocess.DEVNULL)
    written = (scratch / "received").glob("*.png")
    pixels = {int(path.stem.rpartition("_t")[2]): read_image(path).pixels for path in written}
    lines = (scratch / "received/results.jsonl").read_text(encoding="utf-8").splitlines()
    decoded = ["undecodable" not in json.loads(line) for line in lines]
    return shots.way([pixels.get(number) for number in range(len(shots.pictures))], sum(decoded))


def _order(parts: Parts) -> int | None:
    """Points of the constellation; ``None``: analog."""
    orders = modulation_orders(parts.mapper)
    return orders[sending_mode(parts)] if orders else None


def _crops(folder: Path, count: int) -> Shots:
    return Shots("Kodak", [centre_square(read_image(path), SIDE_PX) for path in find_images(folder)[:count]])


def _mosaics(folder: Path, count: int) -> Shots:
    """Small pictures side by side, so that a mosaic fills its packets as a large picture does."""
    small = [read_image(path).pixels for path in find_images(folder)]
    columns = SIDE_PX // small[0].shape[-1]
    each = columns * columns
    groups = [small[each * number : each * (number + 1)] for number in range(min(count, len(small) // each))]
    mosaics = [_mosaic(group, columns, f"mosaic {number}") for number, group in enumerate(groups)]
    return Shots("CIFAR-10", mosaics, small[0].shape[-1])


def _tiles(pixels: Tensor, side: int) -> list[Tensor]:
    return [tile for row in pixels.split(side, -2) for tile in row.split(side, -1)]


def _mosaic(group: Sequence[Tensor], columns: int, name: str) -> Picture:
    rows = [torch.cat(list(group[first : first + columns]), -1) for first in range(0, len(group), columns)]
    return Picture(torch.cat(rows, -2), name, ())


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)


def _largest(one: Way, other: Way) -> float:
    differences = [abs(a - b) for a, b in zip(one.psnr_db, other.psnr_db, strict=True)]
    return round(max(differences), 5)


def _key(row: dict[str, Any]) -> tuple[str, str, float]:
    return row["codec"], row["pictures"], row["snr_db"]


def _rank(row: dict[str, Any]) -> tuple[bool, int, float]:
    place = CODECS.index(row["codec"]) if row["codec"] in CODECS else len(CODECS)
    return row["pictures"] != "Kodak", place, row["snr_db"]


def _stored() -> dict[str, Any]:
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {"rows": []}


def with_table(page: str, results: dict[str, Any]) -> str:
    """The page with its table, between two marks, made from ``results``."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(results['rows'])}{END}{rest.partition(END)[2]}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(row: dict[str, Any]) -> str:
    ways = ("loopback", "replay", "flowgraph")
    decoded = {row[f"{way}_decoded"] for way in ways}
    counts = " / ".join(str(row[f"{way}_decoded"]) for way in ways) if len(decoded) > 1 else str(*decoded)
    levels = [f"{row[key]:.2f}" for key in ("symbol_level_db", *(f"{way}_db" for way in ways))]
    there = [f"{row['delivered_snr_db']:.1f}", f"{row['symbol_level_delivered_db']:.2f}"]
    rho, points = f"{row['k'] / (3 * SIDE_PX**2):.4f}", str(row["order"] or "analog")
    shown = [f"`{row['codec']}`", row["pictures"], rho, points, f"{row['snr_db']:g}"]
    return "| " + " | ".join([*shown, *levels, *there, f"{counts} of {row['sent']}"]) + " |"


def _print(row: dict[str, Any]) -> None:
    largest = {key: row[f"{key}_largest_difference_db"] for key in ("replay", "flowgraph")}
    print(_line(row), "largest differences", largest, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of pictures, Kodak")
    parser.add_argument("--cifar", type=Path, help="folder of CIFAR-10 test pictures, for ujscc")
    parser.add_argument("--pictures", type=int, default=8, help="the first so many by name")
    parser.add_argument("--only", action="append", help="measure only this codec again; may be repeated")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.render and arguments.data is None:
        parser.error("--data must be given unless --render is")
    return arguments


if __name__ == "__main__":
    main()
