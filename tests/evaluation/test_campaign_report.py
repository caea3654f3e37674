"""The report of a campaign: whole, self-contained, its numbers beside its figures."""

import base64
import csv
import io
import re

import pytest

from sdrjscc.evaluation.campaign import parse_campaign
from sdrjscc.evaluation.report_campaign import write_campaign_report
from sdrjscc.evaluation.running import CampaignRun
from sdrjscc.images.io import write_png
from sdrjscc.images.samples import read_sample

COMMAND = "sdrjscc evaluate trial.toml --data pictures"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    for name, file in (("astronaut", "<b>one.png"), ("coffee", "two.png")):
        write_png(data / file, read_sample(name, max_side=96).pixels)
    campaign = parse_campaign(
        {
            "campaign": {"name": "trial", "reference": "softcast"},
            "grid": [
                {"codec": ["softcast", "dsc_jscc/60-E2D2", "dsc_jscc/deep-jscc"], "snr_db": [0.0, 10.0]},
                {"codec": [{"name": "separation", "rho": 0.3}], "mode": [6], "snr_db": [0.0, 10.0]},
            ],
            "images": {"crop_px": 64},
        }
    )
    run = CampaignRun(campaign, data, out)
    for _ in run.compute():
        pass
    extra = run.further_figures()
    page = write_campaign_report(campaign, run.rows(), out, command=COMMAND, toml="# text", extra=extra)
    return page.read_text(encoding="utf-8"), out, run.rows()


def downloads(text):
    links = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]*)" download="([^"]*)"', text)
    return {name: list(csv.DictReader(io.StringIO(base64.b64decode(data).decode()))) for data, name in links}


def test_it_holds_all_figures_and_needs_nothing_else(report):
    text, out, _ = report
    names = {path.stem for path in (out / "figures").iterdir()}
    assert names == {
        f"01-{name}" for name in ("psnr_db", "ssim", "undecodable", "gains", "rate", "cost", "pictures-1")
    }
    assert text.count('src="data:image/png;base64,') == len(names)
    assert not re.search(r'(src|href)="(https?:|//|/)', text)
    assert "<script" not in text
    assert re.search(r"Why: [a-z ]+: its mean colour instead \(\d+\)", text)


def test_every_figure_has_its_command_and_its_numbers(report):
    text, out, rows = report
    found = downloads(text)
    assert text.count(COMMAND) == 1 + len(list((out / "figures").iterdir()))
    assert {name.removeprefix("trial-").removesuffix(".csv") for name in found} == {
        "rows",
        "summary",
        *(path.stem for path in (out / "figures").iterdir()),
    }
    whole = found["trial-rows.csv"]
    assert [float(row["psnr_db"]) for row in whole] == [row["psnr_db"] for row in rows]
    (line,) = [
        one for one in found["trial-01-psnr_db.csv"] if (one["codec"], one["snr_db"]) == ("softcast", "10.0")
    ]
    values = [row["psnr_db"] for row in rows if (row["codec"], row["snr_db"]) == ("softcast", 10.0)]
    assert float(line["psnr_db"]) == pytest.approx(sum(values) / 2)


def test_names_of_files_are_escaped(report):
    text, _, rows = report
    assert any(row["image"].startswith("<b>") for row in rows)
    assert "<b>one" not in text


def test_what_was_lost_is_said(report):
    text, _, rows = report
    lost = sum(row["undecodable"] for row in rows)
    assert lost == 2
    assert f"{lost} not decodable" in text
