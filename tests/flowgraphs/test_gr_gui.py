"""The flowgraphs with a window, run under Xvfb: what is seen in it, and that its variables act."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from programs import PATIENCE_S, compile_flowgraphs

import sdrjscc
from sdrjscc.images.io import read_image
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link

pytest.importorskip("gnuradio.grc")
pytest.importorskip("PyQt5")

_HARNESS = Path(__file__).with_name("run_gui.py")
_LAYOUT = ("loopback_gui", "digital_qam")


@pytest.fixture(scope="module")
def display():
    """The name of a screen in memory."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb must be installed for windows to be tried (apt: xvfb)")
    read_end, write_end = os.pipe()
    screen = ["-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), *screen], pass_fds=[write_end], stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    number = os.read(read_end, 16).decode().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait()
    os.close(read_end)


@pytest.fixture(scope="module")
def windows(tmp_path_factory, display):
    """``windows(name, words)``: run a flowgraph as ``run_gui.py`` does; a state for each setting."""
    folder = tmp_path_factory.mktemp("windows")
    compiled = compile_flowgraphs(_LAYOUT, folder)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr

    def run(name, *words):
        out = folder / name
        environment = {"DISPLAY": display, "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": str(folder)}
        ran = subprocess.run(
            [sys.executable, _HARNESS, folder / f"{name}.py", out, *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        states = json.loads((out / "report.json").read_text())
        return [SimpleNamespace(**state, stem=str(out / str(number))) for number, state in enumerate(states)]

    return run


@pytest.fixture(scope="module")
def loopback(windows):
    """States of ``loopback_gui`` at 15 dB, its default, and at 0 dB."""
    # a busy machine is behind the sender by what the channel's buffer holds
    return windows("loopback_gui", "--pictures", "8", "--in-flight", "24", "--set", "snr_db=0")


def cut(state, place):
    """A rectangle of a state's window, uint8 ``[h, w, 3]``."""
    left, top, width, height = place
    with Image.open(f"{state.stem}.png") as window:
        return np.asarray(window.convert("RGB").crop((left, top, left + width, top + height)))


def plotted(state, name, limit):
    """Weights of the blue pixels of a plot, and where they are: from -limit to limit on both axes."""
    pixels = cut(state, state.places[name]).astype(int)
    rows, columns = np.nonzero((pixels > 250).all(axis=2))  # the canvas is white, the window grey
    pixels = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    weights = np.clip(pixels[..., 2] - pixels[..., 0] - 20, 0, None)
    height, width = weights.shape
    across, up = np.linspace(-limit, limit, width), np.linspace(limit, -limit, height)
    return weights, across[None, :] + 1j * up[:, None]


def headless_psnr_db(tmp_path, name, snr_db):
    """PSNR of a sample's middle over the loopback of plain Python."""
    preset = (Path(sdrjscc.__file__).parent / "presets" / "loopback.toml").read_text()
    assert "\nsnr_db = 10.0\n" in preset
    link = tmp_path / "link.toml"
    link.write_text(preset.replace("\nsnr_db = 10.0\n", f"\nsnr_db = {snr_db}\n"))
    pixels = read_sample(name).pixels
    top, left = (pixels.shape[1] - 256) // 2, (pixels.shape[2] - 256) // 2
    with Link.from_toml(link) as opened:
        return opened.send(pixels[:, top : top + 256, left : left + 256].contiguous()).psnr_db.value


def mean(state, key):
    return sum(one[key] for one in state.results) / len(state.results)


def test_the_spectrum_is_drawn_as_wide_as_the_signal(loopback):
    weights, _ = plotted(loopback[0], "spectrum", 1.0)
    rows = np.arange(len(weights))[:, None]
    drawn = weights.sum(axis=0) > 0
    assert drawn.mean() > 0.9
    height = (len(weights) - (weights * rows).sum(axis=0)[drawn] / weights.sum(axis=0)[drawn]) / len(weights)
    edge = len(height) // 20
    middle = height[4 * edge : -4 * edge].mean()
    # 50 dB from bottom to top; signal and noise 15 dB apart, less where only a part of it is of a burst
    assert middle - (height[:edge].mean() + height[-edge:].mean()) / 2 > 0.04


def test_analog_symbols_are_a_cloud_around_zero(loopback):
    weights, place = plotted(loopback[0], "constellation", 3.0)
    total = weights.sum()
    assert abs((weights * place).sum() / total) < 0.3
    # unit mean power; where many points fall the plot says no more than that there are some
    assert 0.4 < np.sqrt((weights * abs(place) ** 2).sum() / total) < 2.0


@pytest.mark.parametrize(("number", "snr_db"), [(0, 15.0), (1, 0.0)])
def test_the_received_picture_is_what_a_run_without_window_gives(loopback, tmp_path, number, snr_db):
    state = loopback[number]
    name = state.caption.split("  ")[0]
    shown = psnr_db(
        read_image(f"{state.stem}-sent.png").pixels, read_image(f"{state.stem}-received.png").pixels
    )
    assert f"PSNR {shown.value:.1f} dB" in state.caption
    assert shown.value == pytest.approx(headless_psnr_db(tmp_path, name, snr_db), abs=1.0)


def test_the_window_shows_the_received_picture(loopback):
    state = loopback[0]
    width, height = state.received_place[2:]
    with Image.open(f"{state.stem}-received.png") as received:
        expected = np.asarray(received.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    error = cut(state, state.received_place).astype(int) - expected
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 25


def test_a_variable_acts_while_it_runs(loopback):
    for state, snr_db in zip(loopback, (15.0, 0.0), strict=True):
        assert mean(state, "snr_db") == pytest.approx(snr_db, abs=0.5)
    assert mean(loopback[0], "psnr_db") > mean(loopback[1], "psnr_db") + 2


def test_four_points_are_four_clusters(windows):
    sixteen, four = windows("digital_qam", "--pictures", "2", "--in-flight", "16", "--set", "mode=1")
    weights, place = plotted(four, "constellation", 2.0)
    points = np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j]) / np.sqrt(2)
    distance = abs(place[..., None] - points)
    nearest = distance.argmin(axis=2)
    # 15 dB: a standard deviation of 0.126 on each axis
    assert weights[distance.min(axis=2) < 0.45].sum() > 0.97 * weights.sum()
    assert all(weights[nearest == point].sum() > 0.02 * weights.sum() for point in range(4))
    spread, _ = plotted(sixteen, "constellation", 2.0)
    assert spread[distance.min(axis=2) >= 0.45].sum() > 0.1 * spread.sum()
