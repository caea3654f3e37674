"""The README's model zoo and the page of whole links are those of their results, and of what is bundled."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import model_zoo
import whole_link

from sdrjscc.codecs._weights import bundled_cards

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
AGAIN = "run: python benchmarks/model_zoo.py --missing"


def test_the_readme_lists_exactly_the_bundled_weights() -> None:
    _, _, rest = README.partition(model_zoo.BEGIN)
    linked = re.findall(r"\]\((\S+\.(?:safetensors|json))\)", rest.partition(model_zoo.END)[0])
    folder = ROOT / model_zoo.FOLDER
    there = [path.relative_to(ROOT).as_posix() for path in folder.iterdir() if path.suffix != ".py"]
    assert sorted(linked) == sorted(there), AGAIN


def test_the_rows_are_of_the_weights_as_they_are() -> None:
    rows = {row["file"]: row for row in model_zoo.stored() if row["file"]}
    for card in bundled_cards():
        row = rows[card["file"]]
        assert row["key"] == card["sha256"], AGAIN
        assert row["parameters"] == card["parameters"]
        assert all(row["psnr_db"][level] == card["psnr_db"][level] for level in model_zoo.SNR_DB), AGAIN


def test_the_readme_is_rendered_from_the_results() -> None:
    assert model_zoo.with_table(README, model_zoo.stored()) == README


def test_a_row_shows_what_was_measured() -> None:
    row = {
        "codec": "a",
        "variant": "b",
        "file": "a_b.safetensors",
        "side_px": 32,
        "parameters": 1234567,
        "macs": 2_345_000_000,
        "encode_ms": 12.34,
        "decode_ms": 5.67,
        "rho": 1 / 12,
        "psnr_db": {"1": 20.004, "10": 25.128, "19": 30.5},
    }
    folder = "sdrjscc/codecs/weights"
    assert model_zoo.table([row]).splitlines()[-1] == (
        "| `a` | `b` | 1,234,567 | 2.35 G (32 px) | 12 ms | 5.7 ms | 1/12 | 20.00 | 25.13 | 30.50 | "
        f"[`a_b`]({folder}/a_b.safetensors), [card]({folder}/a_b.json) |"
    )


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(SystemExit, match="marks"):
        model_zoo.with_table("# a page", [])


def test_the_page_of_whole_links_is_rendered_from_the_results() -> None:
    page = whole_link.PAGE.read_text(encoding="utf-8")
    results = json.loads(whole_link.RESULTS.read_text(encoding="utf-8"))
    assert whole_link.with_table(page, results) == page
    measured = {row["codec"] for row in results["rows"]}
    assert measured == set(whole_link.CODECS)


def test_mosaics_hold_the_small_pictures_row_by_row() -> None:
    small = [torch.full((3, 4, 4), number) for number in range(4)]
    pixels = whole_link._mosaic(small, 2, "four").pixels
    assert pixels[0, ::4, ::4].tolist() == [[0, 1], [2, 3]]
