"""``sdrjscc prune``: cut a codec's latent down in rounds, fine-tuning after each."""

from pathlib import Path
from typing import Annotated

import typer

from sdrjscc.cli import _training
from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out


def prune(
    recipe: _training.RecipeSource,
    data: _training.Data,
    gamma: Annotated[
        float, typer.Option(help="Share of latent channels to prune, between 0 and 1, both excluded.")
    ],
    start: Annotated[str, typer.Option(help="Weights of the sparse training: a file or bundled ones.")],
    rounds: Annotated[int, typer.Option(help="Rounds of pruning and fine-tuning; 1: one shot.")] = 4,
    out: _training.Out = None,
    resume: _training.Resume = False,
    accelerator: _training.Accelerator = "auto",
    devices: _training.Devices = 1,
    nodes: _training.Nodes = 1,
    precision: _training.Precision = "32-true",
    threads: _training.Threads = None,
) -> None:
    """Prune a codec's latent channels; every round fine-tunes by the recipe, on its loss alone."""
    from sdrjscc.training.claim import claimed
    from sdrjscc.training.prune import PruningRun
    from sdrjscc.training.recipe import load_recipe

    folder = out or Path("runs") / f"{Path(recipe).stem}-gamma-{gamma:g}"
    check_out(folder)
    plan = PruningRun(load_recipe(recipe), start, folder, gamma=gamma, rounds=rounds, resume=resume)
    fabric = _training.Machine(accelerator, devices, nodes, precision, threads).launched(folder)
    with claimed(folder, fabric):
        for one in plan.unfinished():
            with claimed(one.folder, fabric):
                trainer = plan.trainer(one, data, fabric)
                title = f"round {one.number}/{rounds}, {one.channels} channels"
                if _training.run(trainer, fabric, title=title, first_step=plan.steps_before(one)):
                    _training.end_stopped(f"step {trainer.step} of round {one.number}", folder)
        if fabric.is_global_zero:
            plan.finish()
    console.print(f"pruned weights: {folder / 'best.safetensors'} ({plan.rounds[-1].channels} channels)")
