"""Structured pruning of a codec's latent in rounds, each followed by fine-tuning.

```
start ── keep the largest |eta| ── fine-tune ── keep ... ── fine-tune ──> pruned codec
```
Source: "Lightweight Low-SNR-Robust Semantic Communication System for Autonomous Driving",
Algorithm 1, after its sparse training: eta are the scale factors of the batch norm behind the
encoder's last convolution. A channel that goes takes its filters, its statistics and the
decoder's weights for it along, so fewer symbols are sent. Settled here: round r of R leaves
round(c (1 - gamma r/R)) of c channels and begins with the best weights of the round before it.

A run's folder holds ``pruning.json``, a training run ``round-1``, ``round-2``, ... a round, and
in the end what the last round gave, as a training run of its own.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdrjscc import plugins
from sdrjscc.codecs._weights import UNTRAINED
from sdrjscc.codecs.base import LatentCodec, build_codec
from sdrjscc.errors import TrainingError
from sdrjscc.files import write_atomic, write_json_atomic, write_text_atomic
from sdrjscc.link.fit import codec_name
from sdrjscc.training.checkpoint import read_checkpoint, read_run, write_best
from sdrjscc.training.loop import Trainer
from sdrjscc.training.recipe import Recipe

_BEST, _CHECKPOINT, _LOG, _START = "best.safetensors", "checkpoint.pt", "log.jsonl", "start.safetensors"


def widths(channels: int, gamma: float, rounds: int) -> list[int]:
    """Latent channels left after each round.

    Raises:
        TrainingError: ``gamma`` or ``rounds`` is out of range, or a round would leave no channel
            or take none.
    """
    if not 0.0 < gamma < 1.0:
        raise TrainingError(f"gamma must lie between 0 and 1, both excluded (got {gamma:g})")
    if rounds < 1:
        raise TrainingError(f"there must be at least one round (got {rounds})")
    left = [round(channels * (1.0 - gamma * number / rounds)) for number in range(1, rounds + 1)]
    if left[-1] < 1:
        raise TrainingError(f"gamma must leave at least one of {channels} channels (got {gamma:g})")
    if any(after >= before for before, after in pairwise([channels, *left])):
        raise TrainingError(
            f"each round must take at least one of {channels} channels (got {rounds} rounds, gamma {gamma:g})"
        )
    return left


def latent_norm(codec: LatentCodec) -> nn.BatchNorm2d:
    """The last batch norm of the encoder, if it is over the latent channels.

    Raises:
        TrainingError: it is not, or there is none.
    """
    found = [module for module in codec.encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    if not found or found[-1].num_features != codec.channels:
        raise TrainingError(
            "a codec must have a batch norm over its latent channels to be pruned (this one has none)"
        )
    return found[-1]


def kept_channels(scales: Tensor, count: int) -> Tensor:
    """Indices, ascending, of the ``count`` largest absolute scale factors; of equal ones the first."""
    order = scales.detach().abs().argsort(descending=True, stable=True)
    return order[:count].sort().values


def prune_latent(codec: LatentCodec, count: int) -> None:
    """Cut ``codec`` down to the ``count`` latent channels of the largest scale factors, in place.

    Filters, batch norm and the decoder's inputs lose the others' entries; the rest stays as it is.

    Raises:
        TrainingError: there is no batch norm to go by, or the extra 'train' is not installed.
    """
    try:
        import torch_pruning
    except ImportError as error:
        raise TrainingError(
            f"pruning needs the extra 'train': pip install 'sdrjscc[train]' (got: {error})"
        ) from None
    norm = latent_norm(codec)
    kept = set(kept_channels(norm.weight, count).tolist())
    images = torch.zeros(1, 3, codec.multiple, codec.multiple).to(norm.weight)
    with torch.enable_grad():
        graph = torch_pruning.DependencyGraph().build_dependency(
            nn.Sequential(codec.encoder, codec.decoder), example_inputs=images
        )
    dropped = [index for index in range(codec.channels) if index not in kept]
    graph.get_pruning_group(norm, torch_pruning.prune_batchnorm_out_channels, dropped).prune()
    codec.channels = count


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        number: from 1.
        channels: what it leaves.
        recipe: of its fine-tuning.
        folder: its training run.
    """

    number: int
    channels: int
    recipe: Recipe
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Where its checkpoint is."""
        return self.folder / _CHECKPOINT

    def finished(self) -> bool:
        """Whether all its steps are done.

        Raises:
            TrainingError: the folder's checkpoint is broken or of another recipe.
        """
        if not self.checkpoint.exists():
            return False
        return int(read_checkpoint(self.checkpoint, self.recipe)["step"]) == self.recipe.run.steps


class PruningRun:
    """Rounds of pruning and fine-tuning towards one share of channels, in one folder."""

    def __init__(
        self, recipe: Recipe, start: str, out: Path, *, gamma: float, rounds: int = 4, resume: bool = False
    ) -> None:
        """Plan the rounds; nothing is written.

        Args:
            recipe: of the codec to prune, and how each round fine-tunes; its loss terms are left out.
            start: weights of the sparse training, a file or the name of bundled ones.
            out: the run's folder.
            gamma: share of latent channels to prune.
            rounds: R; 1 prunes in one shot.
            resume: go on with the run in ``out``.

        Raises:
            TrainingError: gamma or rounds is out of range; the codec has nothing to prune; the
                folder holds a run and ``resume`` was not asked for, or none or another and it was.
            WeightsError: the weights are missing or of another architecture.
        """
        self._start, self.out = {**recipe.codec, "weights": start}, out
        codec = _build(self._start)
        latent_norm(codec)
        left = widths(codec.channels, gamma, rounds)
        tables = [{**recipe.codec, "latent_channels": count, "weights": UNTRAINED} for count in left]
        tables[-1] = _published(tables[-1], f"gamma-{gamma:g}")
        self.rounds = [
            _round(number, count, table, recipe, out)
            for number, (count, table) in enumerate(zip(left, tables, strict=True), start=1)
        ]
        self._record = {"start": codec.fingerprint, "gamma": gamma, "rounds": rounds}
        self._check_folder(resume=resume)

    def unfinished(self) -> Iterator[Round]:
        """The rounds that still have steps to do, in order; ask for one when the one before is done."""
        return (one for one in self.rounds if not one.finished())

    def trainer(self, one: Round, data: Path, fabric: Any) -> Trainer:
        """Prune, where that is not done yet, and set up the round's fine-tuning.

        Args:
            one: the round; the one before it is finished.
            data: folder of pictures.
            fabric: a launched ``lightning.Fabric``.

        Raises:
            TrainingError: as :class:`~sdrjscc.training.loop.Trainer` says.
        """
        resume = one.checkpoint.exists()
        if not resume and fabric.is_global_zero:
            write_json_atomic(self.out / "pruning.json", self._record)
            codec = _build(self._table_before(one))
            prune_latent(codec, one.channels)
            write_best(one.folder / _START, codec, one.recipe)
        fabric.barrier()
        return Trainer(one.recipe, data, one.folder, fabric=fabric, resume=resume)

    def finish(self) -> None:
        """Make the folder a training run: weights and checkpoint of the last round, the log of all."""
        last = self.rounds[-1].folder
        for name in (_BEST, _CHECKPOINT):
            _copy(last / name, self.out / name)
        write_text_atomic(self.out / _LOG, "".join(json.dumps(entry) + "\n" for entry in self._logged()))

    def steps_before(self, one: Round) -> int:
        """Steps of all rounds before this one."""
        return (one.number - 1) * one.recipe.run.steps

    def _logged(self) -> Iterator[dict[str, Any]]:
        before_s = 0.0
        for one in self.rounds:
            path = one.folder / _LOG
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            entries = [json.loads(line) for line in lines]
            for entry in entries:
                step, seconds = entry["step"] + self.steps_before(one), entry["seconds"] + before_s
                yield {**entry, "step": step, "seconds": seconds, "round": one.number}
            before_s += max((entry["seconds"] for entry in entries), default=0.0)

    def _table_before(self, one: Round) -> dict[str, Any]:
        if one.number == 1:
            return self._start
        before = self.rounds[one.number - 2]
        return {**before.recipe.codec, "weights": str(before.folder / _BEST)}

    def _check_folder(self, *, resume: bool) -> None:
        first, record = self.rounds[0].checkpoint, self.out / "pruning.json"
        if not resume and (first.exists() or (self.out / _CHECKPOINT).exists()):
            raise TrainingError(
                f"{self.out} holds a run already; add --resume to go on, or choose another --out"
            )
        if not resume:
            return
        if not (first.exists() and record.exists()):
            raise TrainingError(f"a run must hold a checkpoint to go on from (there is no {first})")
        stored = json.loads(record.read_text(encoding="utf-8"))
        for key, value in self._record.items():
            if stored.get(key) != value:
                raise TrainingError(
                    f"a run goes on with its own pruning: {key} must be {stored.get(key)} (got {value})"
                )


def _round(number: int, channels: int, table: dict[str, Any], recipe: Recipe, out: Path) -> Round:
    folder = out / f"round-{number}"
    start = str(folder / _START)
    if (checkpoint := folder / _CHECKPOINT).exists():
        start = read_run(checkpoint)[0].start or start  # the folder may be called otherwise by now
    changes = {"codec": table, "start": start, "loss": "mse", "terms": {}}
    return Round(number, channels, recipe.model_copy(update=changes), folder)


def _published(table: dict[str, Any], variant: str) -> dict[str, Any]:
    """The codec's table by a published variant's name, if that is the same network."""
    if ":" in table["name"] or variant not in plugins.variants("codecs", table["name"]):
        return table
    named = {key: value for key, value in table.items() if key != "latent_channels"}
    named["variant"] = variant
    shapes, wanted = (
        {key: value.shape for key, value in _build(one).state_dict().items()} for one in (named, table)
    )
    return named if shapes == wanted else table


def _copy(source: Path, target: Path) -> None:
    write_atomic(target, lambda part: _write_copy(source, part))


def _write_copy(source: Path, part: Path) -> None:
    shutil.copyfile(source, part)


def _build(table: dict[str, Any]) -> LatentCodec:
    codec = build_codec(table)
    if not isinstance(codec, LatentCodec):
        raise TrainingError(
            f"codec {codec_name(table)} must be one encoder and one decoder around a latent to be pruned "
            "(it is built otherwise)"
        )
    return codec
