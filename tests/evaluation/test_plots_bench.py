"""The figure of a gain sweep: what is drawn is what was measured; gaps and saturation are shown."""

import math
import warnings

import numpy as np
import pytest

from sdrjscc.evaluation._style import save_figure
from sdrjscc.evaluation.plots_bench import gain_sweep
from sdrjscc.images.io import read_image
from sdrjscc.link.bench import GainPoint


def point(gain, snr_db, *, saturated=0, received=2, noise_dbfs=-50.0):
    level = None if snr_db is None else -30.0 + gain
    return GainPoint(
        rx_gain_db=gain,
        tx_gain_db=gain - 60.0,
        noise_dbfs=noise_dbfs,
        dc_dbfs=-80.0,
        busiest_db=0.2,
        level_dbfs=level,
        snr_db=snr_db,
        pilot_snr_db=snr_db,
        evm_db=None,
        saturated=saturated,
        clipped=0,
        overflows=0,
        underflows=0,
        late=0,
        packets_sent=2,
        packets_received=received,
        cfo_hz=(),
        sco_ppm=(),
        temperature_c=None,
    )


SWEEP = [
    point(0.0, None, received=0, noise_dbfs=-math.inf),
    point(10.0, 12.0),
    point(20.0, 20.0),
    point(30.0, 8.0, saturated=500),
]


def drawn(figure, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, folder / "figure.png")
    return read_image(folder / "figure.png")


def test_lines_are_the_measurements(tmp_path):
    figure = gain_sweep(SWEEP, SWEEP[2])
    above, below = figure.axes
    lines = {line.get_label(): line for axes in (above, below) for line in axes.lines}
    snr = lines["SNR, data-aided"]
    assert snr.get_xdata() == pytest.approx([0, 10, 20, 30])
    assert np.isnan(snr.get_ydata()[0])
    assert snr.get_ydata()[1:] == pytest.approx([12, 20, 8])
    assert lines["signal"].get_ydata()[1:] == pytest.approx([-20, -10, 0])
    assert np.isnan(lines["noise floor"].get_ydata()[0])
    assert lines["packets lost"].get_xdata() == [0.0]
    assert drawn(figure, tmp_path).width > 1000


def test_saturated_gains_are_shaded_and_the_chosen_one_is_marked():
    axes = gain_sweep(SWEEP, SWEEP[2]).axes[0]
    (shade,) = axes.patches
    box = shade.get_extents().transformed(axes.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((25.0, 31.0))
    chosen = next(line for line in axes.lines if line.get_label() == "chosen, 20 dB")
    assert list(chosen.get_xdata()) == [20.0, 20.0]


def test_a_transmit_sweep_is_over_the_transmit_gain(tmp_path):
    figure = gain_sweep(SWEEP, None, swept="tx_gain_db")
    assert figure.axes[1].get_xlabel() == "Transmit gain (dB)"
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([-60, -50, -40, -30])
    drawn(figure, tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_few_points_draw_without_complaint(tmp_path, count):
    drawn(gain_sweep(SWEEP[:count], None), tmp_path)
