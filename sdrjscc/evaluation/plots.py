"""Figures of a run: pictures side by side, packets over time, loss against the channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sdrjscc.evaluation._style import (
    BLUE,
    COLUMN_IN,
    ERRORS,
    GREY,
    HEIGHT_IN,
    LIGHT,
    ORANGE,
    PAGE_IN,
    VERMILLION,
    legend_above,
    new_figure,
    plain,
    style,
)
from sdrjscc.evaluation.results import PacketRecord, Transmission
from sdrjscc.images.io import to_pillow

ERROR_LEVELS = 32
"""Mean absolute error, in levels of 255, at which the error picture's colour scale ends."""

_MOST_ROWS = 40
_DRAWN_SIDE = 700
_WIDE, _TALLEST_ROW_IN = 0.5, 1.5


def comparison(sent: Tensor, received: Tensor | None, psnr_db: float | None) -> Figure:
    """Sent, received and error side by side; one below the other where they are wide.

    Panels are at most 12 times as wide, or 8 times as high, as they are high or wide: a longer
    picture is stretched across, and its title says by how much.

    Args:
        sent: uint8 ``[3, H, W]``.
        received: uint8 ``[3, H, W]``, or ``None`` if nothing was decoded.
        psnr_db: printed over the received picture.
    """
    layout = _layout(sent.shape[-1], sent.shape[-2])
    with style():
        figure = new_figure(PAGE_IN, layout.height_in)
        axes = figure.subplots(*((3, 1) if layout.below else (1, 3)))
        _picture(axes[0], sent, f"Sent{layout.note}", layout)
        if received is None:
            for empty in axes[1:]:
                _no_picture(empty, layout)
            return figure
        level = "" if psnr_db is None else f", {psnr_db:.2f} dB"
        _picture(axes[1], received, f"Received{level}", layout)
        _picture(axes[2], None, "Error", layout)
        levels = Image.fromarray(error_levels(sent, received).numpy())
        shown = axes[2].imshow(_reduced(levels), cmap=ERRORS, vmin=0, vmax=ERROR_LEVELS, aspect="auto")
        _error_bar(figure, axes[2], shown, layout)
    return figure


@dataclass(frozen=True)
class _Layout:
    """How :func:`comparison` places its panels, all of ``aspect``, height over width.

    Attributes:
        below: one below the other.
        panel_in: height of a panel, about.
        height_in: of the figure.
        note: how far the picture is stretched; empty if it is not.
    """

    aspect: float
    below: bool
    panel_in: float
    height_in: float
    note: str


def _layout(width: int, height: int) -> _Layout:
    own = height / width
    aspect = min(8.0, max(1 / 12, own))
    note = ""
    if own < aspect:
        note = f" (height stretched {aspect / own:.0f}-fold)"
    elif own > aspect:
        note = f" (width stretched {own / aspect:.0f}-fold)"
    if own < _WIDE:
        panel_in = min(_TALLEST_ROW_IN, (PAGE_IN - 0.2) * aspect)
        return _Layout(aspect, True, panel_in, 3 * (panel_in + 0.3) + 0.45, note)
    panel_in = PAGE_IN / 3.2 * min(2.0, aspect)
    return _Layout(aspect, False, panel_in, panel_in + 0.35, note)


def _error_bar(figure: Figure, axes: Axes, shown: AxesImage, layout: _Layout) -> None:
    """The scale of the error panel, of one thickness whatever the panel's size."""
    height, width = 0.08 / layout.panel_in, 0.08 * layout.aspect / layout.panel_in
    place = (0.5, -1.8 * height, 0.5, height) if layout.below else (1 + 0.8 * width, 0.0, width, 1.0)
    bar = figure.colorbar(
        shown,
        cax=axes.inset_axes(place),
        orientation="horizontal" if layout.below else "vertical",
        extend="max",
        extendfrac=0.04,
    )
    bar.set_label("Absolute error (of 255)", fontsize=7.0)
    bar.ax.tick_params(labelsize=7.0, width=0.5)
    bar.outline.set_linewidth(0.5)  # type: ignore[operator]


def error_levels(sent: Tensor, received: Tensor) -> Tensor:
    """Absolute error averaged over the colours: float32 ``[H, W]`` in levels of 255."""
    difference = (sent.to(torch.int16) - received.to(torch.int16)).abs_()
    return difference.sum(dim=0, dtype=torch.int16).to(torch.float32).div_(len(sent))


def packet_series(packets: Sequence[PacketRecord], packets_sent: int | None) -> Figure:
    """SNR and carrier offset of each packet; what was lost is marked.

    Args:
        packets: those that arrived.
        packets_sent: how many there were; indices that are missing are drawn as lost.
    """
    index = np.array([packet.index for packet in packets])
    total = max(packets_sent or 0, int(index.max(initial=-1)) + 1, 1)
    lost = sorted(set(range(total)) - set(index.tolist())) if packets_sent is not None else []
    with style():
        figure = new_figure(COLUMN_IN, HEIGHT_IN)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        size = 4.5 if total <= 60 else 2.2
        pilot, aided, cfo = (_column(packets, name) for name in ("pilot_snr_db", "snr_db", "cfo_hz"))
        if np.isfinite(pilot).any():
            upper.plot(index, pilot, "s", ms=size, mfc="none", mec=ORANGE, mew=1.0, label="pilots")
        if np.isfinite(aided).any():
            upper.plot(index, aided, "o", ms=size, color=BLUE, mec="none", label="data-aided")
        lower.plot(index, cfo, "o", ms=size, color=BLUE, mec="none")
        for axes in (upper, lower):
            axes.vlines(lost, 0, 1, transform=axes.get_xaxis_transform(), color=LIGHT, lw=2.5, zorder=0)
            axes.grid(axis="y")
            axes.margins(y=0.12)
            _open_range(axes)
        if lost:
            upper.plot([], [], "-", color=LIGHT, lw=4, label=f"lost ({len(lost)} of {total})")
        upper.set(ylabel="SNR (dB)", title="Packets")
        lower.set(ylabel="CFO (Hz)", xlabel="Packet", xlim=(-0.6, total - 0.4))
        lower.ticklabel_format(axis="y", style="plain", useOffset=False)
        lower.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
        if upper.get_legend_handles_labels()[0]:
            legend_above(upper, 3)
    return figure


def link_loss(transmissions: Sequence[Transmission]) -> Figure | None:
    """What each picture's symbols had left of the SNR that the channel was set to.

    Returns:
        The figure, of the first 40 pictures that have both numbers; ``None`` if none has.
    """
    rows = [entry.row() for entry in transmissions]
    rows = [row for row in rows if row["channel_snr_db"] is not None and row["snr_db"] is not None][
        :_MOST_ROWS
    ]
    if not rows:
        return None
    ideal = np.array([row["channel_snr_db"] for row in rows], dtype=np.float64)
    delivered = np.array([row["snr_db"] for row in rows], dtype=np.float64)
    place = np.arange(len(rows))
    with style():
        figure = new_figure(PAGE_IN, 0.9 + 0.24 * len(rows))
        axes = figure.add_subplot()
        axes.hlines(place, delivered, ideal, color=LIGHT, lw=2.0, zorder=1)
        axes.plot(ideal, place, "D", ms=5, mfc="white", mec=VERMILLION, mew=1.1, label="channel, as set")
        axes.plot(delivered, place, "o", ms=5, color=BLUE, mec="none", label="delivered, data-aided")
        for line, loss in enumerate(delivered - ideal):
            axes.annotate(
                f"{loss:+.2f} dB".replace("-", "−"),
                (1.01, line),
                xycoords=("axes fraction", "data"),
                va="center",
                color=GREY,
                fontsize=8.0,
            )
        axes.set_yticks(place, [plain(row["image"]) for row in rows])
        axes.set(
            xlabel="SNR per complex symbol (dB)", title="Delivered against set", ylim=(len(rows) - 0.4, -0.6)
        )
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        _open_range_x(axes, np.concatenate([ideal, delivered]))
        legend_above(axes, 2)
    return figure


def _picture(axes: Axes, pixels: Tensor | None, title: str, layout: _Layout) -> None:
    if pixels is not None:
        axes.imshow(_reduced(to_pillow(pixels)), aspect="auto")
    axes.set(xticks=[], yticks=[], title=title)
    axes.set_box_aspect(layout.aspect)
    axes.spines[:].set_visible(False)


def _reduced(image: Image.Image) -> NDArray[Any]:
    """Averaged down to little more than the figure resolves: large pictures take memory twice."""
    width, height = (max(1, side // _DRAWN_SIDE) for side in image.size)
    return np.asarray(image.reduce((width, height)))


def _no_picture(axes: Axes, layout: _Layout) -> None:
    _picture(axes, None, "", layout)
    axes.text(0.5, 0.5, "not decodable", ha="center", va="center", color=GREY, transform=axes.transAxes)


def _column(packets: Sequence[PacketRecord], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One measurement of every packet; not-a-number where it is missing."""
    values = [getattr(packet, name) for packet in packets]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _open_range(axes: Axes) -> None:
    """Widen a nearly constant axis, so that rounding noise does not look like a signal."""
    low, high = axes.get_ylim()
    if high - low < 4.0:
        middle = (low + high) / 2
        axes.set_ylim(middle - 2.0, middle + 2.0)


def _open_range_x(axes: Axes, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    low, high = float(values.min()), float(values.max())
    margin = max(0.5, 0.06 * (high - low))
    axes.set_xlim(low - margin, high + margin)
