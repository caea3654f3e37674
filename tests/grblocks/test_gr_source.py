"""The image source: places, turns, ends, a camera."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
import torch
from gnuradio import gr
from gr_rig import Keeper, Rig, post_message, run_to_end, until

from sdrjscc.errors import ConfigError, ImageError, SdrJsccError
from sdrjscc.grblocks.image_source import ImageSource
from sdrjscc.grblocks.pdu import picture_pixels
from sdrjscc.images.io import read_image

SIDES = ((40, 32), (32, 48), (64, 64))  # width, height


def ask(source):
    post_message(source, "next", pmt.intern("more"))


def test_the_source_sends_two_unasked_then_one_when_asked(folder):
    with Rig(ImageSource(str(folder), repeat=True), "pictures") as rig:
        rig.wait("pictures", 2)
        for asked in range(1, 4):
            ask(rig.block)
            rig.wait("pictures", 2 + asked)
        heard = rig.keepers["pictures"].heard
        assert len(heard) == 5
    metas = [meta for meta, _ in heard]
    assert [meta["name"] for meta in metas] == [f"picture{index}.png" for index in (0, 1, 2, 0, 1)]
    assert [meta["index"] for meta in metas] == [meta["transmission"] for meta in metas] == list(range(5))
    assert [(meta["width"], meta["height"]) for meta in metas[:3]] == list(SIDES)
    assert metas[0]["time_s"] <= metas[4]["time_s"]
    assert not any("last" in meta for meta in metas)
    pixels = read_image(folder / "picture1.png").pixels
    assert torch.equal(picture_pixels(*heard[1]), pixels)
    assert torch.equal(picture_pixels(*heard[4]), pixels)


def heard_of(source, asks=20):
    """What a source sends until it ends by itself."""
    graph, keeper = gr.top_block(), Keeper()
    graph.msg_connect(source, "pictures", keeper, "in")
    for _ in range(asks):
        ask(source)
    run_to_end(graph)
    return keeper.heard


@pytest.mark.parametrize(
    ("keywords", "indices"),
    [({}, [0, 1, 2]), ({"count": 2}, [0, 1]), ({"repeat": True, "count": 5}, [0, 1, 2, 0, 1])],
)
def test_the_source_marks_its_last_picture_and_ends(folder, keywords, indices, caplog):
    heard = heard_of(
        ImageSource([str(folder / f"picture{i}.png") for i in ("0", "0b", "1", "2")], **keywords)
    )
    assert [meta["name"] for meta, _ in heard] == [f"picture{index}.png" for index in indices]
    assert [meta.get("last", False) for meta, _ in heard] == [False] * (len(indices) - 1) + [True]
    assert caplog.text.count("picture0b.png") == 1  # said once, however often it comes round


def test_sizes_that_are_wished_for(folder, caplog):
    ((meta, data),) = heard_of(ImageSource(str(folder / "picture2.png"), max_side=16))
    assert (meta["width"], meta["height"], len(data)) == (16, 16, 768)
    (cut,) = heard_of(ImageSource(str(folder), crop=48))  # two are smaller
    assert cut[0]["last"]
    assert torch.equal(picture_pixels(*cut), read_image(folder / "picture2.png").pixels[:, 8:56, 8:56])
    assert caplog.text.count("at least 48 px a side") == 2


def test_the_bundled_photos():
    heard = heard_of(ImageSource("samples", count=1, max_side=32))
    assert heard[0][0]["name"] == "astronaut"


@pytest.mark.parametrize("repeat", [False, True])
def test_nothing_that_can_be_read_is_an_end_with_an_error(folder, repeat, caplog):
    assert heard_of(ImageSource(str(folder / "picture0b.png"), repeat=repeat)) == []
    assert "none of the pictures can be read" in caplog.text


def test_an_interval_paces_and_a_setter_ends_it(folder):
    source = ImageSource(str(folder), repeat=True, interval_s=3600.0)
    with Rig(source, "pictures") as rig:
        rig.wait("pictures", 1)
        assert len(rig.keepers["pictures"].heard) == 1
        source.set_interval_s(0.001)
        rig.wait("pictures", 8)  # nobody asks: the interval alone decides
        with pytest.raises(ConfigError, match=r"interval_s must be at least 0 seconds \(got -1"):
            source.set_interval_s(-1.0)


def test_where_one_is_asked_an_interval_does_not_run_ahead(folder):
    source = ImageSource(str(folder), repeat=True, interval_s=3600.0)
    with Rig(source, "pictures") as rig:
        rig.wait("pictures", 1)
        ask(source)
        until(lambda: source._turns._asked)
        source.set_interval_s(1e-4)
        rig.wait("pictures", 3)
        ask(source)
        rig.wait("pictures", 4)
        assert len(rig.keepers["pictures"].heard) == 4


def test_the_source_begins_anew_with_every_start(folder):
    source = ImageSource(str(folder))
    rig = Rig(source, "pictures")
    for run in range(1, 4):
        with rig:
            rig.wait("pictures", 2 * run)
    assert [meta["index"] for meta, _ in rig.keepers["pictures"].heard] == [0, 1] * 3
    assert source.stop()
    assert source.stop()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"places": "/no/such.png"},
            ImageError,
            r"picture must be a file that can be read \(got /no/such.png",
        ),
        ({"places": []}, ConfigError, r"at least one file or folder \(got none\)"),
        ({"places": "camera:x"}, ConfigError, r"camera:N, N its number from 0 \(got 'camera:x'\)"),
        ({"places": "samples", "crop": 5000}, ConfigError, r"crop must be 0 to 4095 pixels \(got 5000\)"),
        ({"places": "samples", "max_side": -1}, ConfigError, r"max_side must be 0 to 4095 pixels \(got -1\)"),
        ({"places": "samples", "count": -1}, ConfigError, r"count must be at least 0 \(got -1\)"),
        ({"places": "samples", "interval_s": -1.0}, ConfigError, r"interval_s must be at least 0"),
    ],
)
def test_bad_parameters_of_the_source(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        ImageSource(**arguments)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(SdrJsccError, match="data folder must hold pictures"):
        ImageSource(str(tmp_path))


class FakeCamera:
    """Three BGR pictures, each of one colour, then nothing."""

    opened = True
    released = 0

    def __init__(self, number):
        self.number, self.taken = number, 0

    def isOpened(self):
        return self.opened

    def set(self, key, value):
        return True

    def read(self):
        self.taken += 1
        image = np.zeros((24, 32, 3), np.uint8)
        image[:] = (10 * self.taken, 1, 2)
        return (True, image) if self.taken <= 3 else (False, None)

    def release(self):
        type(self).released += 1


@pytest.fixture
def camera(monkeypatch):
    kind = type("Camera", (FakeCamera,), {"released": 0})
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(VideoCapture=kind, CAP_PROP_BUFFERSIZE=38))
    return kind


def test_a_camera(camera):
    heard = heard_of(ImageSource("camera:1", count=2, crop=16))
    assert [meta.get("last", False) for meta, _ in heard] == [False, True]
    assert heard[0][0]["name"] == "camera:1"
    assert picture_pixels(*heard[1])[:, 0, 0].tolist() == [2, 1, 20]  # red first
    assert picture_pixels(*heard[1]).shape == (3, 16, 16)
    until(lambda: camera.released == 1)


def test_a_camera_that_stops_ends_the_transmitter(camera, caplog):
    heard = heard_of(ImageSource("camera:0", max_side=16))
    assert (heard[0][0]["width"], heard[0][0]["height"]) == (16, 12)
    assert len(heard) == 4
    assert heard[3][0] == {"error": "camera:0 must give pictures (it gave no more)", "last": True}
    assert "it gave no more" in caplog.text
    assert camera.released == 1


def test_a_camera_that_is_not_there(camera, caplog):
    camera.opened = False
    heard_of(ImageSource("camera:7"))
    assert "camera:7 must be there and free" in caplog.text


def test_a_camera_without_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match="a camera needs the package opencv-python: pip install"):
        ImageSource("camera:0")


def test_a_camera_beside_files(camera, folder):
    with pytest.raises(ConfigError, match=r"a camera must be the only place of pictures \(got 2 places\)"):
        ImageSource([str(folder), "camera:0"])
