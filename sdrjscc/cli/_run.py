"""Send pictures over a link and leave results, pictures and a report behind."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sdrjscc.cli._console import console
from sdrjscc.errors import ConfigError, RadioError, SdrJsccError

if TYPE_CHECKING:
    from sdrjscc.evaluation.results import Transmission
    from sdrjscc.linkfile import LinkConfig


def send_all(
    config: "LinkConfig",
    images: Sequence[Path],
    *,
    command: str,
    out: Path,
    max_side: int | None = None,
    lpips: Path | None = None,
) -> int:
    """Send every picture, print a table, write ``results.json``, PNGs and ``report.html``.

    Returns:
        0; 2 if a picture could not be read or none arrived. What was done is kept, also
        after Ctrl-C.
    """
    from sdrjscc.evaluation.report import write_report
    from sdrjscc.evaluation.results import Run, write_results
    from sdrjscc.linkfile import to_toml

    began = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    records: list[Transmission] = []
    failures: list[str] = []
    interrupted = False
    try:
        _send(config, images, out, max_side, lpips, records, failures)
    except KeyboardInterrupt:
        interrupted = True
        console.print("stopped; keeping what was received")
    if records:
        run = Run(command, config.model_dump(mode="json"), to_toml(config), records, began)
        write_results(out / "results.json", run)
        report = write_report(run, out)
        console.print(_table(records))
        console.print(f"report: [bold]{report}[/]   results: {out / 'results.json'}")
    for failure in failures:
        console.print(f"[bold red]not sent:[/] {failure}", markup=True, highlight=False)
    if interrupted:
        return 130
    return 0 if records and not failures else 2


def _send(
    config: "LinkConfig",
    images: Sequence[Path],
    out: Path,
    max_side: int | None,
    lpips: Path | None,
    records: "list[Transmission]",
    failures: list[str],
) -> None:
    from sdrjscc.evaluation.record import make_record
    from sdrjscc.images.io import read_image, write_png
    from sdrjscc.images.lpips import load_lpips
    from sdrjscc.link.session import Link

    perceptual = None if lpips is None else load_lpips(lpips)
    with Link(config) as link, _progress() as progress:
        task = progress.add_task("sending", total=len(images))
        for index, path in enumerate(images):
            try:
                result = link.send(read_image(path, max_side=max_side))
            except (ConfigError, RadioError):
                raise
            except SdrJsccError as error:
                failures.append(str(error))
                continue
            finally:
                progress.advance(task)
            rate = link.rx_radio.sample_rate_hz
            records.append(make_record(result, config, rate, link.occupied_bandwidth_hz, perceptual))
            if result.pixels is not None:
                write_png(out / "received" / f"{index:03d}-{path.stem}.png", result.pixels)


def _progress() -> Progress:
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def _table(records: "Sequence[Transmission]") -> Table:
    table = Table(title=None)
    for name in (
        "image",
        "PSNR dB",
        "SSIM",
        "SNR dB",
        "CFO Hz",
        "packets",
        "rho on air",
        "encode ms",
        "decode ms",
    ):
        table.add_column(name, justify="left" if name == "image" else "right")
    for record in records:
        row = record.row()
        table.add_row(
            row["image"],
            _number(row["psnr_db"], 2),
            _number(row["ssim"], 4),
            _number(row["snr_db"], 2),
            _number(row["cfo_hz"], 1),
            f"{row['packets_received']}/{row['packets_sent']}",
            _number(row["rho_on_air"], 4),
            _number(row["encode_ms"], 1),
            _number(row["decode_ms"], 1),
        )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
