"""The report of a campaign: figures as PNG, tables as CSV, one HTML page that holds all of it."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdrjscc.errors import ConfigError
from sdrjscc.evaluation import _pictures
from sdrjscc.evaluation.campaign import Campaign
from sdrjscc.evaluation.figures_campaign import Drawn, figures_of, headline_figure
from sdrjscc.evaluation.intervals import mean_interval
from sdrjscc.evaluation.page import render_page
from sdrjscc.evaluation.results import versions
from sdrjscc.evaluation.rows import COLUMNS
from sdrjscc.evaluation.summary import Curve, Rows, curves, gains, reference_curve, settings, summary_rows
from sdrjscc.files import write_text_atomic

PAGE = "campaign.html"


@dataclass(frozen=True)
class _Figure:
    """A figure as the page shows it: data URIs of its PNG and of its numbers."""

    name: str
    title: str
    text: str
    source: str
    csv: str


def write_campaign_report(
    campaign: Campaign,
    rows: Rows,
    out: Path,
    *,
    command: str,
    toml: str,
    extra: Mapping[str, Sequence[Drawn]] | None = None,
) -> Path:
    """Write ``campaign.html``, ``summary.csv``, ``rows.csv`` and ``figures/*.png``.

    Args:
        campaign: what was run.
        rows: all of them.
        out: folder; files of the same name are replaced.
        command: that made it, to stand beside the figures.
        toml: the campaign's text.
        extra: further figures of a setting, by its name.

    Returns:
        Path of the page.

    Raises:
        ConfigError: there are no rows, or the headline names what is not there.
        OSError: from the file system.
    """
    if not rows:
        raise ConfigError("a campaign must have at least one row to report (nothing was sent or received)")
    metrics, found = campaign.metrics.names, curves(rows)
    table = summary_rows(rows, metrics)
    summary, everything = _csv(table), _csv(rows, COLUMNS)
    write_text_atomic(out / "summary.csv", summary)
    write_text_atomic(out / "rows.csv", everything)
    sections = []
    for number, (setting, there) in enumerate(settings(found).items(), start=1):
        drawn = [*figures_of(number, setting, there, metrics, campaign.campaign.reference)]
        drawn += (extra or {}).get(setting, ())
        base = reference_curve(there, campaign.campaign.reference)
        sections.append(
            {
                "setting": setting,
                "figures": [_kept(one, out / "figures") for one in drawn],
                "table": [line for line in table if line["setting"] == setting],
                "reference": base.codec,
                "differences": _differences(there, base) if "psnr_db" in metrics else [],
            }
        )
    first = None
    if campaign.headline is not None and "psnr_db" in metrics:
        first = headline_figure(found, campaign.headline)
    content = {
        "headline": None if first is None else _kept(first, out / "figures"),
        "about": campaign.campaign,
        "rows": len(rows),
        "images": len({row["image"] for row in rows}),
        "undecodable": sum(row["undecodable"] for row in rows),
        "rows_csv": _csv_uri(everything),
        "summary_csv": _csv_uri(summary),
        "command": command,
        "toml": toml,
        "sections": sections,
        "metrics": metrics,
        "labels": {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS"},
        "recordings": any(row["recording"] is not None for row in rows),
        "on_air": any(row["rho_on_air"] is not None for row in rows),
        "versions": versions(),
    }
    page = out / PAGE
    write_text_atomic(page, render_page("campaign.html.j2", content))
    return page


def _kept(drawn: Drawn, folder: Path) -> _Figure:
    from sdrjscc.evaluation._style import save_figure

    path = folder / f"{drawn.name}.png"
    save_figure(drawn.figure, path)
    numbers = _csv_uri(_csv(drawn.data)) if drawn.data else ""
    return _Figure(drawn.name, drawn.title, drawn.text, _pictures.figure_uri(path), numbers)


def _differences(found: Sequence[Curve], base: Curve) -> list[dict[str, Any]]:
    """Mean difference in PSNR from ``base``, by codec and SNR, with its interval."""
    lines = []
    for curve in found:
        for snr, images in gains(curve, base, "psnr_db").items() if curve is not base else ():
            one = mean_interval(list(images.values()))
            if one is not None:
                ends = {"low_db": one.low, "high_db": one.high, "images": one.images}
                lines.append({"codec": curve.codec, "snr_db": snr, "difference_db": one.mean, **ends})
    return lines


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | Mapping[str, str] = ()) -> str:
    """Rows as CSV; empty where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns or rows[0]), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_uri(text: str) -> str:
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode('utf-8', 'replace')).decode()}"
