"""The page of the papers' claims is that of its tables; differences and crossovers are what they say."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import paper_results
from _paper import licrnet, numbers
from _paper.figures import Panel
from _paper.tables import markdown

from sdrjscc.evaluation.campaign import campaign_rows
from sdrjscc.evaluation.rows import COLUMNS


def row(codec, image, snr_db, psnr_db, seed=0):
    known = {"codec": codec, "image": image, "snr_db": snr_db, "psnr_db": psnr_db, "seed": seed}
    fixed = {
        "level": "symbol",
        "mapping": "analog",
        "channel": "awgn",
        "sender_knows": "average",
        "mode": "auto",
    }
    return dict.fromkeys(COLUMNS) | {"undecodable": False, "rho": 0.1} | fixed | known


@pytest.fixture
def collected(tmp_path, monkeypatch):
    """A campaign of two codecs, the first 2 dB better at 0 dB and 1 dB worse at 10 dB."""
    monkeypatch.setattr(numbers, "PAIRS", {"trial": [("a", "b")]})
    rows = [
        row("a", image, snr_db, level + gain)
        for image, level in (("1.png", 20.0), ("2.png", 30.0))
        for snr_db, gain in ((0.0, 2.0), (10.0, -1.0))
    ]
    rows += [
        row("b", one["image"], one["snr_db"], {"1.png": 20.0, "2.png": 30.0}[one["image"]]) for one in rows
    ]
    lines = [",".join(COLUMNS), *(",".join(_text(one[name]) for name in COLUMNS) for one in rows)]
    (tmp_path / "runs" / "trial").mkdir(parents=True)
    (tmp_path / "runs" / "trial" / "rows.csv").write_text("\n".join(lines) + "\n")
    assert numbers.collect(tmp_path / "runs", tmp_path) == ["trial"]
    return numbers.Numbers(tmp_path)


def _text(value):
    return "" if value is None else str(value)


def test_differences_are_paired_by_picture(collected) -> None:
    assert str(collected.diff("trial", "a", "b", "psnr_db", 0.0)) == "+2.00 dB (+2.00 to +2.00)"
    assert collected.mean("trial", "a", "psnr_db", 10.0) == "24.00"


def test_a_crossover_lies_between_the_last_gain_and_the_first_loss(collected) -> None:
    assert collected.crossover("trial", "a", "b", "psnr_db") == "between 0 and 10 dB"


def test_what_was_not_compared_is_refused(collected) -> None:
    with pytest.raises(KeyError, match="b is not compared with a"):
        collected.diff("trial", "b", "a", "psnr_db", 0.0)


def test_a_table_is_markdown() -> None:
    assert markdown(("", "1 dB"), [("a", "2.00")]) == "|  | 1 dB |\n| --- | ---: |\n| a | 2.00 |"


def test_the_page_is_rendered_from_its_tables() -> None:
    page = paper_results.PAGE.read_text(encoding="utf-8")
    assert paper_results.render() == page, "run: python benchmarks/paper_results.py"


def test_every_campaign_that_the_page_names_is_bundled() -> None:
    bundled = {one["campaign"] for one in campaign_rows()}
    assert {*numbers.PAIRS, *(campaign for campaign, _ in paper_results.PICTURES.values())} <= bundled


def test_attention_scores_are_a_key_for_each_query_of_a_window() -> None:
    """128^2 queries of 4x4 keys, 64^2 of 8x8, 32^2 of 16x16, coding and decoding; LICRnet-F: 8x8 in all."""
    assert licrnet.scores("small") == 2 * (128**2 * 16 + 64**2 * 64 + 32**2 * 256)
    assert licrnet.scores("small-F") == 2 * 64 * (128**2 + 64**2 + 32**2)


def test_a_panel_may_have_a_curve_of_another_campaign() -> None:
    panel = Panel("one", "psnr_db", "", ("a", "b"), named=("A", "B"), beside=("other", "c"))
    assert panel.curves == [("one", "a", "A"), ("one", "b", "B"), ("other", "c", "c")]
