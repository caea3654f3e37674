"""The page: self-contained, escaped, complete; the files beside it."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import torch
from fake_run import fake_run, fake_transmission

from sdrjscc.evaluation import _pictures
from sdrjscc.evaluation.report import write_report
from sdrjscc.images.io import read_image

HOSTILE = '<script>alert("1")</script>&amp; \udcff ../../up $x$'


class Page(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def photo(height=110, width=160):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y, (x * y // 7)]).remainder(256).to(torch.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "out"
    transmissions = [
        fake_transmission("photo.png", photo(), lost=(1,)),
        fake_transmission(HOSTILE, photo(3, 2), decoded=False),
        fake_transmission("third", photo(9, 9)),
    ]
    page = write_report(fake_run(transmissions), folder, detailed=2)
    return folder, page.read_text(encoding="utf-8")


def test_files_beside_the_page(made):
    folder, _ = made
    assert {path.name for path in folder.iterdir()} == {
        "results.json",
        "report.html",
        "loss.png",
        "01-photo",
        "02-up-x",
        "03-third",
    }
    figures = {"comparison.png", "constellation.png", "spectrum.png", "channel.png", "packets.png"}
    assert {path.name for path in (folder / "01-photo").iterdir()} == {*figures, "received.png"}
    assert "received.png" not in {path.name for path in (folder / "02-up-x").iterdir()}
    assert {path.name for path in (folder / "03-third").iterdir()} == {"received.png"}
    assert read_image(folder / "01-photo" / "received.png").pixels.shape == (3, 110, 160)
    assert len(json.loads((folder / "results.json").read_text())["transmissions"]) == 3


def test_page_is_self_contained_and_well_formed(made):
    page = Page(made[1])
    assert page.open == []
    sources = [value for _, name, value in page.attributes if name == "src"]
    assert len(sources) > 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert not re.search(r"https?://|url\(|@import", made[1])


def test_hostile_names_are_text(made):
    page = Page(made[1])
    assert "script" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert "&lt;script&gt;" in made[1]
    assert "\udcff" not in made[1]


def test_page_says_what_happened(made):
    text = made[1]
    assert "3 pictures through the link" in text
    assert "Nothing that arrived could be decoded" in text
    assert "Not shown here: 1 of" in text
    assert 'class="mark"' in text  # the large picture has a detail, the small one has none
    assert "prefers-color-scheme: dark" in text
    assert "variant = &#34;60-E2D2&#34;" in text


def test_light_imports():
    """The command line must not pay for matplotlib and jinja2 before it needs them."""
    code = (
        "import sys, sdrjscc.evaluation.results, sdrjscc.evaluation.report;"
        "sys.exit(bool({'matplotlib', 'jinja2', 'scipy', 'torchmetrics'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_detail_is_where_most_changes():
    pixels = torch.zeros(3, 200, 300, dtype=torch.uint8)
    pixels[:, 120:150:2, 200:240:2] = 255
    detail = _pictures.busiest_detail(pixels)
    assert detail.left <= 200 and detail.left + detail.width >= 240
    assert detail.top <= 120 and detail.top + detail.height >= 150
    assert detail.of(pixels).shape == (3, 48, 72)
    assert _pictures.busiest_detail(pixels[:, :90]) is None


def test_error_colours_span_the_scale():
    colours = _pictures.error_picture(torch.tensor([[0.0, 16.0, 32.0, 99.0]]), 32.0)
    assert colours.shape == (3, 1, 4)
    assert torch.equal(colours[..., 2], colours[..., 3])
    luma = colours.float().mean(dim=0)[0]
    assert (luma.diff() >= 0).all()
