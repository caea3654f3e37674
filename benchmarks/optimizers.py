"""Adam against Muon: validation PSNR after as many steps, the steps of both taken in turn.

python benchmarks/optimizers.py --data photos/ --recipe dsc_jscc_alike --steps 1500
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from sdrjscc.training.loop import Trainer
from sdrjscc.training.recipe import Recipe, load_recipe, parse_recipe

CONTENDERS = {
    "adam": {"name": "adam", "relative": False},
    "adam, relative rates": {"name": "adam", "relative": True},
    "muon, relative rates": {"name": "muon", "relative": True},
}


def main() -> None:
    """Print a row a contender, and write the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--recipe", default="dsc_jscc_alike")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument(
        "--rates", type=float, nargs=3, default=[4e-3, 4e-3, 2e-3], help="learning rate of each contender"
    )
    parser.add_argument("--json", type=Path, help="file for the curves")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = _raced(arguments)
    for row in rows:
        levels = "  ".join(
            f"{value:.2f} @{snr}" for snr, value in row["validation_db"][-1]["psnr_db"].items()
        )
        print(
            f"{row['contender']:22} rate {row['learning_rate']:g}  {row['ms_per_step']:.0f} ms/step  {levels}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def _raced(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1)
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for (name, options), rate in zip(CONTENDERS.items(), arguments.rates, strict=True):
            recipe = _recipe(
                load_recipe(arguments.recipe), {**options, "learning_rate": rate}, arguments.steps
            )
            trainer = Trainer(recipe, arguments.data, Path(folder) / name, fabric=fabric)
            row = {"contender": name, "learning_rate": rate, "validation_db": [], "seconds": 0.0}
            runs.append((row, trainer.run()))
        for _ in range(arguments.steps):
            for row, steps in runs:
                _advance(row, steps)
    for row, _ in runs:
        row["ms_per_step"] = 1e3 * row.pop("seconds") / arguments.steps
    return [row for row, _ in runs]


def _advance(row: dict[str, Any], steps: Any) -> None:
    began = time.process_time()
    report = next(steps)
    if report.validation_db:
        levels = {f"{snr:g}": round(value, 3) for snr, value in report.validation_db.items()}
        row["validation_db"].append({"step": report.step, "psnr_db": levels})
    else:  # the time of a validation is not a step's
        row["seconds"] += time.process_time() - began


def _recipe(recipe: Recipe, optimizer: dict[str, Any], steps: int) -> Recipe:
    table = recipe.model_dump(mode="json")
    table["optimizer"] |= {**optimizer, "warmup_steps": steps // 30, "ema": 0.98}
    table["run"]["phases"] = [{**table["run"]["phases"][0], "steps": steps}]
    table["run"] |= {"log_every": 1, "validate_every": max(1, steps // 5), "checkpoint_every": steps}
    return parse_recipe(table)


if __name__ == "__main__":
    main()
