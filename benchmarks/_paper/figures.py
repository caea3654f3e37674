"""Figures of the page, drawn from its tables."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from _paper.numbers import Numbers
from _paper.ujscc import NAMES, inner_norms, load
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

_LABELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS (lower is better)"}
_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY, "black")
_MARKS = ("o", "s", "^", "D", "v", "P", "X", ".")
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
        beside: campaign and codec of one more curve, measured on the same pictures.
    """

    campaign: str
    metric: str
    title: str
    codecs: Sequence[str]
    setting: str = ""
    named: Sequence[str] = ()
    beside: tuple[str, str] | None = None

    @property
    def curves(self) -> list[tuple[str, str, str]]:
        """Campaign, codec and name of each curve."""
        own = [(self.campaign, *pair) for pair in zip(self.codecs, self.named or self.codecs, strict=True)]
        return own if self.beside is None else [*own, (*self.beside, self.beside[1])]


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

_SCHEMES = (
    "ujscc",
    "te",
    "me1",
    "me2",
    "deepjscc-q te",
    "deepjscc-q me1",
    "deepjscc-q s-bn",
)
_SEPARATE = ("paper-ujscc", "separation, adaptive")
_PHOTOS = ("ujscc", "ujscc without S-BN")
_LICRNET = ("LICRnet", "LICRnet-F")
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
    "ujscc-schemes": (
        Panel("paper-ujscc-schemes", "psnr_db", "CIFAR-10, white noise", _SCHEMES, beside=_SEPARATE),
        Panel("paper-ujscc-schemes", "ssim", "", _SCHEMES, beside=_SEPARATE),
    ),
    "ujscc-photos": (
        Panel("paper-ujscc-photos", "psnr_db", "Photographs, 64 x 64 px, white noise", _PHOTOS),
        Panel("paper-ujscc-photos", "ssim", "", _PHOTOS),
    ),
    "licrnet": (
        Panel("paper-licrnet", "psnr_db", "Kodak, Rician fading, K = 2.8", _LICRNET, "Rician, K 2.8"),
        Panel("paper-licrnet", "ms_ssim", "", _LICRNET, "Rician, K 2.8"),
    ),
}
"""Panels of each figure, side by side, with one legend."""


NORMS = {"CIFAR-10": "ujscc_ujscc", "photographs": "ujscc_photos-ujscc"}
"""Bundled weights whose batch normalisation is drawn."""


def draw(numbers: Numbers, target: Path) -> None:
    """Write ``NAME.png`` of every figure whose campaigns have results."""
    for name, panels in FIGURES.items():
        if all(numbers.has(campaign) for panel in panels for campaign, *_ in panel.curves):
            _draw(numbers, panels, target / f"{name}.png")
    draw_norms(target / "ujscc-norms.png")


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
    for number, (campaign, codec, name) in enumerate(panel.curves):
        curve = numbers.curve(campaign, codec, panel.metric, panel.setting)
        look: dict[str, Any] = {"color": _COLOURS[number], "marker": _MARKS[number], "ms": 3.5}
        axes.plot(list(curve), list(curve.values()), label=name if labelled else None, **look)
    axes.set(xlabel="SNR per complex symbol (dB)", ylabel=_LABELS[panel.metric], title=panel.title)
    axes.grid()


def draw_norms(path: Path) -> None:
    """Write the inner decoder's batch normalisation by channel and order, a row for each training."""
    with style():
        figure = new_figure(PAGE_IN, 1.7 * HEIGHT_IN)
        rows = figure.subplots(len(NORMS), 4, sharex=True)
        for row, (title, weights) in zip(rows, NORMS.items(), strict=True):
            found = inner_norms(load("ujscc", weights=weights))
            for axes, orders in zip(row, found.values(), strict=True):
                _norm_panel(axes, orders, labelled=axes is rows[0, 0])
            row[0].set_ylabel(title)
        for top, bottom, name in zip(rows[0], rows[-1], found, strict=True):
            top.set_title(name)
            bottom.set_xlabel("channel")
        legend_below(figure, len(NAMES))
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=130)
    keep_small(picture, path)


def _norm_panel(axes: Axes, orders: Sequence[Tensor], *, labelled: bool) -> None:
    for number, values in enumerate(orders):
        label = NAMES[number] if labelled else None
        axes.plot(values.tolist(), label=label, color=_COLOURS[number], linewidth=1.0)
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
