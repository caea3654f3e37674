"""``sdrjscc train``: train a codec by a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from sdrjscc.cli import _training
from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out


def train(
    recipe: _training.RecipeSource,
    data: _training.Data,
    out: _training.Out = None,
    variant: Annotated[str | None, typer.Option(help="Train this variant instead of the recipe's.")] = None,
    start: Annotated[str | None, typer.Option(help="Weights to begin with: a file or bundled ones.")] = None,
    resume: _training.Resume = False,
    accelerator: _training.Accelerator = "auto",
    devices: _training.Devices = 1,
    nodes: _training.Nodes = 1,
    precision: _training.Precision = "32-true",
    threads: _training.Threads = None,
) -> None:
    """Train a codec; Ctrl-C saves a checkpoint, --resume goes on exactly where it stopped."""
    from sdrjscc.training.claim import claimed
    from sdrjscc.training.loop import Trainer
    from sdrjscc.training.recipe import load_recipe

    parsed = load_recipe(recipe, variant, start)
    folder = out or Path("runs") / "-".join(filter(None, (Path(recipe).stem, variant)))
    check_out(folder)
    fabric = _training.Machine(accelerator, devices, nodes, precision, threads).launched(folder)
    with claimed(folder, fabric):
        trainer = Trainer(parsed, data, folder, fabric=fabric, resume=resume)
        if _training.run(trainer, fabric) and trainer.step < parsed.run.steps:
            _training.end_stopped(f"step {trainer.step}", folder)
    console.print(f"best weights: {folder / 'best.safetensors'} (validation {trainer.best_db:.2f} dB)")
