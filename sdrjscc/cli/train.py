"""``sdrjscc train``: train a codec by a recipe."""

import dataclasses
import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sdrjscc.cli._console import console
from sdrjscc.errors import TrainingError

if TYPE_CHECKING:
    from sdrjscc.training.loop import Progress as StepReport
    from sdrjscc.training.loop import Trainer


def train(
    recipe: Annotated[str, typer.Argument(help="Recipe TOML, or the name of a bundled one.")],
    data: Annotated[Path, typer.Option(help="Folder of training pictures.")],
    out: Annotated[Path | None, typer.Option(help="Folder for checkpoints, weights and logs.")] = None,
    variant: Annotated[str | None, typer.Option(help="Train this variant instead of the recipe's.")] = None,
    start: Annotated[str | None, typer.Option(help="Weights to begin with: a file or bundled ones.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices per machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines (with torchrun or Slurm).")] = 1,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of this process.")] = None,
) -> None:
    """Train a codec; Ctrl-C saves a checkpoint, --resume goes on exactly where it stopped."""
    import torch

    from sdrjscc.training.loop import Trainer
    from sdrjscc.training.recipe import load_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    parsed = load_recipe(recipe, variant, start)
    folder = out or Path("runs") / "-".join(filter(None, (Path(recipe).stem, variant)))
    fabric = _fabric(folder, accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    trainer = Trainer(parsed, data, folder, fabric=fabric, resume=resume)
    stopped = _run(trainer, folder, fabric)
    if stopped:
        console.print(f"stopped at step {trainer.step}; go on with --resume --out {folder}")
        raise typer.Exit(130)
    console.print(f"best weights: {folder / 'best.safetensors'} (validation {trainer.best_db:.2f} dB)")


def _fabric(folder: Path, **options: Any) -> Any:
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.loggers import TensorBoardLogger
    except ImportError as error:
        raise TrainingError(
            f"training needs the extra 'train': pip install 'sdrjscc[train]' (got: {error})"
        ) from None
    try:
        if options["devices"] * options["num_nodes"] > 1:  # a phase may leave parts of a codec unused
            options["strategy"] = "ddp_find_unused_parameters_true"
        fabric = Fabric(loggers=TensorBoardLogger(root_dir=folder / "tensorboard"), **options)
        fabric.launch()
    except Exception as error:  # Fabric raises what its plug-ins raise
        chosen = ", ".join(f"{key} {value}" for key, value in options.items())
        raise TrainingError(f"this machine must have what was asked for ({chosen}; got: {error})") from None
    return fabric


def _run(trainer: "Trainer", folder: Path, fabric: Any) -> bool:
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        console.print("stopping after this step (again: at once, without a checkpoint)")

    before = signal.signal(signal.SIGINT, stop)
    total = trainer.recipe.run.steps
    try:
        with _progress(quiet=not fabric.is_global_zero) as progress:
            task = progress.add_task("training", total=total, completed=trainer.step)
            for report in trainer.run(lambda: stopping):
                progress.update(task, completed=report.step, description=_description(report))
                _log(report, folder, fabric, progress)
    finally:
        signal.signal(signal.SIGINT, before)
    return trainer.step < total


def _log(report: "StepReport", folder: Path, fabric: Any, progress: Progress) -> None:
    values = {"loss": report.loss, "learning_rate": report.learning_rate}
    values |= {f"validation_psnr_db/{snr:g}_db": value for snr, value in report.validation_db.items()}
    fabric.log_dict(values, step=report.step)
    if fabric.is_global_zero:
        with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(report)) + "\n")
        if report.validation_db:
            levels = "  ".join(f"{value:.2f} dB @{snr:g}" for snr, value in report.validation_db.items())
            progress.console.print(f"step {report.step}: validation {levels}")


def _progress(*, quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=quiet)


def _description(report: "StepReport") -> str:
    return f"loss {report.loss:.5f}"
