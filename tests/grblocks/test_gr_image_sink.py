"""The image sink under load."""

import time

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
from gnuradio import gr
from gr_rig import Keeper, picture, post

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks import image_sink
from sdrjscc.grblocks.image_sink import ImageSink


def fed(folder):
    """A flowgraph of an image sink and what could feed it, which must be kept."""
    graph, sink, feeder = gr.top_block(), ImageSink(str(folder)), Keeper()
    feeder.message_port_register_out(pmt.intern("out"))
    graph.msg_connect(feeder, "out", sink, "pictures")
    return graph, sink, feeder


def test_results_are_written_before_pictures_that_wait(tmp_path, monkeypatch):
    """PNG takes its time; every picture that is there has its line."""
    lines = []

    def slow(path, pixels, **options):
        file = tmp_path / "results.jsonl"
        lines.append(len(file.read_text().splitlines()) if file.exists() else 0)

    monkeypatch.setattr("sdrjscc.grblocks.image_sink.write_png", slow)
    graph, sink, _feeder = fed(tmp_path)
    for number in range(5):
        post(sink, "pictures", *picture(8, 8, seed=number))
        post(sink, "results", {"index": number}, np.empty(0, np.uint8))
    graph.start()
    ends_s = time.monotonic() + 10
    while len(lines) < 5 and time.monotonic() < ends_s:
        time.sleep(0.01)
    graph.stop()
    graph.wait()
    assert lines == [5] * 5


def test_what_comes_too_fast_is_left_out_and_counted(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(image_sink, "_MOST_BYTES", 500)  # two pictures of 8x8 and a bit
    graph, sink, _feeder = fed(tmp_path)
    for number in range(6):
        post(sink, "pictures", *picture(8, 8, seed=number))
    graph.start()
    time.sleep(0.5)
    graph.stop()
    graph.wait()
    assert 0 < len(list(tmp_path.glob("*.png"))) < 6
    assert "came too fast to be written" in caplog.text


@pytest.mark.parametrize("folder", [None, 3])
def test_a_folder_that_is_no_path(folder):
    with pytest.raises(ConfigError, match="folder must be a path"):
        ImageSink(folder)
