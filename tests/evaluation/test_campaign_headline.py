"""The headline figure: labels that do not overlap, what is drawn how, and that it is in the report."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import parse_campaign
from sdrjscc.evaluation.figures_campaign import headline_figure
from sdrjscc.evaluation.plots_headline import spread
from sdrjscc.evaluation.report_campaign import write_campaign_report
from sdrjscc.evaluation.rows import COLUMNS
from sdrjscc.evaluation.summary import curves


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_labels_keep_their_order_and_lie_apart(places):
    moved = spread(places, 0.05)
    ranked = sorted(range(len(places)), key=lambda index: (places[index], index))
    steps = [moved[after] - moved[before] for before, after in itertools.pairwise(ranked)]
    assert all(step >= 0.05 - 1e-9 for step in steps)
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)  # none is pulled to one side


def test_labels_that_lie_apart_stay():
    assert spread([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])


def row(codec, snr_db, psnr_db, **more):
    keys = {"level": "symbol", "codec": codec, "mapping": "m", "channel": "awgn", "sender_knows": "average"}
    values = {"mode": "auto", "snr_db": snr_db, "image": "a", "psnr_db": psnr_db, "undecodable": False}
    return dict.fromkeys(COLUMNS) | keys | values | more


ROWS = [
    *(row("ours", snr, 25.0 + snr) for snr in (0.0, 10.0)),
    *(row("fixed", snr, 15.0 + snr, mode="2") for snr in (0.0, 10.0)),
    *(row("bound", snr, 30.0 + snr, mode="capacity") for snr in (0.0, 10.0)),
    *(row("elsewhere", snr, 1.0, channel="fading") for snr in (0.0, 10.0)),
]


def campaign(**headline):
    grid = {"codec": ["softcast"], "snr_db": [0.0, 10.0]}
    metrics = {"ssim": False, "ms_ssim": False}
    table = {"campaign": {"name": "a"}, "grid": grid, "metrics": metrics, "headline": headline}
    return parse_campaign(table)


def test_curves_are_those_named_with_their_texts():
    names = {"bound": "the bound", "ours": "our codec"}
    drawn = headline_figure(
        curves(ROWS), campaign(curves=names, title="A title", note="Small print").headline
    )
    assert {text.get_text() for text in drawn.figure.axes[0].texts} == {"the bound", "our codec"}
    assert {text.get_text() for text in drawn.figure.texts} == {"A title", "Small print"}
    assert [(line["codec"], line["snr_db"], line["psnr_db"]) for line in drawn.data] == [
        ("bound", 0.0, 30.0),
        ("bound", 10.0, 40.0),
        ("ours", 0.0, 25.0),
        ("ours", 10.0, 35.0),
    ]


def test_without_names_all_of_the_first_setting_are_drawn():
    drawn = headline_figure(curves(ROWS), campaign().headline)
    assert {text.get_text() for text in drawn.figure.axes[0].texts} == {"ours", "fixed", "bound"}


def test_names_that_are_not_there_are_said():
    with pytest.raises(ConfigError, match=r"headline\.curves must be of the campaign's ours, fixed, bound"):
        headline_figure(curves(ROWS), campaign(curves={"our": "a"}).headline)
    with pytest.raises(ConfigError, match=r"headline\.setting must be of the campaign's awgn, fading"):
        headline_figure(curves(ROWS), campaign(setting="air").headline)


def test_it_is_a_file_of_its_own_and_in_the_report(tmp_path):
    page = write_campaign_report(campaign(), ROWS, tmp_path, command="c", toml="t").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "figures" / "headline.png").is_file()
    assert 'id="headline"' in page


def test_a_report_without_rows_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must have at least one row"):
        write_campaign_report(campaign(), [], tmp_path, command="c", toml="t")
