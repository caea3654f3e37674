"""Checkpoints and best weights of a training run, written atomically."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdrjscc.codecs._weights import save_weights
from sdrjscc.config import configure
from sdrjscc.errors import TrainingError
from sdrjscc.files import write_atomic
from sdrjscc.training.recipe import Recipe, parse_recipe


def write_checkpoint(path: Path, recipe: Recipe, state: dict[str, Any]) -> None:
    """Write ``state`` with the whole recipe."""
    content = {"recipe": recipe.model_dump(mode="json"), **state}
    write_atomic(path, lambda part: torch.save(content, part))


def read_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint of the same recipe.

    Raises:
        TrainingError: it is missing, broken, or of another recipe (names the first difference).
    """
    content = _read(path)
    stored = content.pop("recipe")
    wanted = recipe.model_dump(mode="json")
    for key in wanted:
        if stored.get(key) != wanted[key]:
            raise TrainingError(
                f"a run resumes with its own recipe: [{key}] must be {stored.get(key)} (got {wanted[key]})"
            )
    return content


def write_best(path: Path, network: nn.Module, recipe: Recipe) -> None:
    """Write the averaged weights with the codec's architecture, ready for ``weights =``."""
    save_weights(network, path, recipe.codec["name"], _architecture(recipe.codec))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise TrainingError(f"a run must hold a checkpoint to go on from (there is no {path})")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["recipe"], content["step"]
    except Exception as error:
        raise TrainingError(f"{path} must be a checkpoint of sdrjscc train (got: {error})") from None
    return content


def _architecture(table: dict[str, Any]) -> dict[str, Any]:
    _, config = configure("codecs", table, "codec")
    full = config if isinstance(config, dict) else config.model_dump(mode="json")
    return {key: value for key, value in full.items() if key != "weights"}


def read_run(path: Path) -> tuple[Recipe, int]:
    """Recipe and number of finished steps of a run's checkpoint.

    Raises:
        TrainingError: it is missing or broken.
    """
    content = _read(path)
    return parse_recipe(content["recipe"]), int(content["step"])
