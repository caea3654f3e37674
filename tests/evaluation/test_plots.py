"""Figures: what is drawn is what was given; odd input draws without complaint."""

import math
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import torch
from fake_run import fake_signal, fake_transmission
from matplotlib._pylab_helpers import Gcf

from sdrjscc.evaluation import plots, plots_signal
from sdrjscc.evaluation._style import plain, save_figure
from sdrjscc.evaluation.results import PacketRecord
from sdrjscc.images.io import read_image

GENERATOR = torch.Generator().manual_seed(1)
PIXELS = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8, generator=GENERATOR)


def drawn(figure, folder):
    """Draw with warnings as errors; returns the picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, folder / "figure.png")
    return read_image(folder / "figure.png")


def test_no_global_state(tmp_path):
    before = dict(mpl.rcParams)
    picture = drawn(plots.comparison(PIXELS, PIXELS, None), tmp_path)
    assert dict(mpl.rcParams) == before
    assert Gcf.get_all_fig_managers() == []
    assert picture.width == pytest.approx(7.2 * 150, abs=1)


def test_spectrum_is_in_dbfs_per_hz_with_the_band_shaded():
    rate_hz = 1e6
    tone = torch.exp(2j * math.pi * 0.125 * torch.arange(8192)).to(torch.complex64)[None]
    axes = plots_signal.power_spectrum(tone, rate_hz, 4e5, cfo_hz=3e4).axes[0]
    frequency_khz, level = axes.lines[0].get_data()
    assert frequency_khz[np.argmax(level)] == pytest.approx(125.0)
    step_hz = (frequency_khz[1] - frequency_khz[0]) * 1e3
    assert 10 * math.log10((10 ** (level / 10)).sum() * step_hz) == pytest.approx(0.0, abs=0.01)
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-170.0, 230.0))


def test_error_circles_are_the_rms(tmp_path):
    signal = fake_signal(10.0, torch.Generator().manual_seed(2))
    figure = plots_signal.constellation(signal.symbols, signal.reference, signal.noise_var)
    measured, estimated = (np.hypot(*line.get_data())[0] for line in figure.axes[1].lines[-2:])
    assert estimated == pytest.approx(10**-0.5, rel=1e-3)
    assert measured == pytest.approx(10**-0.5, rel=0.03)  # 5,880 symbols: 0.65 % standard error
    drawn(figure, tmp_path)


def test_alphabet_is_marked():
    qpsk = torch.tensor([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j], dtype=torch.complex64) / math.sqrt(2)
    signal = fake_signal(10.0, torch.Generator().manual_seed(2), alphabet=qpsk)
    axes = plots_signal.constellation(signal.symbols, signal.reference, signal.noise_var).axes[0]
    marks = next(line for line in axes.lines if line.get_label() == "sent")
    assert len(marks.get_xdata()) == 4
    assert np.abs(np.abs(marks.get_data()) - 0.5**0.5).max() < 1e-3


def test_channel_levels_are_decibels():
    taps = torch.tensor([[1.0, 0.1]], dtype=torch.complex64)
    response = torch.tensor([[1.0, 10.0, 0.1]], dtype=torch.complex64)
    carriers_hz, delays_s = torch.tensor([-1e3, 0.0, 1e3]), torch.tensor([0.0, 2e-6])
    left, right = plots_signal.channel(response, carriers_hz, taps, delays_s).axes
    assert left.lines[0].get_ydata() == pytest.approx([0.0, 20.0, -20.0], abs=1e-4)
    assert right.lines[0].get_xdata() == pytest.approx([0.0, 2.0])
    assert right.lines[0].get_ydata() == pytest.approx([0.0, -20.0], abs=1e-4)


def test_lost_packets_are_marked(tmp_path):
    packets = [PacketRecord(index, 10.0, 10.5, 100.0, 1.0) for index in (0, 1, 4)]
    figure = plots.packet_series(packets, 6)
    lost = figure.axes[0].collections[0].get_segments()
    assert [segment[0][0] for segment in lost] == [2, 3, 5]
    assert "lost (3 of 6)" in figure.axes[0].get_legend_handles_labels()[1]
    drawn(figure, tmp_path)


def test_loss_shows_delivered_minus_set(tmp_path):
    sets = [fake_transmission("a$b$_{.png", PIXELS, 10.0), fake_transmission("漢\udcff字", PIXELS, 5.0)]
    figure = plots.link_loss(sets)
    assert [text.get_text() for text in figure.axes[0].texts] == ["−0.30 dB"] * 2
    assert drawn(figure, tmp_path).height > 100
    assert plots.link_loss([fake_transmission("a", PIXELS, math.inf)]) is None
    assert plots.link_loss([]) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_pictures_of_any_shape(tmp_path, shape):
    pixels = torch.zeros(3, *shape, dtype=torch.uint8)
    drawn(plots.comparison(pixels, pixels + 40, 16.0), tmp_path)
    drawn(plots.comparison(pixels, None, None), tmp_path)


def test_error_panel_is_on_the_scale_of_its_bar():
    sent = torch.zeros(3, 1500, 20, dtype=torch.uint8)
    image = plots.comparison(sent, sent + 12, None).axes[2].images[0]
    assert image.get_array().shape == (750, 20)  # the long side averaged down
    assert np.allclose(image.get_array(), 12.0)
    assert image.get_clim() == (0, plots.ERROR_LEVELS)


def test_degenerate_signals_draw(tmp_path):
    nothing = torch.zeros(5, dtype=torch.complex64)
    lost = torch.full((5,), math.inf)
    drawn(plots_signal.constellation(nothing, nothing, lost), tmp_path)
    drawn(plots_signal.constellation(nothing * math.nan, None, None), tmp_path)
    drawn(plots_signal.power_spectrum(nothing[None], 1e6, 1e5), tmp_path)
    one = torch.full((2, 1), math.nan, dtype=torch.complex64)
    drawn(plots_signal.channel(one, torch.tensor([1.0]), one, torch.tensor([0.0])), tmp_path)
    drawn(plots.packet_series([PacketRecord(0)], None), tmp_path)


def test_labels_are_short_and_printable():
    assert plain("a\nb\udcff漢") == "a?b??"
    assert plain("x" * 60 + ".png") == "x" * 19 + "…xxxx.png"


@pytest.mark.parametrize(
    ("width", "height", "aspect", "rows", "title"),
    [
        (4095, 10, 1 / 12, 3, "Sent (height stretched 34-fold)"),
        (10, 4095, 8.0, 1, "Sent (width stretched 51-fold)"),
        (640, 200, 200 / 640, 3, "Sent"),
        (600, 400, 400 / 600, 1, "Sent"),
    ],
)
def test_panels_of_long_pictures_can_be_seen(tmp_path, width, height, aspect, rows, title):
    pixels = torch.zeros(3, height, width, dtype=torch.uint8)
    figure = plots.comparison(pixels, pixels + 12, 26.5)
    drawn(figure, tmp_path)
    boxes = [axes.get_window_extent() for axes in figure.axes[:3]]
    assert [box.height / box.width for box in boxes] == pytest.approx([aspect] * 3, rel=0.02)
    assert min(min(box.height, box.width) for box in boxes) > 0.4 * 150  # inches at 150 dpi
    assert len({round(box.y0) for box in boxes}) == rows
    assert figure.axes[0].get_title(loc="left") == title
    (bar,) = figure.axes[2].child_axes
    label = (bar.xaxis if rows == 3 else bar.yaxis).label.get_window_extent()
    assert figure.bbox.x0 <= label.x0 and label.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= label.y0 and label.y1 <= figure.bbox.y1
