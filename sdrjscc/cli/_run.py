"""Send pictures over a link and leave results, pictures and a report behind."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from sdrjscc.cli._console import console, fail
from sdrjscc.cli._out import check_out
from sdrjscc.errors import ImageError, SdrJsccError, WeightsError

if TYPE_CHECKING:
    from sdrjscc.evaluation.results import Transmission
    from sdrjscc.linkfile import LinkConfig

NOTHING_RECEIVED = 4
"""Exit code of a run that sent pictures of which none came out at the far end."""

_COLUMNS = ("image", "PSNR dB", "SSIM", "SNR dB", "CFO Hz", "packets", "rho air", "codec ms")


@dataclass(frozen=True)
class Job:
    """What a command sends.

    Attributes:
        command: its name, for the results.
        config: the link.
        images: picture files.
        out: folder of everything that is written.
        max_side: shrink larger pictures to this side, px.
        lpips: backbone file to measure the perceptual distance with.
        record: SigMF recording of all that is received.
        force: replace a recording of that name.
    """

    command: str
    config: "LinkConfig"
    images: Sequence[Path]
    out: Path
    max_side: int | None = None
    lpips: Path | None = None
    record: Path | None = None
    force: bool = False


def send_all(job: Job) -> int:
    """Send every picture, print a table, write ``results.json``, PNGs and ``report.html``.

    Returns:
        0; 2 if a picture could not be sent; 4 if none of those sent was received; 130 after Ctrl-C.
        What was received is kept.
    """
    check_out(job.out)
    started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    records: list[Transmission] = []
    failures: list[str] = []
    code = 0
    try:
        for one in _sent(job):
            (failures if isinstance(one, str) else records).append(one)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        console.print("stopped; keeping what was received")
        code = 130
    except SdrJsccError as error:
        if not records:
            raise
        failures.append(str(error))
        code = error.exit_code
    if records:
        _report(job, records, started)
    for failure in failures:
        failed = fail(failure, 2)
        code = code or failed
    if code == 0 and records and all(record.received is None for record in records):
        return fail(f"at least one picture must be received (got none of {len(records)})", NOTHING_RECEIVED)
    return code


def _sent(job: Job) -> "Iterable[Transmission | str]":
    from sdrjscc.evaluation.record import make_record
    from sdrjscc.images.lpips import load_lpips
    from sdrjscc.link.log import read_source
    from sdrjscc.link.session import Link

    if job.lpips is not None and not job.lpips.is_file():
        raise WeightsError(f"--lpips must be a backbone file (there is no {job.lpips})")
    lpips = None if job.lpips is None else load_lpips(job.lpips)
    with Link(job.config, record=job.record, force=job.force) as link:
        for path in track(job.images, "sending", console=console, transient=True):
            try:
                result = link.send(read_source(path, job.max_side))
            except ImageError as error:
                yield str(error)
            else:
                yield make_record(
                    result, job.config, link.rx_radio.sample_rate_hz, link.occupied_bandwidth_hz, lpips
                )
    if link.recording is not None and link.recording.failure is not None:
        raise link.recording.failure


def _report(job: Job, records: "Sequence[Transmission]", started: str) -> None:
    from sdrjscc.evaluation.report import write_report
    from sdrjscc.evaluation.results import Run, write_results
    from sdrjscc.linkfile import to_toml

    run = Run(job.command, job.config.model_dump(mode="json"), to_toml(job.config), records, started)
    write_results(job.out / "results.json", run)
    with console.status("drawing the report"):
        report = write_report(run, job.out)
    console.print(_table(records))
    for record in records:
        if record.received is None:
            console.print(f"not received: {shown_name(record.image)}", markup=False, highlight=False)
    if run.untrained:
        console.print("the weights are untrained: the pictures show the link, not what the codec can do")
    paths = f"report   {report}\nresults  {job.out / 'results.json'}"
    console.print(paths, soft_wrap=True, highlight=False, markup=False)


def _table(records: "Sequence[Transmission]") -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        left = name == "image"
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for record in records:
        row = record.row()
        table.add_row(
            escape(shown_name(row["image"])),
            _number(row["psnr_db"], 2),
            _number(row["ssim"], 3),
            _number(row["snr_db"], 2),
            _number(row["cfo_hz"], 0),
            f"{row['packets_received']}/{row['packets_sent']}",
            _number(row["rho_on_air"], 3),
            f"{_number(row['encode_ms'], 0)} + {_number(row['decode_ms'], 0)}",
        )
    return table


def shown_name(name: str, longest: int = 24) -> str:
    """A file name, which is hostile input, in one short printable line."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
