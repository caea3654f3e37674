"""Figures of the benchmark, each from the rows of its JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from _phy.air import RATES_HZ
from _phy.limits import cfo_bound_hz, phase_noise_drift_hz, smallest_loss_db
from sdrjscc.channel.chain import scenario
from sdrjscc.evaluation._style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    HEIGHT_IN,
    LIGHT,
    ORANGE,
    PAGE_IN,
    SKY,
    VERMILLION,
    legend_below,
    new_figure,
    save_figure,
    style,
)
from sdrjscc.waveform.ofdm import Config, Ofdm, build

LOOKS = {
    "sdrjscc": (BLUE, "o"),
    "liquid-dsp": (VERMILLION, "s"),
    "liquid-dsp-256": (ORANGE, "D"),
    "gnuradio": (GREEN, "^"),
}
LABELS = {
    "sdrjscc": "sdrjscc",
    "liquid-dsp": "liquid-dsp, 64 carriers",
    "liquid-dsp-256": "liquid-dsp, 256 carriers",
    "gnuradio": "GNU Radio",
}
SHOWN = ("awgn", "full")
_GOAL = {4000: 0.10, 16400: 0.06, 65600: 0.04}

Rows = list[dict[str, Any]]


def draw(content: dict[str, Any], folder: Path) -> list[Path]:
    """Write every figure that the results have rows for; return their files."""
    figures: dict[str, Callable[[dict[str, Any]], Figure | None]] = {
        "detection": detection,
        "loss": loss,
        "cfo": cfo,
        "variance": variance,
        "doppler": doppler,
        "throughput": speed,
        "papr": peaks,
    }
    written = []
    for name, make in figures.items():
        with style():
            figure = make(content)
        if figure is not None:
            written.append(folder / f"{name}.png")
            save_figure(figure, written[-1])
    return written


def pick(rows: Rows, **wanted: Any) -> Rows:
    """Rows that have these values, by rising SNR."""
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return sorted(found, key=lambda row: row.get("snr_db", 0.0))


def _enough(row: dict[str, Any]) -> bool:
    """Enough frames came through for a mean: 20, or half of a short run."""
    return bool(row["headers"] >= min(20, row["sent"] / 2))


def _values(rows: Rows, key: str) -> list[Any]:
    return sorted({row[key] for row in rows})


def _systems(rows: Rows) -> list[str]:
    return [name for name in LOOKS if any(row["system"] == name for row in rows)]


def _line(axes: Axes, rows: Rows, key: str, system: str, **look: Any) -> None:
    """A system's curve over SNR, without the points that it could not measure."""
    points = [(row["snr_db"], row[key]) for row in rows if row[key] is not None]
    if points:
        color, marker = LOOKS[system]
        look = {"color": color, "marker": marker, "ms": 3.5, "label": LABELS[system], **look}
        axes.plot(*zip(*points, strict=True), **look)


def _short(symbols: int) -> str:
    """4 k, 16 k, 64 k: thousands of the power of two that is meant."""
    return f"{symbols // 1000 if symbols < 1024 else symbols // 1024 + (symbols < 8192)} k"


def _decades(axes: Axes) -> None:
    """A logarithmic axis with plain numbers: the style switches off typeset powers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _waveform(symbols: int) -> Ofdm:
    return build(Config(payload_ofdm_symbols=symbols // 200))


def detection(content: dict[str, Any]) -> Figure | None:
    """Header probability against SNR, and what is missed, at the smallest payload."""
    rows = content["curves"]
    shown = [name for name in SHOWN if pick(rows, scenario=name)]
    if not shown:
        return None
    size = min(_values(rows, "payload_symbols"))
    figure = new_figure(PAGE_IN, 1.6 * HEIGHT_IN)
    grid = figure.subplots(2, len(shown), sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(shown):
        upper, lower = grid[:, column]
        for system in _systems(rows):
            mine = pick(rows, scenario=name, payload_symbols=size, system=system)
            _line(upper, mine, "p_header", system)
            _missed(lower, mine, system)
        lower.axhline(1e-3, color=GREY, lw=0.9, ls="--", label="goal: 99.9 % valid")
        lower.plot([], [], "o", ms=3.5, mfc="white", mec=GREY, label="none missed: 95 % bound")
        lower.set_xlabel("SNR (dB)")
        _decades(lower)
        upper.set(title=f"{name}, {_short(size)} symbols", ylim=(-0.03, 1.03))
        upper.grid()
        lower.grid()
    grid[0, 0].set_ylabel("P(header valid)")
    grid[1, 0].set_ylabel("Frames missed")
    legend_below(figure, 3)
    return figure


def _missed(axes: Axes, rows: Rows, system: str) -> None:
    """Share of frames missed; where none was, a hollow mark at the 95 % bound 3 / sent."""
    some = [{**row, "missed": 1 - row["p_header"]} for row in rows if row["headers"] < row["sent"]]
    none = [{**row, "missed": 3 / row["sent"]} for row in rows if row["headers"] == row["sent"]]
    _line(axes, some, "missed", system)
    _line(axes, none, "missed", system, ls="none", mfc="white", label="_none")


def _panels(
    content: dict[str, Any], key: str, label: str, fill: Callable[[Axes, Rows, str, int], None]
) -> Figure | None:
    """A panel for each scenario shown and payload size, of a quantity on a logarithmic axis.

    Args:
        content: results.
        key: column of the quantity.
        label: of the axis.
        fill: draws rows with a value of this column into a panel, given scenario and size.
    """
    rows = [row for row in content["curves"] if row[key] is not None and _enough(row)]
    shown = [name for name in SHOWN if pick(rows, scenario=name)]
    if not shown:
        return None
    sizes = _values(rows, "payload_symbols")
    figure = new_figure(PAGE_IN, (0.75 * len(shown) + 0.25) * HEIGHT_IN)
    grid = figure.subplots(len(shown), len(sizes), sharex=True, sharey=True, squeeze=False)
    for i, name in enumerate(shown):
        for j, size in enumerate(sizes):
            axes = grid[i, j]
            fill(axes, rows, name, size)
            _decades(axes)
            axes.set_title(f"{name}, {_short(size)} symbols")
            axes.grid()
        grid[i, 0].set_ylabel(label)
    for axes in grid[-1]:
        axes.set_xlabel("SNR (dB)")
    legend_below(figure, 3)
    return figure


def loss(content: dict[str, Any]) -> Figure | None:
    """SNR a genie would have minus SNR delivered, with the smallest possible loss and the goal.

    Bars: one standard error either way.
    """
    return _panels(content, "loss_db", "Loss (dB)", _losses)


def _losses(axes: Axes, rows: Rows, name: str, size: int) -> None:
    for system in _systems(rows):
        _loss_line(axes, pick(rows, scenario=name, payload_symbols=size, system=system), system)
    bound = smallest_loss_db(_waveform(size).payload)
    axes.axhline(bound, color="black", lw=0.9, ls=":", label="smallest loss (5 taps, CFO, SCO)")
    if name == "awgn":
        axes.axhline(_GOAL.get(size, 0.1), color=GREY, lw=0.9, ls="--", label="goal")
    axes.set_ylim(0.003, 30)


def _loss_line(axes: Axes, rows: Rows, system: str) -> None:
    """Losses with one standard error either way, on a logarithmic axis that ends at 0.003 dB."""
    _line(axes, [{**row, "loss_db": max(row["loss_db"], 0.003)} for row in rows], "loss_db", system)
    for row in rows:
        spread = row.get("loss_std_db") or 0.0
        low, high = (max(row["loss_db"] + way * spread, 0.003) for way in (-1, 1))
        axes.vlines(row["snr_db"], low, high, color=LOOKS[system][0], lw=0.9)


def cfo(content: dict[str, Any]) -> Figure | None:
    """RMS error of the carrier offset of ours and its bound."""
    return _panels(content, "cfo_rms_hz", "CFO error (Hz RMS)", _offsets)


def _offsets(axes: Axes, rows: Rows, name: str, size: int) -> None:
    for system in _systems(rows):
        _line(axes, pick(rows, scenario=name, payload_symbols=size, system=system), "cfo_rms_hz", system)
    snrs = _values(rows, "snr_db")
    bound = [cfo_bound_hz(_waveform(size), snr, RATES_HZ[name]) for snr in snrs]
    axes.plot(snrs, bound, color="black", ls=":", label="Cramér-Rao bound of our frame")
    linewidth_hz = scenario(name).phase_noise_linewidth_hz
    if linewidth_hz:
        drift = phase_noise_drift_hz(_waveform(size), linewidth_hz, RATES_HZ[name])
        axes.axhline(drift, color=GREY, ls="--", label="drift of the phase noise in a frame")


def variance(content: dict[str, Any]) -> Figure | None:
    """Measured over reported error variance."""
    rows = [row for row in content["curves"] if row["variance_error_db"] is not None]
    if not rows:
        return None
    shown = _values(rows, "scenario")
    figure = new_figure(PAGE_IN, HEIGHT_IN)
    for axes, name in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        axes.axhspan(-0.3, 0.3, color=LIGHT, alpha=0.6, lw=0, label="goal: within 0.3 dB")
        for size, color in zip(_values(rows, "payload_symbols"), CYCLE, strict=False):
            mine = pick(rows, scenario=name, payload_symbols=size)
            _line(axes, mine, "variance_error_db", "sdrjscc", color=color, label=f"{_short(size)} symbols")
        axes.set(title=name, xlabel="SNR (dB)")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -0.6), max(high, 0.6))
        axes.grid()
    figure.axes[0].set_ylabel("Measured over reported\nnoise variance (dB)")
    legend_below(figure, 3)
    return figure


def doppler(content: dict[str, Any]) -> Figure | None:
    """Loss of ours against the Doppler frequency of the echoes."""
    rows = [row for row in content.get("moving", []) if row["loss_db"] is not None]
    if not rows:
        return None
    figure = new_figure(PAGE_IN, HEIGHT_IN)
    axes = figure.add_subplot()
    for size, dash in zip(_values(rows, "payload_symbols"), ("-", "--", ":"), strict=False):
        for snr_db, color in zip(_values(rows, "snr_db"), CYCLE, strict=False):
            mine = sorted(pick(rows, payload_symbols=size, snr_db=snr_db), key=lambda row: row["doppler_hz"])
            points = [(row["doppler_hz"], row["loss_db"]) for row in mine]
            label = f"{_short(size)} symbols, {snr_db:g} dB"
            axes.plot(*zip(*points, strict=True), color=color, ls=dash, marker="o", ms=3.5, label=label)
    axes.set(xlabel="Doppler frequency (Hz) at 1 MS/s", ylabel="Loss (dB)")
    axes.set_ylim(0.0, None)
    legend_below(figure, 4)
    return figure


def speed(content: dict[str, Any]) -> Figure | None:
    """Samples per second of one core: on frames, on noise, transmitter."""
    rows = content["throughput"]
    if not rows:
        return None
    kinds = {"msps": "receiver, frames", "msps_noise": "receiver, noise", "msps_transmit": "transmitter"}
    goals = {"msps": 20.0, "msps_noise": 45.0, "msps_transmit": 20.0}
    sizes, systems = _values(rows, "payload_symbols"), _systems(rows)
    width = 0.84 / len(systems)
    figure = new_figure(PAGE_IN, HEIGHT_IN)
    for axes, (key, title) in zip(figure.subplots(1, 3), kinds.items(), strict=True):
        for k, system in enumerate(systems):
            mine = pick(rows, system=system)
            place = [
                sizes.index(row["payload_symbols"]) + width * (k - (len(systems) - 1) / 2) for row in mine
            ]
            bars = axes.bar(
                place, [row[key] for row in mine], 0.93 * width, color=LOOKS[system][0], label=LABELS[system]
            )
            axes.bar_label(bars, fmt="%.0f", fontsize=6.5, padding=1)
        axes.axhline(goals[key], color=GREY, lw=0.9, ls="--", label="goal")
        axes.set_xticks(range(len(sizes)), [_short(size) for size in sizes])
        axes.set(title=title, xlabel="Payload symbols")
        axes.grid(axis="y")
    figure.axes[0].set_ylabel("MS/s of processor time")
    legend_below(figure, 3)
    return figure


def peaks(content: dict[str, Any]) -> Figure | None:
    """How often a payload block peaks above a level, and where the preamble peaks."""
    rows = content["papr"]
    if not rows:
        return None
    figure = new_figure(PAGE_IN, 1.7 * HEIGHT_IN)
    axes = figure.add_subplot()
    curves = [row for row in rows if "exceeded" in row]
    colors = dict(zip(dict.fromkeys(row["waveform"] for row in curves), (*CYCLE, ORANGE, SKY), strict=False))
    dashes = dict(zip(dict.fromkeys(row["symbols"] for row in curves), ("-", "--", ":"), strict=False))
    for row in curves:
        points = [(x, y) for x, y in zip(row["levels_db"], row["exceeded"], strict=True) if y > 0]
        label = f"{row['signal']}: {row['papr_db']:.1f} dB"
        looks = {"color": colors[row["waveform"]], "ls": dashes[row["symbols"]]}
        axes.plot(*zip(*points, strict=True), label=label, **looks)
    for row, color in zip([row for row in rows if "exceeded" not in row], (LIGHT, GREY), strict=False):
        peak = row["peak_above_payload_mean_db"]
        axes.axvline(peak, color=color, ls="-.", label=f"{row['signal']}: {peak:.1f} dB")
    axes.axhline(1e-3, color=GREY, lw=0.7, ls=":")
    _decades(axes)
    axes.set(
        ylim=(2e-4, 1.5), xlim=(2, 13), title="Peak power, and the level that one block in 1,000 exceeds"
    )
    axes.set(xlabel="Level above the payload's mean power (dB)", ylabel="Share of blocks above it")
    axes.grid()
    legend_below(figure, 2)
    return figure
