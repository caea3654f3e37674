"""A training recipe: one TOML, frozen, with everything that decides the weights."""

from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sdrjscc import plugins
from sdrjscc.bundled import bundled_folder
from sdrjscc.config import Section, read_toml, validate
from sdrjscc.errors import ConfigError


class Data(Section):
    """``[data]``: which pictures, and how they become crops."""

    exclude: tuple[str, ...] = ()
    validation_share: float = Field(0.04, gt=0, lt=0.5)
    min_scale: float = Field(0.5, gt=0, le=1)


class Optimizer(Section):
    """``[optimizer]``: Adam, AdamW or Muon with linear warm-up and cosine decay to zero.

    ``relative`` makes the rate of each weight tensor of two dimensions or more proportional to its
    root mean square at the start, ``learning_rate`` being that of one of 0.1: steps have one size,
    so that a wide layer of small weights otherwise learns, relatively, faster than a narrow one.
    """

    name: Literal["adam", "adamw", "muon"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    relative: bool = False
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(500, ge=0)
    final_share: float = Field(0.0, ge=0, le=1, description="share of the learning rate left at the end")
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights; 0: none")


class Phase(Section):
    """``[[run.phases]]``: so many steps with crops of this size, each crop a transmission.

    Attributes:
        steps: number of steps.
        crop: side of a crop, px.
        batch: pictures a step (and process).
        modes: modulation orders (header modes); every batch is sent once in each.
        only: patterns of parameter names, e.g. ``codebooks.*``: the rest stays as it is,
            statistics included. Empty: all is trained.
        restart: the learning rate's warm-up and decay begin anew with this phase.
    """

    steps: int = Field(ge=1)
    crop: int = Field(96, ge=16, le=1024)
    batch: int = Field(16, ge=1)
    modes: tuple[int, ...] = Field((0,), min_length=1)
    only: tuple[str, ...] = ()
    restart: bool = False


class Run(Section):
    """``[run]``: phases, SNR and how often to look.

    ``snr_db`` is the range that each transmission's SNR is drawn from; with ``snr_by_mode`` it is
    cut into one range a modulation order, at the SNR where the next order's symbol error rate
    falls to 0.1.
    """

    phases: tuple[Phase, ...] = Field(min_length=1)
    snr_db: tuple[float, float] = (-1.0, 21.0)
    snr_by_mode: bool = False
    seed: int = Field(0, ge=0)
    validate_every: int = Field(2000, ge=1)
    validation_snr_db: tuple[float, ...] = Field((1.0, 10.0, 19.0), min_length=1)
    checkpoint_every: int = Field(1000, ge=1)
    log_every: int = Field(50, ge=1)

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def stretch(self, step: int) -> tuple[int, int]:
        """First step and number of steps of the stretch of phases that share one schedule."""
        first = last = 0
        for phase in self.phases:
            if phase.restart and last <= step:
                first = last
            elif phase.restart:
                break
            last += phase.steps
        return first, last - first

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase that ``step`` belongs to, and how many pictures the steps before it took."""
        pictures = 0
        for phase in self.phases:
            if step < phase.steps:
                break
            step -= phase.steps
            pictures += phase.steps * phase.batch
        return phase, pictures + step * phase.batch

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db must be [lowest, highest] (got {list(self.snr_db)})")
        return self


class Recipe(Section):
    """A whole recipe; ``codec``, ``mapping`` and ``channel`` are plug-in tables with a ``name``.

    A channel may also be ``link``, the link's own physical layer
    (:mod:`sdrjscc.training.link_channel`).

    Attributes:
        start: weights to begin with, a file or the name of bundled ones; ``None``: the codec's.
        loss: distortion of the pictures.
        terms: weights of loss terms that the codec (``sparsity``) or the mapper (``codebook``,
            ``commitment``, ``usage``) gives, added to the loss of each mode.
    """

    codec: dict[str, Any]
    mapping: dict[str, Any] = {"name": "analog"}
    channel: dict[str, Any] = {"name": "awgn"}
    start: str | None = None
    loss: Literal["mse"] = "mse"
    terms: dict[str, float] = {}
    data: Data = Data()
    optimizer: Optimizer = Optimizer()
    run: Run

    @model_validator(mode="after")
    def _named(self) -> Self:
        for key in ("codec", "mapping", "channel"):
            if not isinstance(getattr(self, key).get("name"), str):
                raise ValueError(f"[{key}] must have a name")
        return self


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """Validate a recipe's TOML table.

    Raises:
        ConfigError: a key is unknown, missing or wrong.
    """
    return validate(Recipe, table, "")


def load_recipe(source: str | Path, variant: str | None = None, start: str | None = None) -> Recipe:
    """Read a recipe from a TOML file or, by name, from those bundled with the package.

    Args:
        source: file or name.
        variant: of the codec, in place of the recipe's.
        start: weights to begin with, in place of the recipe's.

    Raises:
        ConfigError: no such recipe, or its content is not valid; or a variant for a codec that has none.
    """
    bundled = _bundled()
    if str(source) not in bundled and not Path(source).exists():
        raise ConfigError(f"a recipe must be a TOML file or one of {', '.join(bundled)} (got '{source}')")
    recipe = parse_recipe(read_toml(bundled.get(str(source), Path(source))))
    codec = recipe.codec if variant is None else _with_variant(recipe.codec, variant)
    return recipe.model_copy(update={"codec": codec, "start": recipe.start if start is None else start})


def recipe_rows() -> list[dict[str, Any]]:
    """One row a bundled recipe: its name, codec, steps, and the first sentence of its first comment."""
    return [_row(name, path) for name, path in _bundled().items()]


def _row(name: str, path: Path) -> dict[str, Any]:
    recipe = parse_recipe(read_toml(path))
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    comment = " ".join(line.removeprefix("#").strip() for line in lines)
    return {
        "recipe": name,
        "codec": "/".join(recipe.codec[key] for key in ("name", "variant") if key in recipe.codec),
        "steps": recipe.run.steps,
        "description": comment.partition(". ")[0].removesuffix("."),
    }


def _bundled() -> dict[str, Path]:
    return {path.stem: path for path in sorted(bundled_folder("recipes").glob("train/*.toml"))}


def _with_variant(codec: dict[str, Any], variant: str) -> dict[str, Any]:
    name, config = codec["name"], plugins.load("codecs", codec["name"]).config
    if "variant" not in (codec if config is None else config.model_fields):  # it would not be looked at
        raise ConfigError(f"variant must be left out for codec {name}, which has none (got '{variant}')")
    return {**codec, "variant": variant}
