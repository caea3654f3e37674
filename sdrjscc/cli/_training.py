"""What the commands that train share: where to run, progress, logs, stopping."""

import dataclasses
import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

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

RecipeSource = Annotated[str, typer.Argument(help="Recipe TOML, or the name of a bundled one.")]
Data = Annotated[Path, typer.Option(help="Folder of training pictures.")]
Out = Annotated[Path | None, typer.Option(help="Folder for checkpoints, weights and logs.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]
Accelerator = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")]
Devices = Annotated[int, typer.Option(min=1, help="Devices per machine.")]
Nodes = Annotated[int, typer.Option(min=1, help="Machines (with torchrun or Slurm).")]
Precision = Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of this process.")]


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where to run: what the options of the same names say."""

    accelerator: str
    devices: int
    nodes: int
    precision: str
    threads: int | None

    def launched(self, folder: Path) -> Any:
        """A launched ``lightning.Fabric`` that logs into ``folder/tensorboard``; sets the threads.

        Raises:
            TrainingError: the extra 'train' is not installed, or the machine has not what was
                asked for.
        """
        import torch

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        options: dict[str, Any] = {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "num_nodes": self.nodes,
            "precision": self.precision,
        }
        if self.devices * self.nodes > 1:  # a phase may leave parts of a codec unused
            options["strategy"] = "ddp_find_unused_parameters_true"
        return _launched_fabric(folder, options)


def _launched_fabric(folder: Path, options: dict[str, Any]) -> Any:
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.loggers import TensorBoardLogger
    except ImportError as error:
        raise TrainingError(
            f"training needs the extra 'train': pip install 'sdrjscc[train]' (got: {error})"
        ) from None
    try:
        fabric = Fabric(loggers=TensorBoardLogger(root_dir=folder / "tensorboard"), **options)
        fabric.launch()
    except Exception as error:  # Fabric raises what its plug-ins raise
        chosen = ", ".join(f"{key} {value}" for key, value in options.items())
        raise TrainingError(f"this machine must have what was asked for ({chosen}; got: {error})") from None
    return fabric


def run(trainer: "Trainer", fabric: Any, *, title: str = "training", first_step: int = 0) -> bool:
    """Train to the end or to Ctrl-C, with a progress bar and ``log.jsonl``.

    Args:
        trainer: a run.
        fabric: what it runs on.
        title: of the progress bar.
        first_step: steps of the runs before it, for TensorBoard, which has one for all.

    Returns:
        Whether Ctrl-C was pressed; the checkpoint is written.
    """
    stopping = False

    def before_step() -> bool:
        progress.update(task, completed=trainer.step)
        return stopping

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        console.print("stopping after this step (again: at once, without a checkpoint)")

    before = signal.signal(signal.SIGINT, stop)
    try:
        with _progress(quiet=not fabric.is_global_zero) as progress:
            task = progress.add_task(title, total=trainer.recipe.run.steps, completed=trainer.step)
            for report in trainer.run(before_step):
                progress.update(task, completed=report.step, description=f"{title}, loss {report.loss:.5f}")
                _log(report, trainer.out, fabric, progress, first_step)
    finally:
        signal.signal(signal.SIGINT, before)
    return bool(fabric.broadcast(stopping))


def end_stopped(where: str, folder: Path) -> NoReturn:
    """Say how to go on after Ctrl-C, and end the command."""
    console.print(f"stopped at {where}; go on with --resume --out {folder}", markup=False, soft_wrap=True)
    raise typer.Exit(130)


def _log(report: "StepReport", folder: Path, fabric: Any, progress: Progress, first_step: int) -> None:
    values = {"loss": report.loss, "learning_rate": report.learning_rate}
    values |= {f"validation_psnr_db/{snr:g}_db": value for snr, value in report.validation_db.items()}
    fabric.log_dict(values, step=first_step + report.step)
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
