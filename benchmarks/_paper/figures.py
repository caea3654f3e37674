"""Figures of the page, drawn from its tables."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from PIL import Image

from _paper.numbers import Numbers
from sdrjscc.evaluation._style import (
    BLUE,
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
    style,
)
from sdrjscc.files import write_atomic

_LABELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS (lower is better)"}
_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_WIDEST_PX, _MOST_BYTES = 1000, 200_000
_PALETTE = 128


@dataclass(frozen=True)
class Panel:
    """One panel: a metric of some codecs over SNR.

    Attributes:
        campaign, metric, setting: where the curves are from.
        title: above the panel.
        codecs: in the order of their colours.
        named: what the legend calls them, where that is not their label.
    """

    campaign: str
    metric: str
    title: str
    codecs: Sequence[str]
    setting: str = ""
    named: Sequence[str] = ()


_SHARE = ("deep-jscc", "20", "40", "60-E1D1", "60-E2D2", "80", "100")
_PLACE = ("deep-jscc", "60-E1D1", "60-E2D1", "60-E2D2", "60-E2D3", "60-E1D2", "60-E3D2")
_GAMMA = ("gamma 0", "gamma 0.2", "gamma 0.5", "gamma 0.7", "gamma 0.9", "reduced")
_ORDERS = ("analog", "4-QAM", "16-QAM", "64-QAM", "256-QAM")
_SEPARATION = (
    "gamma 0.7",
    "4QAM 3/4, k/n 0.2",
    "64QAM 3/4, k/n 0.2",
    "256QAM 3/4, k/n 0.2",
    "gamma 0",
    "64QAM 3/4, k/n 2/3",
)

_UJSCC = ("ujscc", "ujscc without S-BN", "separation, adaptive")


def _ways(way: str) -> tuple[str, ...]:
    return tuple(one if one == "analog" else f"{one}, {way}" for one in _ORDERS)


FIGURES: dict[str, tuple[Panel, ...]] = {
    "dsc-share": (
        Panel("paper-dsc", "psnr_db", "By share of layers replaced", _SHARE),
        Panel("paper-dsc-lpips", "lpips", "", _SHARE),
    ),
    "dsc-place": (
        Panel("paper-dsc", "psnr_db", "By place, 60 % replaced", _PLACE),
        Panel("paper-dsc-lpips", "lpips", "", _PLACE),
    ),
    "ren-gamma": (
        Panel("paper-ren-gamma", "psnr_db", "Kodak, slow Rayleigh", _GAMMA),
        Panel("paper-ren-gamma", "ssim", "", _GAMMA),
    ),
    "ren-orders": (
        Panel("paper-ren-orders", "psnr_db", "The paper's receiver", _ways("paper"), "", _ORDERS),
        Panel("paper-ren-orders", "psnr_db", "Our dequantiser", _ways("posterior"), "", _ORDERS),
    ),
    "ren-separation": (
        Panel("paper-ren-separation", "psnr_db", "Slow Rayleigh", _SEPARATION, "slow Rayleigh"),
        Panel("paper-ren-separation", "psnr_db", "White noise", _SEPARATION, "white noise"),
    ),
    "ujscc": (
        Panel("paper-ujscc", "psnr_db", "CIFAR-10, white noise", _UJSCC),
        Panel("paper-ujscc", "ssim", "", _UJSCC),
    ),
}
"""Panels of each figure, side by side, with one legend."""


def draw(numbers: Numbers, target: Path) -> None:
    """Write ``NAME.png`` of every figure whose campaigns have results."""
    for name, panels in FIGURES.items():
        if all(numbers.has(panel.campaign) for panel in panels):
            _draw(numbers, panels, target / f"{name}.png")


def _draw(numbers: Numbers, panels: Sequence[Panel], path: Path) -> None:
    with style():
        figure = new_figure(PAGE_IN, 1.2 * HEIGHT_IN)
        alike = len({panel.metric for panel in panels}) == 1
        for axes, panel in zip(figure.subplots(1, len(panels), sharey=alike), panels, strict=True):
            _panel(axes, numbers, panel, labelled=panel is panels[0])
        legend_below(figure, 4)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=130)
    keep_small(picture, path)


def _panel(axes: Axes, numbers: Numbers, panel: Panel, *, labelled: bool) -> None:
    for number, codec in enumerate(panel.codecs):
        curve = numbers.curve(panel.campaign, codec, panel.metric, panel.setting)
        look: dict[str, Any] = {"color": _COLOURS[number], "marker": _MARKS[number], "ms": 3.5}
        name = (panel.named or panel.codecs)[number]
        axes.plot(list(curve), list(curve.values()), label=name if labelled else None, **look)
    axes.set(xlabel="SNR per complex symbol (dB)", ylabel=_LABELS[panel.metric], title=panel.title)
    axes.grid()


def keep_small(source: io.BytesIO | Path, path: Path) -> None:
    """Write a picture as a PNG of few colours, at most a page wide, smaller until it is a small file."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    width, written = min(picture.width, _WIDEST_PX), b""
    while not written or len(written) > _MOST_BYTES:
        written = _png(picture, width)
        width = round(0.9 * width)
    write_atomic(path, partial(_write_bytes, written))


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _png(picture: Image.Image, width: int) -> bytes:
    size = width, round(picture.height * width / picture.width)
    small = picture.resize(size, Image.Resampling.LANCZOS) if width < picture.width else picture
    written = io.BytesIO()
    palette = small.quantize(_PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(written, format="PNG", optimize=True)
    return written.getvalue()
