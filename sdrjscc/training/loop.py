"""The training loop: every step a pure function of (weights, optimiser, recipe, step).

Lightning Fabric places it on devices and machines. Order of pictures, crops, SNR and noise
are derived from (seed, step), so a run resumed from a checkpoint goes on exactly as if it
had not been stopped.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdrjscc.codecs.base import build_codec
from sdrjscc.errors import TrainingError
from sdrjscc.images.datasets import CropSource, check_sides, find_images, split_by_name
from sdrjscc.link.fit import check_fit
from sdrjscc.mapping.base import build_mapper
from sdrjscc.randomness import derived_generator
from sdrjscc.training.channels import build_symbol_channel
from sdrjscc.training.checkpoint import read_checkpoint, write_best, write_checkpoint
from sdrjscc.training.muon import Muon, layer_weights
from sdrjscc.training.objective import Objective, check_modes, check_parts, check_terms, enter
from sdrjscc.training.recipe import Optimizer, Recipe
from sdrjscc.training.schedule import learning_rate
from sdrjscc.training.validate import validation_batches, validation_mode, validation_psnr_db

_VALIDATION_MULTIPLE = 16
_USUAL_WEIGHT = 0.1


@dataclass
class Progress:
    """What a step reports: ``validation_db`` only after a validation.

    ``seconds`` are those of the whole run, whatever came between its parts left out.
    """

    step: int
    loss: float
    learning_rate: float
    seconds: float
    validation_db: dict[float, float] = field(default_factory=dict)


class Trainer:
    """A run of one recipe on one data folder, writing to one output folder."""

    def __init__(self, recipe: Recipe, data: Path, out: Path, *, fabric: Any, resume: bool = False) -> None:
        """Build everything; read the checkpoint when resuming.

        Args:
            recipe: what to train, and how.
            data: folder of pictures.
            out: folder of the checkpoint, weights and log.
            fabric: a launched ``lightning.Fabric``.
            resume: go on from ``out/checkpoint.pt``.

        Raises:
            TrainingError: the folder has no pictures, or one that is unreadable or smaller than
                a crop; the checkpoint is missing, broken or of another recipe; or there is one
                already and ``resume`` was not asked for; or codec, mapping, crops or
                channel do not fit, or the recipe names loss terms or parts that are not there.
        """
        checkpoint = out / "checkpoint.pt"
        if checkpoint.exists() and not resume:
            raise TrainingError(f"{out} holds a run already; add --resume to go on, or choose another --out")
        self.recipe, self.out, self.fabric = recipe, out, fabric
        self.step, self.best_db, self.seconds = 0, -math.inf, 0.0
        codec = build_codec(recipe.codec if resume else _start(recipe))
        if not isinstance(codec, nn.Module):
            raise TrainingError(f"codec {recipe.codec['name']} must be a torch module to be trained")
        self.network = codec.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mapper = build_mapper(recipe.mapping)
        check_fit(codec, self.mapper, recipe.codec, recipe.mapping)
        self.channel = build_symbol_channel(recipe.channel)
        check_modes(recipe, self.mapper, codec)
        check_parts(recipe, self.network)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = _build_optimizer(recipe.optimizer, self.network)
        self.train_source, validation = _sources(recipe, data, codec.multiple)
        self.validation = [batch.to(fabric.device) for batch in validation]
        if resume:
            self._restore(read_checkpoint(checkpoint, recipe), checkpoint)
        objective = Objective(self.network, self.mapper, self.channel, recipe)
        check_terms(recipe, objective)
        self.module, self.optimizer = fabric.setup(objective, self.optimizer)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train to the last step or until ``stop()``; yields after log and validation steps.

        A checkpoint is written every ``checkpoint_every`` steps and at the end, also of a
        stopped run.

        Args:
            stop: asked before every step; of several processes, that of rank zero decides.

        Raises:
            TrainingError: loss or gradient is no longer finite; the last checkpoint stays.
        """
        began, run = time.monotonic() - self.seconds, self.recipe.run
        entered = None
        while self.step < run.steps and not self._stopped(stop):
            phase, _ = run.at(self.step)
            if phase is not entered:
                enter(phase, self.network)
                entered = phase
            loss = self._train_step()
            self.step += 1
            last = self.step == run.steps
            validation = self._validate() if last or self.step % run.validate_every == 0 else {}
            self.seconds = time.monotonic() - began
            if last or self.step % run.checkpoint_every == 0:
                self.save()
            if validation or self.step % run.log_every == 0:
                rate = learning_rate(self.recipe.optimizer, run, self.step)
                yield Progress(self.step, float(loss), rate, self.seconds, validation)
        if self.step < run.steps:
            self.save()

    def save(self) -> None:
        """Write the checkpoint atomically (rank zero only)."""
        if self.fabric.is_global_zero:
            state = {
                "step": self.step,
                "best_db": self.best_db,
                "seconds": self.seconds,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
            write_checkpoint(self.out / "checkpoint.pt", self.recipe, state)

    def _stopped(self, stop: Callable[[], bool]) -> bool:
        return stop() if self.fabric.world_size == 1 else bool(self.fabric.broadcast(stop()))

    def _train_step(self) -> Tensor:
        recipe, rank, ranks = self.recipe, self.fabric.global_rank, self.fabric.world_size
        phase, drawn = recipe.run.at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(recipe.optimizer, recipe.run, self.step)
        images = self.train_source.batch(drawn * ranks + rank * phase.batch, phase.batch, phase.crop)
        images = images.to(self.fabric.device, memory_format=torch.channels_last)
        generator = derived_generator("channel", recipe.run.seed, self.step, rank)
        loss: Tensor = self.module(images, phase.modes, generator)
        self._check_finite("loss", loss.detach())
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=recipe.optimizer.clip_norm, error_if_nonfinite=False
        )
        # With 16-bit floats the gradient scaler skips a step that overflowed, and goes on.
        if self.fabric.strategy.precision.precision != "16-mixed":
            self._check_finite("gradient", norm)
        self.optimizer.step()
        self._update_average()
        return loss.detach()

    def _check_finite(self, name: str, value: Tensor) -> None:
        if not bool(torch.isfinite(value)):
            raise TrainingError(
                f"{name} must stay finite (got {float(value)} in step {self.step + 1}); "
                "a lower learning_rate or clip_norm may help"
            )

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.optimizer.ema, (1.0 + self.step) / (10.0 + self.step))
        averaged, current = self.average.state_dict(), self.network.state_dict()
        for key, value in averaged.items():
            if value.is_floating_point():
                value.lerp_(current[key], 1.0 - decay)
            else:
                value.copy_(current[key])

    @torch.no_grad()
    def _validate(self) -> dict[float, float]:
        self.average.eval()
        codec, run, result = self.average, self.recipe.run, {}
        for snr_db in run.validation_snr_db:
            mode = validation_mode(self.mapper, codec, run, snr_db)
            parts = codec, self.mapper, self.channel
            result[snr_db] = validation_psnr_db(*parts, self.validation, snr_db, mode)
        mean_db = sum(result.values()) / len(result)
        if self.fabric.is_global_zero and mean_db > self.best_db:
            self.best_db = mean_db
            write_best(self.out / "best.safetensors", self.average, self.recipe)
        return result

    def _restore(self, state: dict[str, Any], path: Path) -> None:
        self.step, self.best_db = int(state["step"]), float(state["best_db"])
        self.seconds = float(state.get("seconds", 0.0))  # checkpoints of before have none
        try:
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise TrainingError(f"{path} must fit the recipe's codec (got: {reason})") from None


def _build_optimizer(config: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
    matrices = layer_weights(network)
    groups = [
        {
            "params": [weights],
            "factor": _relative_scale(weights) if config.relative else 1.0,
            "matrix": weights in matrices,
        }
        for weights in network.parameters()
    ]
    optimizer: torch.optim.Optimizer = kinds[config.name](
        groups, lr=config.learning_rate, weight_decay=config.weight_decay
    )
    return optimizer


def _relative_scale(weights: Tensor) -> float:
    """Root mean square over 0.1; 1 for vectors, such as biases, and for what begins at zero."""
    scale = float(weights.detach().square().mean().sqrt()) / _USUAL_WEIGHT
    return scale if weights.ndim > 1 and scale > 0 else 1.0


def _sources(recipe: Recipe, data: Path, multiple: int) -> tuple[CropSource, list[Tensor]]:
    crops = [phase.crop for phase in recipe.run.phases]
    for crop in crops:
        if crop % multiple:
            raise TrainingError(f"a crop must be a multiple of the codec's {multiple} px (got {crop})")
    paths = find_images(data, recipe.data.exclude)
    multiple = math.lcm(_VALIDATION_MULTIPLE, multiple)
    check_sides(paths, max(multiple, *crops))
    training, validation = split_by_name(paths, recipe.data.validation_share)
    source = CropSource(training, min_scale=recipe.data.min_scale, seed=recipe.run.seed)
    if not validation:
        raise TrainingError(f"data must hold at least two pictures, one for validation (got {len(paths)})")
    return source, validation_batches(validation, multiple)


def _start(recipe: Recipe) -> dict[str, Any]:
    return recipe.codec if recipe.start is None else {**recipe.codec, "weights": recipe.start}
