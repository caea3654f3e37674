"""Which figures a campaign has, each with the numbers that it was drawn from."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import Headline
from sdrjscc.evaluation.summary import Curve, gains, reference_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

_DIFFERENT_RATE = 0.02
_PICTURE_SNRS = 4
_REASONS = 3


@dataclass(frozen=True)
class Drawn:
    """A figure.

    Attributes:
        name: of its file.
        title: of its section.
        text: what it shows, for those who do not see it too.
        figure: itself.
        data: the rows that it was drawn from.
    """

    name: str
    title: str
    text: str
    figure: "Figure"
    data: list[dict[str, Any]]


def figures_of(
    number: int, setting: str, curves: Sequence[Curve], metrics: Sequence[str], reference: str | None
) -> Iterator[Drawn]:
    """All figures of one setting.

    Args:
        number: of the setting, for file names.
        setting: its name.
        curves: of the codecs in it.
        metrics: those that were measured.
        reference: label of the codec to compare with; ``None``: the first.
    """
    for metric in metrics:
        if any(curve.intervals(metric) for curve in curves):
            yield _quality(number, setting, curves, metric)
    if any(share for curve in curves for share in curve.undecodable().values()):
        yield _undecodable(number, setting, curves)
    if "psnr_db" in metrics:
        yield from _gains(number, setting, curves, reference)
        yield from _rate_distortion(number, setting, curves)


def _quality(number: int, setting: str, curves: Sequence[Curve], metric: str) -> Drawn:
    from sdrjscc.evaluation import plots_campaign as plots

    label = plots.LABELS[metric]
    data = [
        {"codec": curve.codec, "snr_db": snr, metric: one.mean, "low": one.low, "high": one.high}
        for curve in curves
        for snr, one in curve.intervals(metric).items()
    ]
    text = "Mean over the pictures; the bands are 95 % bootstrap intervals over the pictures."
    if all(curve.as_received for curve in curves):
        text = "A point is a recording, at the SNR that its symbols had; which one stands in the tables."
    if without := sum(row[metric] is None for curve in curves for row in curve.all_rows()):
        why = "arrived without an error" if metric == "psnr_db" else "are too small for it"
        text += f" {without} rows have no {label.partition(' (')[0]}: those pictures {why}, or are unknown."
    figure = plots.quality(curves, metric, f"{label.partition(' (')[0]} against SNR, {setting}")
    return Drawn(f"{number:02d}-{metric}", f"{label.partition(' (')[0]} against SNR", text, figure, data)


def _undecodable(number: int, setting: str, curves: Sequence[Curve]) -> Drawn:
    from sdrjscc.evaluation import plots_campaign as plots

    data = [
        {"codec": curve.codec, "snr_db": snr, "undecodable": share}
        for curve in curves
        for snr, share in curve.undecodable().items()
    ]
    text = "Share of the pictures that could not be sent or decoded; they count as their mean colour. "
    text += _reasons(row["reason"] for curve in curves for row in curve.all_rows() if row["undecodable"])
    figure = plots.undecodable(curves, f"The cliff, {setting}")
    return Drawn(f"{number:02d}-undecodable", "The cliff", text, figure, data)


def _reasons(all_: Iterable[str | None]) -> str:
    """The commonest reasons with how often each is, alike where they differ in numbers alone."""
    counts = Counter(re.sub(r"\d+(\.\d+)?", "N", reason or "unknown") for reason in all_)
    named = [f"{reason} ({count})" for reason, count in counts.most_common(_REASONS)]
    return f"Why: {'; '.join(named)}."


def _gains(number: int, setting: str, curves: Sequence[Curve], reference: str | None) -> Iterator[Drawn]:
    from sdrjscc.evaluation import plots_campaign as plots

    base = reference_curve(curves, reference)
    found = {curve.codec: gains(curve, base, "psnr_db") for curve in curves if curve is not base}
    data: list[dict[str, Any]] = [
        {"codec": codec, "snr_db": snr, "image": image, "gain_db": gain}
        for codec, levels in found.items()
        for snr, images in levels.items()
        for image, gain in images.items()
    ]
    pooled = {
        codec: [gain for one in levels.values() for gain in one.values()] for codec, levels in found.items()
    }
    pooled = {codec: values for codec, values in pooled.items() if values}
    if pooled:
        text = (
            f"Each picture at each SNR that both have: PSNR less that of {base.codec}; "
            "the outermost bars hold what lies beyond."
        )
        figure = plots.gain_histograms(
            pooled, base.codec, [curve.codec for curve in curves], f"Gain a picture, {setting}"
        )
        yield Drawn(f"{number:02d}-gains", "Gain a picture", text, figure, data)


def _rate_distortion(number: int, setting: str, curves: Sequence[Curve]) -> Iterator[Drawn]:
    """PSNR against rho at the SNR in the middle, if the ratios differ; on air where it was measured."""
    from sdrjscc.evaluation import plots_campaign as plots

    column = "rho_on_air" if all(curve.mean("rho_on_air") is not None for curve in curves) else "rho"
    rates = [rate for curve in curves if (rate := curve.mean(column)) is not None]
    common = sorted(set[Any].intersection(*(set(curve.rows) for curve in curves)) - {None})
    if not rates or not common or max(rates) < min(rates) * (1.0 + _DIFFERENT_RATE):
        return
    snr = common[len(common) // 2]
    data, points = [], {}
    for curve in curves:
        one, rate = curve.intervals("psnr_db").get(snr), curve.mean(column)
        if one is not None and rate is not None:
            points[curve.codec] = [(rate, one.mean)]
            data.append({"codec": curve.codec, "snr_db": snr, column: rate, "psnr_db": one.mean})
    label = "Symbols a source value" + (" on air" if column == "rho_on_air" else "")
    figure = plots.rate_distortion(points, label, f"Rate and distortion at {snr:g} dB, {setting}")
    text = "Mean PSNR against the bandwidth ratio, complex symbols a source value."
    yield Drawn(f"{number:02d}-rate", "Rate and distortion", text, figure, data)


def cost_figure(
    number: int, setting: str, curves: Sequence[Curve], macs: Mapping[str, float]
) -> Iterator[Drawn]:
    """PSNR against operations at the SNR in the middle, of codecs that have a network.

    Args:
        number, setting, curves: as :func:`figures_of` takes them.
        macs: multiply-accumulates a pixel, by the curve's codec.
    """
    from sdrjscc.evaluation import plots_campaign as plots

    there = [curve for curve in curves if macs.get(curve.codec)]
    common = sorted(set[Any].intersection(*(set(curve.rows) for curve in there)) - {None}) if there else []
    if len(there) < 2 or not common:
        return
    snr = common[len(common) // 2]
    found = {curve.codec: curve.intervals("psnr_db").get(snr) for curve in there}
    points = {codec: (macs[codec], one.mean) for codec, one in found.items() if one is not None}
    data = [{"codec": codec, "macs_per_pixel": x, "psnr_db": y} for codec, (x, y) in points.items()]
    text = "Encoder and decoder together; codecs without a network are not in it."
    figure = plots.cost(points, f"Operations and quality at {snr:g} dB, {setting}")
    yield Drawn(f"{number:02d}-cost", "Operations and quality", text, figure, data)


def shown_snrs(curves: Sequence[Curve]) -> list[float | None]:
    """Up to four SNRs, from lowest to highest, that all curves have: the columns of the pictures."""
    common = sorted(set[Any].intersection(*(set(curve.rows) for curve in curves)), key=lambda snr: snr or 0.0)
    if len(common) <= _PICTURE_SNRS:
        return common
    steps = range(_PICTURE_SNRS)
    return [common[round(step * (len(common) - 1) / (_PICTURE_SNRS - 1))] for step in steps]


def pictures_figure(
    number: int, place: int, setting: str, name: str, grid: Mapping[str, Sequence[tuple[str, "Tensor"]]]
) -> Drawn:
    """One picture as it arrived.

    Args:
        number, setting: as :func:`figures_of` takes them.
        place: of the picture, for the file's name.
        name: the picture's.
        grid: by codec, caption and uint8 ``[3, H, W]`` at each SNR.
    """
    from sdrjscc.evaluation import plots_campaign as plots

    figure = plots.picture_grid(grid, f"{name}, {setting}")
    data = [{"codec": codec, "picture": caption} for codec, cells in grid.items() for caption, _ in cells]
    text = "As it arrived, with its own PSNR at the SNR set."
    return Drawn(f"{number:02d}-pictures-{place + 1}", f"Pictures: {name}", text, figure, data)


def headline_figure(curves: Sequence[Curve], wanted: Headline) -> Drawn | None:
    """The campaign's headline; ``None`` where none of its curves has a PSNR.

    Args:
        curves: of all settings.
        wanted: which of them; see :func:`headline_curves`.
    """
    from sdrjscc.evaluation.plots_headline import headline

    setting, there = headline_curves(curves, wanted)
    chosen = {text: there[codec] for codec, text in (wanted.curves or {name: name for name in there}).items()}
    chosen = {text: curve for text, curve in chosen.items() if curve.intervals("psnr_db")}
    if not chosen:
        return None
    data = [
        {"codec": curve.codec, "snr_db": snr, "psnr_db": one.mean, "low": one.low, "high": one.high}
        for curve in chosen.values()
        for snr, one in curve.intervals("psnr_db").items()
    ]
    figure = headline(chosen, wanted.title or f"PSNR against SNR, {setting}", wanted.note)
    return Drawn("headline", "Headline", wanted.note or f"PSNR against SNR, {setting}.", figure, data)


def headline_curves(curves: Sequence[Curve], wanted: Headline) -> tuple[str, dict[str, Curve]]:
    """The headline's setting, and all curves in it by their codec.

    Raises:
        ConfigError: it names a setting or a codec that is not there.
    """
    setting = wanted.setting or curves[0].setting
    there = {curve.codec: curve for curve in curves if curve.setting == setting}
    _check_named("headline.setting", [setting], [curve.setting for curve in curves])
    _check_named("headline.curves", list(wanted.curves), list(there))
    return setting, there


def _check_named(key: str, names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            known = ", ".join(dict.fromkeys(there))
            raise ConfigError(f"{key} must be of the campaign's {known} (got '{name}')")
