"""What the tests of pruning share; also run as a program, to be killed.

``python prune_runs.py ROUND STEP SECONDS ARGUMENTS...`` runs ``sdrjscc`` with these arguments and
is killed by the kernel so many seconds of processor time after it logged that step of that round.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import tomli_w
import torch

from sdrjscc.cli import _training
from sdrjscc.cli.main import main
from sdrjscc.codecs._weights import save_weights
from sdrjscc.codecs.base import LatentCodec, load_codec

CHANNELS = 16
TABLE: dict[str, Any] = {
    "codec": {"name": "ren2026", "latent_channels": CHANNELS, "weights": "untrained"},
    "mapping": {"name": "analog_real"},
    "channel": {"name": "fading", "least_gain": 0.1},
    "terms": {"sparsity": 1e-5},
    "data": {"validation_share": 0.2, "min_scale": 0.8},
    "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2, "ema": 0.5},
    "run": {
        "phases": [{"steps": 6, "crop": 32, "batch": 2}],
        "snr_db": [25.0, 25.0],
        "validate_every": 3,
        "validation_snr_db": [25.0],
        "checkpoint_every": 2,
        "log_every": 1,
    },
}


def write_recipe(folder: Path, **changes: Any) -> Path:
    path = folder / "recipe.toml"
    path.write_text(tomli_w.dumps({**TABLE, **changes}))
    return path


def write_start(folder: Path, channels: int = CHANNELS, variant: str = "base") -> Path:
    """Weights of a codec whose scale factors all differ."""
    codec = load_codec("ren2026", variant, latent_channels=channels, weights="untrained")
    assert isinstance(codec, LatentCodec)
    disturb(codec)
    path = folder / f"sparse-{variant}-{channels}.safetensors"
    save_weights(codec, path, "ren2026", {"variant": variant, "latent_channels": channels})
    return path


def disturb(codec: LatentCodec) -> None:
    """Give the batch norm scale factors, shifts and statistics as if it had been trained."""
    generator = torch.Generator().manual_seed(1)
    norm = codec.encoder.norm
    assert isinstance(norm, torch.nn.BatchNorm2d)
    with torch.no_grad():
        for value in (norm.weight, norm.bias, norm.running_mean):
            value.copy_(torch.randn(value.shape, generator=generator))
        norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.1)


def arguments(recipe: Path, start: Path, data: Path, out: Path, *more: str) -> list[str]:
    options = ["--gamma", "0.5", "--rounds", "2", "--accelerator", "cpu", "--threads", "1"]
    return [
        "prune",
        str(recipe),
        "--start",
        str(start),
        "--data",
        str(data),
        "--out",
        str(out),
        *options,
        *more,
    ]


def at(number: int, step: int, act: Any) -> Any:
    """A stand-in for the command's log function that acts after that step of that round."""
    log = _training._log

    def logged(report: Any, folder: Path, *rest: Any) -> None:
        log(report, folder, *rest)
        if folder.name == f"round-{number}" and report.step == step:
            act()

    return logged


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    number, step, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    _training._log = at(number, step, lambda: signal.setitimer(signal.ITIMER_PROF, seconds))
    sys.exit(main(sys.argv[4:]))
