"""Publish a training run's weights: 16-bit safetensors and a card that says what they are."""

import datetime
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sdrjscc.codecs._weights import UNTRAINED, save_weights
from sdrjscc.codecs.base import build_codec
from sdrjscc.errors import TrainingError
from sdrjscc.evaluation.symbol_level import CARD_SNR_DB, centre_square, evaluate, mean_by_snr
from sdrjscc.files import write_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import read_image
from sdrjscc.link.fit import codec_name
from sdrjscc.mapping.base import bind, build_mapper
from sdrjscc.mapping.vq import Vq
from sdrjscc.randomness import derived_generator
from sdrjscc.training.channels import build_symbol_channel
from sdrjscc.training.checkpoint import architecture, read_run
from sdrjscc.training.recipe import Recipe

CROP_PX = 256
_RESERVED = ("bundled", UNTRAINED)
HIGH_SNR_DB = (25.0,)


def _unheard(done: int, total: int) -> None:
    pass


def export(
    run: Path,
    test: Path,
    target: Path,
    *,
    data: str,
    terms: str,
    name: str | None = None,
    progress: Callable[[int, int], None] = _unheard,
) -> dict[str, Any]:
    """Measure, then write ``<name>.safetensors`` and its card into ``target``: both, or nothing.

    Codewords are put on the constellation's points so that a wrong decision costs little.

    Args:
        run: output folder of ``sdrjscc train``.
        test: folder of test pictures, lossless and not trained on.
        target: folder to write into.
        data: what it was trained on, in words.
        terms: what the data's terms mean for the weights.
        name: of the weights; ``None``: ``<codec>_<variant>``.
        progress: called while measuring with the pixels sent so far, and all that will be.

    Returns:
        The card.

    Raises:
        TrainingError: the run has no weights, there are no test pictures, or the name is no name.
    """
    _check_name(name)
    best = run / "best.safetensors"
    if not best.exists():
        raise TrainingError(
            f"a run must hold best.safetensors to be exported, which training writes at every "
            f"validation, the first after its recipe's validate_every steps (there is none in {run})"
        )
    recipe, step = read_run(run / "checkpoint.pt")
    table = {**recipe.codec, "weights": str(best)}
    options = architecture(recipe.codec)
    name = name or codec_name({**options, "name": recipe.codec["name"]}).replace("/", "_").replace(":", "_")
    codec = build_codec(table)
    assert isinstance(codec, nn.Module)
    if isinstance(mapper := bind(build_mapper(recipe.mapping), codec), Vq):
        mapper.assign_points(derived_generator("assignment", name))
    plan, curve = codec.plan(CROP_PX, CROP_PX), _curve(run / "log.jsonl")
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / f"{name}.safetensors"
        save_weights(codec, weights, recipe.codec["name"], options, half=True)
        card = {
            "codec": recipe.codec["name"],
            "variant": options.get("variant"),
            "file": weights.name,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "parameters": sum(p.numel() for p in codec.parameters()),
            "architecture": options,
            "rho": plan.symbols / (3 * CROP_PX * CROP_PX),
            "date": datetime.date.today().isoformat(),
            "steps": max([step, *(point["step"] for point in curve)]),  # pruning: of all rounds
            "recipe": recipe.model_dump(mode="json"),
            "data": data,
            "terms": terms,
            "curve": curve,
            **_quality({**table, "weights": str(weights)}, recipe, test, progress),
        }
        _publish(weights, card, target)
    return card


def _check_name(name: str | None) -> None:
    if name is not None and (name in _RESERVED or not re.fullmatch(r"[\w][\w.-]*", name)):
        raise TrainingError(
            f"a name of weights must be letters, digits, '-', '_' and '.', and not {' or '.join(_RESERVED)} "
            f"(got '{name}')"
        )


def _publish(weights: Path, card: dict[str, Any], target: Path) -> None:
    """Copy the weights and write the card beside them, which appears when the weights are there."""

    def copy(part: Path) -> None:
        shutil.copyfile(weights, part)

    def write_both(part: Path) -> None:
        part.write_text(json.dumps(card, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        write_atomic(target / weights.name, copy)

    write_atomic(target / f"{weights.stem}.json", write_both)


def _curve(log: Path) -> list[dict[str, Any]]:
    """Validation PSNR over steps, as ``sdrjscc train`` logged it; of a resumed step the last."""
    if not log.exists():
        return []
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    validated = {entry["step"]: entry["validation_db"] for entry in entries if entry["validation_db"]}
    return [{"step": step, "psnr_db": validated[step]} for step in sorted(validated)]


def _quality(
    codec_table: dict[str, Any], recipe: Recipe, test: Path, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    codec, mapper = build_codec(codec_table), build_mapper(recipe.mapping)
    awgn, done = build_symbol_channel({"name": "awgn"}), 0
    levels = (*CARD_SNR_DB, *(HIGH_SNR_DB if recipe.run.snr_db[1] > CARD_SNR_DB[-1] + 3.0 else ()))
    whole = [read_image(path) for path in find_images(test)]
    squares = [centre_square(picture, CROP_PX) for picture in whole]
    sets = {"crops": (awgn, squares)}
    if any(max(picture.width, picture.height) > CROP_PX for picture in whole):
        sets["full"] = awgn, whole
    if recipe.channel["name"] != "awgn":
        sets["own"] = build_symbol_channel(recipe.channel), squares
    total = len(levels) * sum(one.width * one.height for _, pictures in sets.values() for one in pictures)

    def report(pixels: int) -> None:
        nonlocal done
        done += pixels
        progress(done, total)

    report(0)
    rows = {
        name: evaluate(codec, mapper, channel, pictures, levels, report=report)
        for name, (channel, pictures) in sets.items()
    }
    crops, full = rows["crops"], rows.get("full", rows["crops"])
    quality = {
        "test": f"{len(whole)} pictures of {test.name}, AWGN at symbol level, SNR per complex symbol in dB",
        "psnr_db": mean_by_snr(crops, "psnr_db"),
        "ssim": mean_by_snr(crops, "ssim"),
        "psnr_db_full": mean_by_snr(full, "psnr_db"),
        "ssim_full": mean_by_snr(full, "ssim"),
    }
    own = {"psnr_db_own_channel": mean_by_snr(rows["own"], "psnr_db")} if "own" in rows else {}
    return {**quality, **own}
