"""Figures of a calibration: what the receiver does at each of its gains."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sdrjscc.evaluation._style import (
    BLUE,
    GREEN,
    GREY,
    PAGE_IN,
    VERMILLION,
    legend_above,
    new_figure,
    style,
)
from sdrjscc.link.bench import GainPoint

_HEIGHT_IN = 5.0
_SATURATED = "#f6dfd3"
_WAYS = {"rx_gain_db": "Receive gain (dB)", "tx_gain_db": "Transmit gain (dB)"}


def gain_sweep(
    points: Sequence[GainPoint],
    chosen: GainPoint | None,
    *,
    swept: Literal["rx_gain_db", "tx_gain_db"] = "rx_gain_db",
) -> Figure:
    """SNR above, levels below, against a gain; saturated gains shaded, the chosen one marked.

    Args:
        points: ascending in the gain that was swept.
        chosen: one of them, or ``None``.
        swept: which gain.
    """
    gains = np.array([getattr(one, swept) for one in points], dtype=float)
    with style():
        figure = new_figure(PAGE_IN, _HEIGHT_IN)
        above, below = figure.subplots(2, 1, sharex=True)
        for axes in (above, below):
            _mark(axes, points, gains, None if chosen is None else getattr(chosen, swept))
            axes.grid(axis="y")
        _line(above, gains, _values(points, "snr_db"), "SNR, data-aided", BLUE, "o")
        _line(above, gains, _values(points, "pilot_snr_db"), "SNR by pilots", GREY, "x")
        _lost(above, points, gains)
        _line(below, gains, _values(points, "level_dbfs"), "signal", BLUE, "o")
        _line(below, gains, _values(points, "noise_dbfs"), "noise floor", GREEN, "s")
        below.axhline(0.0, color=GREY, lw=0.7, ls=":")
        above.set(ylabel="SNR (dB)", title="Quality")
        below.set(ylabel="Power (dBFS)", xlabel=_WAYS[swept], title="Levels")
        legend_above(above, 5)
        legend_above(below, 5)
    return figure


def _values(points: Sequence[GainPoint], name: str) -> NDArray[np.float64]:
    """Of every point; NaN, which draws nothing, where there is none or it is infinite."""
    found = np.array([getattr(one, name) for one in points], dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def _line(
    axes: Axes, gains: NDArray[np.float64], values: NDArray[np.float64], label: str, colour: str, marker: str
) -> None:
    axes.plot(gains, values, marker=marker, ms=3.5, color=colour, label=label)


def _mark(axes: Axes, points: Sequence[GainPoint], gains: NDArray[np.float64], chosen: float | None) -> None:
    """Shade around each saturated gain, half way to its neighbours."""
    edges = np.concatenate([gains[:1] - 1, (gains[1:] + gains[:-1]) / 2, gains[-1:] + 1])
    label = "saturated"
    for index, point in enumerate(points):
        if point.saturated:
            axes.axvspan(edges[index], edges[index + 1], color=_SATURATED, lw=0, label=label)
            label = "_again"
    if gains.size:
        axes.set_xlim(edges[0], edges[-1])
    if chosen is not None:
        axes.axvline(chosen, color=VERMILLION, lw=1.0, ls="--", label=f"chosen, {chosen:g} dB")


def _lost(axes: Axes, points: Sequence[GainPoint], gains: NDArray[np.float64]) -> None:
    """A cross at the bottom where packets did not arrive."""
    short = [gain for gain, one in zip(gains, points, strict=True) if one.packets_received < one.packets_sent]
    if short:
        foot = axes.get_xaxis_transform()
        axes.plot(
            short,
            [0.04] * len(short),
            "x",
            ms=5,
            mew=1.3,
            color=VERMILLION,
            transform=foot,
            label="packets lost",
        )
