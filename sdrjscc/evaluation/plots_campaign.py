"""Figures of a campaign: quality against SNR, what was lost, gains a picture, rate, cost, pictures."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from torch import Tensor

from sdrjscc.evaluation._style import (
    BLUE,
    COLUMN_IN,
    GREEN,
    GREY,
    HEIGHT_IN,
    ORANGE,
    PAGE_IN,
    PURPLE,
    SKY,
    VERMILLION,
    legend_below,
    new_figure,
    plain,
    style,
)
from sdrjscc.evaluation.summary import Curve
from sdrjscc.images.io import to_pillow

LABELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS (lower is better)"}
SNR_LABEL = "SNR per complex symbol (dB)"
RECEIVED_LABEL = "SNR per complex symbol, as received (dB)"
_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", ":")
_LONGEST = 40
_WITHIN = 90  # per cent of the gains lie inside the axis


def quality(curves: Sequence[Curve], metric: str, title: str) -> Figure:
    """Mean of a metric against SNR with the bands of its confidence intervals."""
    with style():
        figure = new_figure(PAGE_IN, 1.3 * HEIGHT_IN)
        axes = figure.add_subplot()
        for curve, look in zip(curves, _looks_of(curves), strict=True):
            found = drawn(curve, curve.intervals(metric))
            if not found:
                continue
            x = [position(curve, snr) for snr in found]
            axes.plot(x, [one.mean for one in found.values()], label=plain(curve.codec, _LONGEST), **look)
            low = [one.mean if one.low is None else one.low for one in found.values()]
            high = [one.mean if one.high is None else one.high for one in found.values()]
            if not curve.as_received:
                axes.fill_between(x, low, high, color=look["color"], alpha=0.12, lw=0)
        _finish(figure, axes, LABELS[metric], title)
        axes.set_xlabel(_snr_label(curves))
    return figure


def undecodable(curves: Sequence[Curve], title: str) -> Figure:
    """Share of the pictures that could not be decoded, against SNR."""
    with style():
        figure = new_figure(PAGE_IN, HEIGHT_IN)
        axes = figure.add_subplot()
        for curve, look in zip(curves, _looks_of(curves), strict=True):
            shares = drawn(curve, curve.undecodable())
            x = [position(curve, snr) for snr in shares]
            axes.plot(x, [100.0 * one for one in shares.values()], label=plain(curve.codec, _LONGEST), **look)
        axes.set_ylim(-3.0, 103.0)
        _finish(figure, axes, "Not decodable (%)", title)
        axes.set_xlabel(_snr_label(curves))
    return figure


def gain_histograms(
    gains: Mapping[str, Sequence[float]], reference: str, codecs: Sequence[str], title: str
) -> Figure:
    """Distribution over the images of each codec's gain in PSNR over the reference.

    The outermost bars hold what lies beyond: a picture that was lost would squeeze all others.

    Args:
        gains: dB, by codec; none of them empty.
        reference: the codec that is compared with.
        codecs: all of the setting, in the order that decides their colours in its other figures.
        title: of the figure.
    """
    edges = _edges(np.concatenate([np.asarray(one, dtype=np.float64) for one in gains.values()]))
    looks = dict(zip(codecs, _looks(len(codecs)), strict=True))
    with style():
        figure = new_figure(PAGE_IN, 0.7 + 0.85 * len(gains))
        rows = figure.subplots(len(gains), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (codec, values) in zip(rows, gains.items(), strict=True):
            axes.hist(
                np.clip(values, edges[0], edges[-1]), bins=edges, color=looks[codec]["color"], alpha=0.85
            )
            axes.axvline(0.0, color=GREY, lw=0.8)
            axes.set_title(plain(codec, _LONGEST), fontsize=8.0, fontweight="normal")
            axes.set_ylabel("images")
        rows[-1].set_xlabel(f"Gain in PSNR over {plain(reference, _LONGEST)} (dB)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.0, fontweight="bold")
    return figure


def _edges(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of some 40 bins that hold most gains and 0, which is the middle of one of them."""
    low, high = np.percentile(gains, [(100 - _WITHIN) / 2, (100 + _WITHIN) / 2])
    low, high = min(low, -1.0), max(high, 1.0)
    width = (high - low) / 40
    first, last = math.floor(low / width), math.ceil(high / width)
    return np.asarray([(place - 0.5) * width for place in range(first, last + 2)], dtype=np.float64)


def rate_distortion(points: Mapping[str, Sequence[tuple[float, float]]], rate: str, title: str) -> Figure:
    """PSNR against bandwidth ratio.

    Args:
        points: ratio and mean PSNR in dB of each codec, by the line that joins them.
        rate: label of the ratio.
        title: of the figure.
    """
    return _scatter(points, rate, title, joined=True)


def cost(points: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """PSNR against multiply-accumulates a pixel, of codecs that have a network."""
    figure = _scatter({codec: [point] for codec, point in points.items()}, "MACs a pixel", title)
    with style():
        axes = figure.axes[0]
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
        macs = [x for x, _ in points.values()]
        axes.set_xlim(min(macs) / 1.6, max(macs) * 1.6)
        axes.margins(y=0.15)
    return figure


def _thousands(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def picture_grid(rows: Mapping[str, Sequence[tuple[str, Tensor]]], title: str) -> Figure:
    """Received pictures: a row a codec, a column an SNR, each with its caption.

    Args:
        rows: by codec, caption and uint8 ``[3, H, W]``; as many in every row.
        title: of the figure.
    """
    columns = max(len(cells) for cells in rows.values())
    pixels = next(iter(rows.values()))[0][1]
    side = PAGE_IN / columns
    with style():
        figure = new_figure(PAGE_IN, 0.35 + len(rows) * (side * pixels.shape[-2] / pixels.shape[-1] + 0.22))
        panels = figure.subplots(len(rows), columns, squeeze=False)
        for line, (codec, cells) in zip(panels, rows.items(), strict=True):
            for axes, (caption, picture) in zip(line, cells, strict=True):
                axes.imshow(np.asarray(to_pillow(picture)))
                axes.set_title(caption, fontsize=7.0, fontweight="normal")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            line[0].set_ylabel(plain(codec), fontsize=7.0)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.0, fontweight="bold")
    return figure


def position(curve: Curve, snr_db: float | None) -> float:
    """Where on the SNR axis: as set, else the mean of what was measured, else 0."""
    return snr_db if snr_db is not None else curve.mean("snr_db_measured") or 0.0


def drawn(curve: Curve, found: Mapping[float | None, Any]) -> dict[float | None, Any]:
    """What of a curve has a place on the SNR axis: a recording in which nothing was heard has none."""
    return {snr: one for snr, one in found.items() if snr is not None or len(curve.rows) == 1}


def _snr_label(curves: Sequence[Curve]) -> str:
    return RECEIVED_LABEL if all(curve.as_received for curve in curves) else SNR_LABEL


def _scatter(
    points: Mapping[str, Sequence[tuple[float, float]]], label: str, title: str, *, joined: bool = False
) -> Figure:
    with style():
        figure = new_figure(COLUMN_IN, 1.2 * HEIGHT_IN)
        axes = figure.add_subplot()
        for (codec, pairs), look in zip(points.items(), _looks(len(points)), strict=True):
            x, y = zip(*sorted(pairs), strict=True)
            axes.plot(x, y, label=plain(codec, _LONGEST), **(look if joined else look | {"ls": "none"}))
        _finish(figure, axes, LABELS["psnr_db"], title)
        axes.set_xlabel(label)
    return figure


def _looks(count: int) -> list[dict[str, Any]]:
    """Colour, marker and line of each curve; the line changes when all colours are used."""
    styles = [
        (colour, _MARKS[(place + 3 * turn) % len(_MARKS)], line)  # no colour has one mark twice
        for turn, line in enumerate(_LINES)
        for place, colour in enumerate(_COLOURS)
    ]
    return [
        {"color": colour, "marker": mark, "ls": line, "ms": 4.0}
        for colour, mark, line in islice(cycle(styles), count)
    ]


def _looks_of(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """As :func:`_looks`; points that are several recordings are not joined, as their channels differ."""
    return [
        look | {"ls": "none"} if curve.as_received else look
        for curve, look in zip(curves, _looks(len(curves)), strict=True)
    ]


def _finish(figure: Figure, axes: Axes, label: str, title: str) -> None:
    axes.set(xlabel=SNR_LABEL, ylabel=label, title=plain(title, 90))
    axes.grid()
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    legend_below(figure, 3)
