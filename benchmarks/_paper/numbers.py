"""Means and paired differences of the papers' campaigns: from rows into CSV, and from there into text."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdrjscc.evaluation.intervals import mean_interval
from sdrjscc.evaluation.rows import COLUMNS
from sdrjscc.evaluation.summary import Curve, curves, gains, settings, summary_rows
from sdrjscc.files import write_text_atomic

METRICS = ("psnr_db", "ssim", "ms_ssim", "lpips")
DECIMALS = {"psnr_db": 2, "ssim": 3, "ms_ssim": 4, "lpips": 3}
UNITS = {"psnr_db": " dB", "ssim": "", "ms_ssim": "", "lpips": ""}
_STORED = 4

DSC_60 = ("60-E1D1", "60-E2D1", "60-E2D2", "60-E2D3", "60-E1D2", "60-E3D2")
_DSC = [
    *((ours, "deep-jscc") for ours in ("20", "40", *DSC_60, "80", "100")),
    *(("60-E3D2", theirs) for theirs in DSC_60 if theirs != "60-E3D2"),
    *(("60-E2D2", theirs) for theirs in ("40", "60-E1D1", "80", "100")),
    ("40", "20"),
    ("80", "60-E1D1"),
]
_GAMMA = [
    *((f"gamma {share}", "gamma 0") for share in (0.2, 0.5, 0.7, 0.9)),
    ("gamma 0.5", "reduced"),
    ("reduced", "gamma 0"),
]
_ORDERS = [
    *(
        (f"{order}-QAM, {way}", "analog")
        for order in (4, 16, 64, 256)
        for way in ("paper", "posterior", "snake")
    ),
    *((f"{order}-QAM, posterior", f"{order}-QAM, paper") for order in (4, 16, 64, 256)),
    *((f"{order}-QAM, snake", f"{order}-QAM, posterior") for order in (4, 16, 64, 256)),
]
_SEPARATION = [
    *(("gamma 0.7", f"{name} 3/4, k/n 0.2") for name in ("4QAM", "64QAM", "256QAM")),
    ("gamma 0", "64QAM 3/4, k/n 2/3"),
]
_SCHEMES = [
    *(
        ("ujscc", theirs)
        for theirs in ("te", "me1", "me2", *(f"deepjscc-q {way}" for way in ("te", "me1", "s-bn")))
    ),
    *(("ujscc, posterior mean", theirs) for theirs in ("ujscc", "deepjscc-q s-bn")),
    *(("te", theirs) for theirs in ("me1", "me2", "deepjscc-q te")),
    *((f"deepjscc-q {way}", "deepjscc-q me1") for way in ("te", "s-bn")),
]
PAIRS: dict[str, Sequence[tuple[str, str]]] = {
    "paper-dsc": _DSC,
    "paper-dsc-lpips": _DSC,
    "paper-ren-gamma": _GAMMA,
    "paper-ren-street": _GAMMA,
    "paper-ren-orders": _ORDERS,
    "paper-ren-separation": _SEPARATION,
    "paper-ujscc": [("ujscc", "ujscc without S-BN"), ("ujscc", "separation, adaptive")],
    "paper-ujscc-schemes": _SCHEMES,
    "paper-ujscc-photos": [("ujscc", "ujscc without S-BN")],
    "paper-licrnet": [("LICRnet", "LICRnet-F")],
}
"""Of each campaign, which codecs are compared picture by picture: the first less the second."""


def collect(runs: Path, target: Path) -> list[str]:
    """Write ``NAME.csv`` and ``NAME-pairs.csv`` of every campaign whose rows are all there.

    Args:
        runs: folder of the campaigns' folders.
        target: folder of the tables.

    Returns:
        Names of the campaigns that were found.
    """
    found = [name for name in PAIRS if (runs / name / "rows.csv").exists()]
    for name in found:
        rows = _read(runs / name / "rows.csv")
        metrics = [metric for metric in METRICS if any(row[metric] is not None for row in rows)]
        _write(target / f"{name}.csv", summary_rows(rows, metrics))
        _write(target / f"{name}-pairs.csv", _differences(curves(rows), PAIRS[name], metrics))
    return found


def _read(path: Path) -> list[dict[str, Any]]:
    """Rows of a campaign's ``rows.csv``, which needs no extra to be read."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return [{name: _value(kind, line.get(name, "")) for name, kind in COLUMNS.items()} for line in lines]


def _value(kind: str, text: str) -> Any:
    if not text:
        return None
    if kind == "string":
        return text
    return text == "True" if kind.startswith("bool") else float(text)


def _differences(
    found: Sequence[Curve], pairs: Iterable[tuple[str, str]], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Mean paired difference with its interval, by setting, pair, metric and SNR."""
    for setting, there in settings(found).items():
        named = {curve.codec: curve for curve in there}
        for ours, theirs in pairs:
            for metric in metrics if {ours, theirs} <= named.keys() else ():
                for snr_db, images in gains(named[ours], named[theirs], metric).items():
                    one = mean_interval(list(images.values()))
                    if one is not None:
                        keys = {"setting": setting, "ours": ours, "theirs": theirs, "metric": metric}
                        ends = {"mean": one.mean, "low": one.low, "high": one.high}
                        yield {**keys, "snr_db": snr_db, **ends, "images": one.images}


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    table = [dict(line) for line in lines]
    columns = [name for name in table[0] if any(line[name] is not None for line in table)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _rounded(value) for key, value in line.items()} for line in table)
    write_text_atomic(path, text.getvalue())


def _rounded(value: Any) -> Any:
    return round(value, _STORED) if isinstance(value, float) else value


@dataclass(frozen=True)
class Difference:
    """A mean paired difference and the ends of its 95 % interval."""

    metric: str
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as ``-0.24 dB (-0.31 to -0.18)``."""
        digits, unit = DECIMALS[self.metric], UNITS[self.metric]
        return f"{self.mean:+.{digits}f}{unit} ({self.low:+.{digits}f} to {self.high:+.{digits}f})"


class Numbers:
    """The tables of a folder, by campaign."""

    def __init__(self, folder: Path) -> None:
        """Read ``folder``'s tables when they are asked for."""
        self._folder = folder
        self._tables: dict[str, list[dict[str, str]]] = {}

    def has(self, campaign: str) -> bool:
        """Whether there are results of it."""
        return (self._folder / f"{campaign}.csv").exists()

    def curve(self, campaign: str, codec: str, metric: str, setting: str = "") -> dict[float, float]:
        """Mean of a metric by SNR in dB."""
        lines = self._lines(campaign, setting)
        return {
            float(line["snr_db"]): float(line[metric])
            for line in lines
            if line["codec"] == codec and line.get(metric)
        }

    def codecs(self, campaign: str, setting: str = "") -> list[str]:
        """Labels, in the order of the campaign."""
        return list(dict.fromkeys(line["codec"] for line in self._lines(campaign, setting)))

    def column(self, campaign: str, codec: str, column: str, snr_db: float, setting: str = "") -> float:
        """One value of a column such as ``undecodable`` or ``rho``."""
        for line in self._lines(campaign, setting):
            if line["codec"] == codec and float(line["snr_db"]) == snr_db:
                return float(line[column])
        raise KeyError(f"{campaign}: no {column} of {codec} at {snr_db:g} dB")

    def mean(self, campaign: str, codec: str, metric: str, snr_db: float, setting: str = "") -> str:
        """A mean as text, without its unit."""
        return f"{self.curve(campaign, codec, metric, setting)[snr_db]:.{DECIMALS[metric]}f}"

    def diff(
        self, campaign: str, ours: str, theirs: str, metric: str, snr_db: float, setting: str = ""
    ) -> Difference:
        """The first less the second, picture by picture."""
        return self.diffs(campaign, ours, theirs, metric, setting)[snr_db]

    def diffs(
        self, campaign: str, ours: str, theirs: str, metric: str, setting: str = ""
    ) -> dict[float, Difference]:
        """:meth:`diff` by SNR in dB."""
        found = {
            float(line["snr_db"]): Difference(
                metric, float(line["mean"]), float(line["low"]), float(line["high"])
            )
            for line in self._lines(f"{campaign}-pairs", setting)
            if (line["ours"], line["theirs"], line["metric"]) == (ours, theirs, metric)
        }
        if not found:
            raise KeyError(f"{campaign}: {ours} is not compared with {theirs} by {metric}")
        return found

    def span(self, campaign: str, theirs: str, metric: str, snr_db: float, among: Sequence[str]) -> str:
        """The least and the greatest difference to ``theirs`` among some codecs, and whose they are."""
        found = {codec: self.diff(campaign, codec, theirs, metric, snr_db) for codec in among}
        least, most = (choose(found, key=lambda codec: found[codec].mean) for choose in (min, max))
        digits, unit = DECIMALS[metric], UNITS[metric]
        ends = [f"{found[codec].mean:+.{digits}f}{unit} ({codec})" for codec in (least, most)]
        return " to ".join(ends)

    def crossover(self, campaign: str, ours: str, theirs: str, metric: str, setting: str = "") -> str:
        """Between which SNRs the second becomes better than the first, for good.

        Both ends are SNRs whose intervals do not hold 0.
        """
        found = sorted(self.diffs(campaign, ours, theirs, metric, setting).items())
        above = [snr for snr, one in found if one.low > 0.0]
        from_db = above[-1] if above else -math.inf
        below = [snr for snr, one in found if one.high < 0.0 and snr > from_db]
        if not above:
            return f"by {below[0]:g} dB, never ahead" if below else "nowhere"
        if not below:
            return f"beyond {above[-1]:g} dB"
        return f"between {above[-1]:g} and {below[0]:g} dB"

    def _lines(self, name: str, setting: str) -> list[dict[str, str]]:
        if name not in self._tables:
            text = (self._folder / f"{name}.csv").read_text(encoding="utf-8")
            self._tables[name] = list(csv.DictReader(io.StringIO(text)))
        return [line for line in self._tables[name] if setting in ("", line["setting"])]
