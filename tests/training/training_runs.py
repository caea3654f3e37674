"""What the tests of training share; also run as a program, to be killed.

``python training_runs.py DATA OUT STEP SECONDS`` trains ``recipe()`` and is killed by the kernel
so many seconds of processor time after that step, wherever it is then.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import torch

from sdrjscc.images.io import to_uint8, write_png
from sdrjscc.training.loop import Trainer
from sdrjscc.training.recipe import Recipe, parse_recipe


def make_pictures(folder: Path, count: int = 24) -> Path:
    """Coloured gradients with a disc on them."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 48), indexing="ij")
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        slopes, disc, place = (torch.rand(3, generator=generator) for _ in range(3))
        picture = 0.5 + 0.4 * (slopes[:, None, None] - 0.5) * (x + y)
        inside = (x - place[0]).square() + (y - place[1]).square() < 0.3
        write_png(
            folder / f"picture-{number}.png", to_uint8(torch.where(inside, disc[:, None, None], picture))
        )
    return folder


def recipe(**changes: Any) -> Recipe:
    """90 steps in two phases; ``optimizer_ema=0.5`` changes ``[optimizer] ema``."""
    table: dict[str, Any] = {
        "codec": {"name": "dsc_jscc", "variant": "60-E2D2", "weights": "untrained"},
        "channel": {"name": "awgn"},
        "data": {"validation_share": 0.2, "min_scale": 0.8},
        "optimizer": {"learning_rate": 5e-3, "warmup_steps": 10, "ema": 0.95, "weight_decay": 1e-3},
        "run": {
            "phases": [{"steps": 30, "crop": 16, "batch": 3}, {"steps": 60, "crop": 32, "batch": 2}],
            "seed": 5,
            "validate_every": 25,
            "validation_snr_db": [10.0],
            "checkpoint_every": 7,
            "log_every": 1,
        },
    }
    for name, value in changes.items():
        section, _, key = name.partition("_")
        if key:
            table[section][key] = value
        else:
            table[section] = value
    return parse_recipe(table)


def trainer(data: Path, out: Path, made: Recipe | None = None, *, resume: bool = False) -> Trainer:
    import lightning

    fabric = lightning.Fabric(accelerator="cpu", devices=1)
    return Trainer(recipe() if made is None else made, data, out, fabric=fabric, resume=resume)


def state(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint, by its path in it."""
    flat: dict[str, torch.Tensor] = {}

    def collect(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            flat[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                collect(f"{name}/{key}", inner)

    collect("", torch.load(path / "checkpoint.pt", weights_only=True))
    return flat


def main(data: str, out: str, step: str, seconds: str) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for report in trainer(Path(data), Path(out)).run():
        if report.step == int(step):
            signal.setitimer(signal.ITIMER_PROF, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
