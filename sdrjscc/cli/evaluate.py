"""``sdrjscc evaluate``: a campaign over codecs, channels and SNRs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out

if TYPE_CHECKING:
    from sdrjscc.evaluation.running import CampaignRun


def evaluate(
    campaign: Annotated[str, typer.Argument(help="Campaign TOML, or the name of a bundled one.")],
    data: Annotated[Path, typer.Option(help="Folder of pictures.")],
    out: Annotated[Path | None, typer.Option(help="Folder for rows, figures and report.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, of one thread each.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Use the workers of the Dask scheduler at this address.")
    ] = None,
    lpips: Annotated[Path | None, typer.Option(help="LPIPS backbone (.safetensors) to measure with.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what was done before.")] = False,
) -> None:
    """Run a campaign; what was done before is kept, so that the same command goes on after Ctrl-C."""
    from sdrjscc.evaluation.campaign import campaign_file, load_campaign
    from sdrjscc.evaluation.running import CampaignRun

    parsed = load_campaign(campaign)
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
    _report(run, _command(campaign, data, folder, lpips), campaign_file(campaign).read_text(encoding="utf-8"))


def _command(campaign: str, data: Path, out: Path, lpips: Path | None) -> str:
    """What to run for the same rows; who computes them is left out, as it decides nothing."""
    words = ["sdrjscc", "evaluate", campaign, "--data", str(data), "--out", str(out)]
    return shlex.join(words if lpips is None else [*words, "--lpips", str(lpips)])


def _report(run: "CampaignRun", command: str, toml: str) -> None:
    from sdrjscc.evaluation.report_campaign import write_campaign_report

    rows = run.write()
    with console.status("drawing the report"):
        extra = run.further_figures()
        page = write_campaign_report(
            run.campaign, run.rows(), run.out, command=command, toml=toml, extra=extra
        )
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
