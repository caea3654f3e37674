"""Figures of the signal: constellation, power spectrum, channel."""

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from sdrjscc.evaluation._style import (
    BAND,
    COLUMN_IN,
    CYCLE,
    DENSITY,
    GREY,
    HEIGHT_IN,
    VERMILLION,
    frequency_unit,
    legend_above,
    legend_below,
    new_figure,
    style,
)
from sdrjscc.evaluation.spectrum import power_density

_FEW_POINTS = 1024
_FLOOR_DB = -40.0


def constellation(symbols: Tensor, reference: Tensor | None, noise_var: Tensor | None) -> Figure:
    """Density of the equalised symbols, and of their errors where what was sent is known.

    Args:
        symbols: complex64 ``[n]``.
        reference: complex64 ``[n]``, as sent; a finite alphabet is marked by crosses.
        noise_var: float32 ``[n]``, the receiver's own estimate; lost symbols (infinite) are left out.
    """
    kept = torch.ones(symbols.shape, dtype=torch.bool) if noise_var is None else torch.isfinite(noise_var)
    with style():
        figure = new_figure(COLUMN_IN, HEIGHT_IN)
        if reference is None:
            _symbol_density(figure.add_subplot(), symbols[kept], None)
            return figure
        left, right = figure.subplots(1, 2)
        _symbol_density(left, symbols[kept], reference[kept])
        expected = None if noise_var is None else float(noise_var[kept].mean())
        _error_density(right, symbols[kept] - reference[kept], expected)
        legend_below(figure, 3)
    return figure


def power_spectrum(
    samples: Tensor, sample_rate_hz: float, occupied_bandwidth_hz: float, cfo_hz: float = 0.0
) -> Figure:
    """Power spectral density by Welch's method, with the occupied band shaded.

    Args:
        samples: complex64 ``[antennas, n]``, full scale 1.0.
        sample_rate_hz: rate of the samples.
        occupied_bandwidth_hz: width of the band around the carrier offset.
        cfo_hz: carrier of the transmitter minus that of the receiver.
    """
    divisor, unit = frequency_unit(sample_rate_hz / 2)
    half, centre = occupied_bandwidth_hz / 2 / divisor, cfo_hz / divisor
    with style():
        figure = new_figure(COLUMN_IN, HEIGHT_IN)
        axes = figure.add_subplot()
        axes.axvspan(centre - half, centre + half, color=BAND, lw=0, label=f"occupied, {2 * half:.4g} {unit}")
        for antenna, row in enumerate(samples):
            frequency, level = power_density(row, sample_rate_hz)
            label = f"antenna {antenna}" if len(samples) > 1 else "received"
            axes.plot(frequency / divisor, level, color=CYCLE[antenna % 4], lw=0.9, label=label)
        axes.set(
            xlabel=f"Frequency from the receiver's carrier ({unit})",
            ylabel="Power density (dBFS/Hz)",
            title="Spectrum",
        )
        axes.set_xlim(-sample_rate_hz / 2 / divisor, sample_rate_hz / 2 / divisor)
        axes.grid(axis="y")
        legend_above(axes, 3)
    return figure


def channel(
    frequency_response: Tensor, carriers_hz: Tensor, impulse_response: Tensor, tap_delays_s: Tensor
) -> Figure:
    """Magnitude over frequency, and taps over delay, of the channel that the receiver estimated.

    Args:
        frequency_response: complex64 ``[antennas, carriers]``.
        carriers_hz: float32 ``[carriers]``, ascending.
        impulse_response: complex64 ``[antennas, taps]``.
        tap_delays_s: float32 ``[taps]``, in seconds.
    """
    with style():
        figure = new_figure(COLUMN_IN, HEIGHT_IN)
        left, right = figure.subplots(1, 2)
        _magnitude(left, _level_db(frequency_response), carriers_hz.numpy())
        _taps(right, _level_db(impulse_response), tap_delays_s.numpy() * 1e6)
        if len(frequency_response) > 1:
            legend_below(figure, 4)
    return figure


def _symbol_density(axes: Axes, symbols: Tensor, reference: Tensor | None) -> None:
    values = _points(symbols)
    limit = 1.15 * float(np.quantile(np.abs(values), 0.995)) if values.size else 1.0
    if reference is not None:
        limit = max(limit, 1.1)
    _density(axes, values, limit)
    if reference is not None:
        alphabet = torch.unique(torch.view_as_real(reference).mul(1e4).round(), dim=0).div(1e4)
        if 0 < len(alphabet) <= min(_FEW_POINTS, len(reference) // 4):
            axes.plot(alphabet[:, 0], alphabet[:, 1], "+", ms=4.5, mew=0.9, color=VERMILLION, label="sent")
    axes.set(xlabel="In-phase", ylabel="Quadrature", title="Equalised symbols")


def _error_density(axes: Axes, error: Tensor, expected: float | None) -> None:
    """Error vectors, with circles of the measured and the receiver's own rms."""
    values = _points(error)
    measured = float(error.abs().square().mean().sqrt()) if error.numel() else math.nan
    limit = 1.25 * float(np.quantile(np.abs(values), 0.998)) if values.any() else 1.0
    _density(axes, values, limit)
    angle = np.linspace(0, 2 * np.pi, 181)
    circles = [(measured, "-", VERMILLION, "error rms, measured")]
    if expected is not None:
        circles.append((math.sqrt(expected), ":", "black", "error rms, receiver's estimate"))
    for radius, line, colour, label in circles:
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), line, color=colour, lw=1.3, label=label)
    axes.set(xlabel="In-phase", title="Error")


def _density(axes: Axes, values: NDArray[np.float32], limit: float) -> None:
    """Two-dimensional histogram on a logarithmic colour scale; empty cells stay white."""
    bins = int(min(110, max(24, 0.75 * math.sqrt(len(values)))))
    reach = ((-limit, limit), (-limit, limit))
    counts, edges, _ = np.histogram2d(values[:, 0], values[:, 1], bins=bins, range=reach)
    cells = np.where(counts > 0, counts, np.nan).T
    axes.axhline(0, color=GREY, lw=0.4, zorder=0)
    axes.axvline(0, color=GREY, lw=0.4, zorder=0)
    norm = LogNorm(1, max(2.0, counts.max()))
    axes.pcolormesh(edges, edges, cells, cmap=DENSITY, norm=norm, rasterized=True)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), box_aspect=1)


def _magnitude(axes: Axes, level_db: NDArray[np.float32], carriers_hz: NDArray[np.float32]) -> None:
    divisor, unit = frequency_unit(float(np.abs(carriers_hz).max()))
    for antenna, row in enumerate(level_db):
        axes.plot(carriers_hz / divisor, row, color=CYCLE[antenna % 4])
    middle, reach = float(np.median(level_db)), max(6.0, 1.1 * float(np.ptp(level_db)) / 2 + 1)
    low, high = min(middle - reach, float(level_db.min()) - 1), max(middle + reach, float(level_db.max()) + 1)
    axes.set(xlabel=f"Frequency ({unit})", ylabel="Magnitude (dB)", title="Channel", ylim=(low, high))
    axes.margins(x=0)
    axes.grid(axis="y")


def _taps(axes: Axes, level_db: NDArray[np.float32], delay_us: NDArray[np.float32]) -> None:
    relative = np.maximum(level_db - level_db.max(), _FLOOR_DB)
    for antenna, row in enumerate(relative):
        shift = 0.12 * antenna * (delay_us[1] - delay_us[0] if delay_us.size > 1 else 0.0)
        axes.vlines(delay_us + shift, _FLOOR_DB, row, color=CYCLE[antenna % 4], lw=1.0)
        shown = row > _FLOOR_DB
        axes.plot(
            delay_us[shown] + shift,
            row[shown],
            "o",
            ms=3,
            color=CYCLE[antenna % 4],
            label=f"antenna {antenna}",
        )
    axes.set(xlabel="Delay (µs)", ylabel="Relative power (dB)", title="Impulse response", ylim=(_FLOOR_DB, 3))
    axes.grid(axis="y")


def _level_db(response: Tensor) -> NDArray[np.float32]:
    """``[antennas, n]`` in dB; what is no number counts as nothing received."""
    magnitude = torch.nan_to_num(response.abs(), nan=0.0, posinf=0.0).clamp(min=1e-9)
    level: NDArray[np.float32] = (20.0 * torch.log10(magnitude)).numpy()
    return level


def _points(symbols: Tensor) -> NDArray[np.float32]:
    """Complex ``[n]`` as real ``[n, 2]``, not-a-numbers dropped."""
    values = torch.view_as_real(symbols.resolve_conj())
    points: NDArray[np.float32] = values[torch.isfinite(values).all(dim=-1)].numpy()
    return points
