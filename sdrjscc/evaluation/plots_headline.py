"""A campaign's headline: one setting's PSNR against SNR, its labels at the curves' ends."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sdrjscc.evaluation._style import BLUE, GREEN, GREY, PURPLE, VERMILLION, new_figure, plain, style
from sdrjscc.evaluation.plots_campaign import LABELS, RECEIVED_LABEL, SNR_LABEL, position
from sdrjscc.evaluation.summary import Curve

_WIDTH_IN, _HEIGHT_IN = 8.0, 4.7
_AXES = (0.07, 0.17, 0.665, 0.73)
_INK = (BLUE, VERMILLION, GREEN, PURPLE, "#7a5c00", "#00555c", "#333333")  # dark enough for text on white
_APART = 0.062  # of the axes' height, from label to label
_LONGEST = 34
_METRIC = "psnr_db"


def headline(curves: Mapping[str, Curve], title: str, note: str) -> Figure:
    """Draw it; a bound is dashed and grey, a scheme that is kept thin, all else thick.

    Args:
        curves: by the text that stands at each.
        title, note: over it, and under it in small print.
    """
    with style():
        figure = new_figure(_WIDTH_IN, _HEIGHT_IN)
        figure.set_layout_engine("none")  # the labels' room is given by hand
        axes = figure.add_axes(_AXES)
        ends = [_draw(axes, curve, look) for curve, look in zip(curves.values(), _looks(curves), strict=True)]
        axes.grid()
        axes.tick_params(labelsize=9.5)
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
        received = next(iter(curves.values())).as_received
        axes.set_xlabel(RECEIVED_LABEL if received else SNR_LABEL, fontsize=10.5)
        axes.set_ylabel(LABELS[_METRIC], fontsize=10.5)
        _label(axes, list(curves), ends, [look["color"] for look in _looks(curves)])
        figure.text(0.012, 0.955, title, fontsize=13.0, fontweight="bold", va="center")
        figure.text(0.012, 0.028, note, fontsize=8.0, color=GREY, va="center")
    return figure


def _looks(curves: Mapping[str, Curve]) -> list[dict[str, Any]]:
    """Line and colour of each curve."""
    inks, looks = iter(_INK * len(curves)), []
    for curve in curves.values():
        mode = str(next(iter(curve.rows.values()))[0]["mode"])
        if mode == "capacity":
            looks.append({"color": GREY, "ls": "--", "lw": 1.5})
        elif mode.isdigit():
            looks.append({"color": next(inks), "ls": "-", "lw": 1.1, "marker": ".", "ms": 5.0})
        else:
            looks.append({"color": next(inks), "ls": "-", "lw": 2.2, "marker": "o", "ms": 4.5})
    return looks


def _draw(axes: Axes, curve: Curve, look: Mapping[str, Any]) -> tuple[float, float]:
    """One curve with its band; returns where it ends."""
    found = curve.intervals(_METRIC)
    x = [position(curve, snr) for snr in found]
    means = [one.mean for one in found.values()]
    low = [one.mean if one.low is None else one.low for one in found.values()]
    high = [one.mean if one.high is None else one.high for one in found.values()]
    axes.fill_between(x, low, high, color=look["color"], alpha=0.09, lw=0)
    axes.plot(x, means, clip_on=False, **look)
    return x[-1], means[-1]


def _label(
    axes: Axes, texts: Sequence[str], ends: Sequence[tuple[float, float]], colours: Sequence[str]
) -> None:
    """Write each text at the right of its curve's end, apart from the others, with a line to it."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    axes.set_xlim(axes.get_xlim()[0], max(x for x, _ in ends))
    heights = spread([(y - low) / (high - low) for _, y in ends], _APART)
    to_axes = axes.transData + axes.transAxes.inverted()
    for text, end, height, colour in zip(texts, ends, heights, colours, strict=True):
        x, y = to_axes.transform(end)
        axes.plot([x, 1.03], [y, height], transform=axes.transAxes, color=colour, lw=0.6, clip_on=False)
        axes.text(
            1.04,
            height,
            plain(text, _LONGEST),
            transform=axes.transAxes,
            color=colour,
            fontsize=9.2,
            fontweight="bold",
            va="center",
        )


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Places moved as little as need be to lie ``apart`` from each other, in the same order.

    Least squares under the constraint: the pool-adjacent-violators algorithm on the places less their
    rank's distance.
    """
    order = np.argsort(places, kind="stable")
    offsets = apart * np.arange(len(places))
    wanted: NDArray[np.float64] = np.asarray(places, dtype=np.float64)[order] - offsets
    blocks: list[list[float]] = []  # sum and count of each pool
    for value in wanted:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    moved = (
        np.repeat([total / count for total, count in blocks], [int(count) for _, count in blocks]) + offsets
    )
    found = np.empty(len(places))
    found[order] = moved
    return [float(one) for one in found]
