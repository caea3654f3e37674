"""The image view: what is shown, when, and under which caption; drawn without a screen."""

import os

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")
pytest.importorskip("PyQt5")

from gnuradio import gr
from gr_rig import Rig, until
from PyQt5 import Qt

from sdrjscc.grblocks.image_source import ImageSource
from sdrjscc.grblocks.image_view import ImageView
from sdrjscc.grblocks.pdu import pdu

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture(scope="module", autouse=True)
def application():
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return Qt.QApplication.instance() or Qt.QApplication(["test"])


@pytest.fixture
def view(application):
    block = ImageView("received")
    block.widget.resize(300, 300)
    return block


def meta(number, width=32, height=32, **more):
    return {"name": f"{number}.png", "transmission": number, "width": width, "height": height} | more


def plain(colour, width=32, height=32):
    return np.tile(np.array(colour, np.uint8), width * height)


def result(number, **more):
    return {"image": f"{number}.png", "transmission": number, "nonce": 7} | more


def shown(block):
    """Caption of what stands in the widget after Qt's loop came round to it."""
    timer = Qt.QElapsedTimer()
    timer.start()
    while timer.elapsed() < 150:
        Qt.QApplication.processEvents(Qt.QEventLoop.AllEvents, 10)
    return block.widget.caption


def send(block, *numbers, colour=RED, **more):
    for number in numbers:
        block.handle_pictures(pdu(meta(number, **more), plain(colour)))


def measure(block, number, **values):
    block.handle_results(pdu(result(number, **values), np.empty(0, np.uint8)))


def test_a_picture_is_shown_with_its_name_and_size(view):
    send(view, 3)
    assert shown(view) == "3.png  32x32\n"
    assert view.widget.image.pixelColor(5, 5).getRgb()[:3] == RED


def test_pixels_are_those_of_thepdu(view):
    data = np.random.default_rng(1).integers(0, 256, 3 * 31 * 17, dtype=np.uint8)
    view.handle_pictures(pdu(meta(0, 31, 17), data))  # rows of 93 bytes: Qt would pad them
    shown(view)
    image = view.widget.image
    got = [image.pixelColor(x, y).getRgb()[:3] for y in range(17) for x in range(31)]
    assert np.array(got, np.uint8).reshape(-1).tolist() == data.tolist()


def test_it_is_scaled_to_the_widget_and_keeps_its_shape(view):
    view.widget.resize(400, 300)
    view.handle_pictures(pdu(meta(0, 64, 32), plain(GREEN, 64, 32)))
    shown(view)
    place = view.widget.picture_place()
    assert place.width() == pytest.approx(2 * place.height(), abs=2) and place.width() == 392
    grabbed = view.widget.grab().toImage()
    for corner in (place.topLeft(), place.bottomRight(), place.center()):
        assert grabbed.pixelColor(corner).getRgb()[:3] == GREEN
    assert grabbed.pixelColor(place.left() - 2, place.center().y()).getRgb()[:3] != GREEN


def test_of_many_pictures_the_latest_is_shown(view):
    send(view, *range(100))
    assert shown(view).startswith("99.png")


def test_what_was_measured_stands_below_a_received_picture(view):
    send(view, 1, nonce=7, pilot_snr_db=9.0, cfo_hz=-123.0)
    assert shown(view) == "1.png  32x32\nSNR 9.0 dB   CFO -123 Hz"
    measure(view, 1)
    send(view, 2, nonce=7, pilot_snr_db=9.0, cfo_hz=-123.0)
    measure(view, 2, psnr_db=28.46, snr_db=10.04, cfo_hz=-123.0)
    assert shown(view) == "2.png  32x32\nPSNR 28.5 dB   SNR 10.0 dB   CFO -123 Hz"


def test_a_received_picture_has_the_name_of_what_was_sent(view):
    measure(view, 0)
    received = {key: value for key, value in meta(1, nonce=7).items() if key != "name"}
    view.handle_pictures(pdu(received, plain(RED)))
    measure(view, 1)
    assert shown(view).startswith("1.png")


def test_with_the_probe_a_picture_waits_for_its_measurement(view):
    measure(view, 0)
    send(view, 1, 2, 3)
    assert shown(view) == ""
    measure(view, 2)
    assert shown(view).startswith("2.png")
    measure(view, 1)  # older than what is shown
    assert shown(view).startswith("2.png")


def test_pictures_go_on_when_nothing_is_measured_any_more(view):
    measure(view, 0)
    send(view, *range(1, 100))
    assert shown(view).startswith("99.png")
    assert len(view._waiting) == 0


def test_what_failed_before_or_is_no_picture_is_not_shown(view, caplog):
    view.handle_pictures(pdu({"error": "a file is missing"}, np.empty(0, np.uint8)))
    assert caplog.text == ""
    view.handle_pictures(pdu(meta(1), plain(RED)[:-1]))
    assert shown(view) == "" and "must be 3072 bytes" in caplog.text


@pytest.mark.parametrize("name", ["x" * 4000, "a\nb\tc\x00", "<b>bold</b>", "%s \u202e"])
def test_any_name_can_be_drawn(view, name):
    view.handle_pictures(pdu(meta(0) | {"name": name}, plain(RED)))
    shown(view)
    assert view.widget.grab().width() == 300


def test_messages_of_a_running_graph_are_shown_in_the_window(application, view):
    source, graph = ImageSource("samples", count=1, crop=64), gr.top_block()
    graph.msg_connect(source, "pictures", view, "pictures")
    with Rig(source, graph=graph):
        until(lambda: (Qt.QApplication.processEvents(), view.widget.image is not None)[1])
    assert view.widget.caption == "astronaut  64x64\n"
