"""One look for all figures: sizes of a paper's column, colour-blind safe colours, no chartjunk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from sdrjscc.files import write_atomic

# Okabe and Ito, "Color universal design", 2008
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE)
GREY, LIGHT, BAND = "#6b6b6b", "#d9d9d9", "#dbeaf4"
ERRORS = "cividis"
# one hue from light to dark: reads the same in grey and to any eye
DENSITY = LinearSegmentedColormap.from_list("density", ["#cfe4f2", "#6fb1da", BLUE, "#003a5c", "#001a2a"])

COLUMN_IN, PAGE_IN, HEIGHT_IN = 5.2, 7.2, 3.1
_DPI = 150
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#404040",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.1,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "figure.facecolor": "white",
    "text.parse_math": False,  # labels are file names: a dollar sign is a dollar sign
}


@contextmanager
def style() -> Iterator[None]:
    """The house style while a figure is built; matplotlib's settings are restored after."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that belongs to no window and no global list."""
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG atomically.

    Raises:
        OSError: from the file system.
    """
    with style():
        write_atomic(path, lambda part: figure.savefig(part, format="png", dpi=_DPI))


def legend_above(axes: Axes, columns: int) -> None:
    """Put the legend over the axes, at the right of the title, where it covers no data."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.2
    )


def legend_below(figure: Figure, columns: int) -> None:
    """One legend for all axes under the figure, each label once."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def plain(text: str, longest: int = 28) -> str:
    """A file name as a label: shortened, nothing that the font or a terminal could not print."""
    text = "".join(letter if letter.isprintable() and ord(letter) < 0x2000 else "?" for letter in text)
    if len(text) > longest:
        text = f"{text[: longest - 9]}…{text[-8:]}"
    return text


def frequency_unit(span_hz: float) -> tuple[float, str]:
    """Divisor and unit in which a span of frequencies reads well."""
    for divisor, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")):
        if span_hz >= divisor:
            return divisor, unit
    return 1.0, "Hz"
