"""Checkpoints and best weights of a training run, written atomically."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdrjscc.codecs._weights import save_weights
from sdrjscc.config import configure
from sdrjscc.errors import TrainingError
from sdrjscc.files import write_atomic
from sdrjscc.training.recipe import Recipe, parse_recipe

STATE = ("step", "best_db", "network", "average", "optimizer")
"""What a checkpoint holds beside the recipe."""


def write_checkpoint(path: Path, recipe: Recipe, state: dict[str, Any]) -> None:
    """Write ``state`` with the whole recipe; the old checkpoint stays if it cannot be.

    Raises:
        TrainingError: it cannot be written, as on a full disk.
    """
    content = {"recipe": recipe.model_dump(mode="json"), **state}
    try:
        write_atomic(path, lambda part: torch.save(content, part))
    except RuntimeError as error:  # torch's own words for a full disk
        raise TrainingError(f"{path} must be written (got: {str(error).splitlines()[0]})") from None


def read_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint of the same recipe.

    Raises:
        TrainingError: it is missing, broken, or of another recipe (names the first difference).
    """
    content = _read(path)
    stored, wanted = _flat(content.pop("recipe")), _flat(recipe)
    for key in sorted(stored.keys() | wanted.keys()):
        must, got = stored.get(key), wanted.get(key)
        if must != got:
            must = "left out" if must is None else must
            got = "it is left out" if got is None else f"got {got}"
            raise TrainingError(f"a run goes on with its own recipe: {key} must be {must} ({got})")
    return content


def write_best(path: Path, network: nn.Module, recipe: Recipe) -> None:
    """Write the averaged weights with the codec's architecture, ready for ``weights =``."""
    save_weights(network, path, recipe.codec["name"], architecture(recipe.codec))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise TrainingError(f"a run must hold a checkpoint to go on from (there is no {path})")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["recipe"] = parse_recipe(content["recipe"])
        for key in STATE:
            content[key]
    except Exception as error:  # torch.load raises anything on damaged bytes
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path} must be a whole checkpoint of a training run (got: {reason})") from None
    return content


def _flat(recipe: Recipe) -> dict[str, Any]:
    """Every key of every table, e.g. ``optimizer.ema`` and ``run.phases.0.steps``."""
    return dict(_entries("", recipe.model_dump(mode="json")))


def _entries(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {str(number): table for number, table in enumerate(value)}
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inner in value.items():
        yield from _entries(f"{path}.{key}" if path else key, inner)


def architecture(table: dict[str, Any]) -> dict[str, Any]:
    """All options of a codec's table but its weights, with defaults filled in."""
    _, config = configure("codecs", table, "codec")
    full = config if isinstance(config, dict) else config.model_dump(mode="json")
    return {key: value for key, value in full.items() if key != "weights"}


def read_run(path: Path) -> tuple[Recipe, int]:
    """Recipe and number of finished steps of a run's checkpoint.

    Raises:
        TrainingError: it is missing or broken.
    """
    content = _read(path)
    return content["recipe"], int(content["step"])
