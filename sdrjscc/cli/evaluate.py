"""``sdrjscc evaluate``: a campaign over codecs, channels and SNRs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._campaign import Choice, print_summary, read_campaign, shown_command
from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out

if TYPE_CHECKING:
    from sdrjscc.evaluation.running import CampaignRun


def evaluate(
    campaign: Annotated[
        str, typer.Argument(help="Campaign TOML, the name of a bundled one, or a codec: NAME/VARIANT.")
    ],
    data: Annotated[Path | None, typer.Option(help="Folder of pictures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for rows, figures and report.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of a codec: a file, or the name of bundled ones.")
    ] = None,
    snr_db: Annotated[
        str | None, typer.Option(help="Of a codec: SNRs, as 1,4,7; left out: those of weights' cards.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Of a codec: awgn, or another on symbols.")] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=0, help="Of a codec: side of the centre that is sent, px; 0: whole pictures."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, of one thread each.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Use the workers of the Dask scheduler at this address.")
    ] = None,
    lpips: Annotated[Path | None, typer.Option(help="LPIPS backbone (.safetensors) to measure with.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Compute this campaign's cells again.")] = False,
) -> None:
    """Run a campaign, or evaluate one codec; after Ctrl-C the same command goes on.

    A codec is evaluated as weights' cards are: over white noise, on the centres of the pictures.
    """
    from sdrjscc.evaluation.running import CampaignRun

    choice = Choice(weights, snr_db, channel, crop, lpips)
    parsed, toml = read_campaign(campaign, choice)
    folder = out or Path("runs") / "campaigns" / parsed.campaign.name
    check_out(folder)
    with console.status("reading pictures and codecs"):
        run = CampaignRun(parsed, data, folder, lpips)
    if restart:
        run.restart()
    try:
        _compute(run, workers, scheduler)
    except KeyboardInterrupt:
        done = len(run.cells) - len(run.missing())
        where = f"stopped with {done} of {len(run.cells)} cells done; the same command goes on"
        console.print(where, markup=False, highlight=False)
        raise typer.Exit(130) from None
    _report(run, shown_command(campaign, data, folder, choice), toml)


def _report(run: "CampaignRun", command: str, toml: str) -> None:
    from sdrjscc.evaluation.report_campaign import write_campaign_report
    from sdrjscc.evaluation.summary import summary_rows

    rows = run.write()
    with console.status("drawing the report"):
        extra = run.further_figures()
        page = write_campaign_report(
            run.campaign, run.rows(), run.out, command=command, toml=toml, extra=extra
        )
    metrics = run.campaign.metrics.names
    print_summary(summary_rows(run.rows(), metrics), metrics)
    console.print(f"report   {page}\nrows     {rows}", soft_wrap=True, highlight=False, markup=False)


def _compute(run: "CampaignRun", workers: int, scheduler: str | None) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    total, left = len(run.cells), len(run.missing())
    if left < total:
        console.print(f"{total - left} of {total} cells were done before", highlight=False)
    if not left:
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # cells take seconds to minutes: the estimate must remember more than half a minute
    with Progress(*columns, console=console, speed_estimate_period=3600.0) as progress:
        task = progress.add_task("cells", total=left)
        for cell in run.compute(workers=workers, scheduler=scheduler):
            snr = "" if cell.snr_db is None else f" at {cell.snr_db:g} dB"
            progress.update(task, advance=1, description=f"{cell.codec}{snr}")
