"""A campaign: one TOML that says what is sent over what, how often, and what is measured."""

from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sdrjscc.bundled import bundled_folder
from sdrjscc.config import Section, read_toml, validate
from sdrjscc.errors import ConfigError
from sdrjscc.linkfile import Table

METRICS = ("psnr_db", "ssim", "ms_ssim", "lpips")
CHOSEN_BY_FADE = "fade"


class About(Section):
    """``[campaign]``: what it is.

    Attributes:
        name: of the folder that its results go into.
        description: for the report.
        reference: label of the codec that the others are compared with; left out: the first.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    description: str = ""
    reference: str | None = None


class Grid(Section):
    """``[grid]``, or several ``[[grid]]``: every combination of the lists is a cell.

    A codec is ``"name"``, ``"name/variant"`` or its table of a link's TOML. A table here may have a
    ``label``, which stands in rows and figures.

    Attributes:
        codec: what encodes and decodes.
        mapping: tables; left out: what each codec is made for.
        channel: tables; left out: awgn, or the link's own.
        snr_db: per complex symbol; left out only where a link's own channel, or the air, decides.
        seeds: of noise and fading; all codecs meet the same.
        mode: modulation order's number, or ``auto``: by the SNR.
        bound: ``capacity``: instead of sending, code each picture by the picture coder of codec
            separation into what its symbols carry at the capacity of the SNR that the sender knows.
        sender_knows: at symbol level, by what ``auto`` chooses: the ``average`` SNR, or that of each
            picture's ``fade``. Over slow fading the two conventions differ by several dB.
    """

    codec: tuple[Table, ...] = Field(min_length=1)
    mapping: tuple[Table, ...] = Field(({},), min_length=1)
    channel: tuple[Table, ...] = ()
    snr_db: tuple[float, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    mode: tuple[int | Literal["auto"], ...] = Field(("auto",), min_length=1)
    bound: Literal["capacity"] | None = None
    sender_knows: tuple[Literal["average", "fade"], ...] = Field(("average",), min_length=1)


class Images(Section):
    """``[images]``: which pictures of the folder given by ``--data``, and how much of each."""

    crop_px: int | None = Field(None, ge=16, le=4095, description="side of the centre that is sent")
    count: int | None = Field(None, ge=1, description="the first so many by name; left out: all")
    exclude: tuple[str, ...] = ()
    shown: int = Field(1, ge=0, le=24, description="so many of them are in the report as they arrived")


class Level(Section):
    """``[level]``: ``symbol``, or ``link``: the whole physical layer of a link's TOML or preset.

    A link whose radios are real is sent over the air, its pictures one after the other.
    """

    kind: Literal["symbol", "link"] = "symbol"
    link: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.kind == "link") != (self.link is not None):
            raise ValueError("link must be given with kind = 'link', and only then")
        return self


class Metrics(Section):
    """``[metrics]``: what is measured; ``lpips`` needs its backbone, given by ``--lpips``."""

    psnr_db: bool = True
    ssim: bool = True
    ms_ssim: bool = True
    lpips: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are on."""
        return tuple(name for name in METRICS if getattr(self, name))


class Campaign(Section):
    """A whole campaign."""

    campaign: About
    grid: tuple[Grid, ...] = Field(min_length=1)
    images: Images = Images()
    level: Level = Level()
    metrics: Metrics = Metrics()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.metrics.names:
            raise ValueError(f"metrics must have at least one of {', '.join(METRICS)}")
        linked = self.level.kind == "link"
        if not linked and not all(grid.snr_db for grid in self.grid):
            raise ValueError("grid.snr_db is required at symbol level")
        if linked and any(CHOSEN_BY_FADE in grid.sender_knows for grid in self.grid):
            raise ValueError("grid.sender_knows must be 'average' over a link")
        if linked and any(grid.bound for grid in self.grid):
            raise ValueError("grid.bound must be left out over a link")
        return self


def parse_campaign(table: dict[str, Any]) -> Campaign:
    """Validate a campaign's TOML table.

    Raises:
        ConfigError: a key is unknown, missing or wrong.
    """
    if isinstance(grid := table.get("grid"), dict):
        table = {**table, "grid": [_written_out(grid)]}
    elif isinstance(grid, list):
        table = {**table, "grid": [_written_out(one) for one in grid]}
    return validate(Campaign, table, "")


def campaign_file(source: str | Path) -> Path:
    """The file of a campaign that is given by its path or, if bundled, by its name.

    Raises:
        ConfigError: there is none.
    """
    bundled = _bundled()
    if str(source) not in bundled and not Path(source).is_file():
        raise ConfigError(f"a campaign must be a TOML file or one of {', '.join(bundled)} (got '{source}')")
    return bundled.get(str(source), Path(source))


def load_campaign(source: str | Path) -> Campaign:
    """Read a campaign from a TOML file or, by name, from those bundled with the package.

    Raises:
        ConfigError: no such campaign, or its content is not valid.
    """
    return parse_campaign(read_toml(campaign_file(source)))


def campaign_rows() -> list[dict[str, Any]]:
    """One row a bundled campaign: name, level, and the first sentence of its first comment."""
    return [_row(name, path) for name, path in _bundled().items()]


def _row(name: str, path: Path) -> dict[str, Any]:
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    comment = " ".join(line.removeprefix("#").strip() for line in lines)
    level = parse_campaign(read_toml(path)).level.kind
    return {"campaign": name, "level": level, "description": comment.partition(". ")[0].removesuffix(".")}


def _bundled() -> dict[str, Path]:
    return {path.stem: path for path in sorted(bundled_folder("recipes").glob("campaigns/*.toml"))}


def _written_out(grid: object) -> object:
    """A grid whose plug-ins are all tables."""
    if not isinstance(grid, dict):
        return grid
    tables = {key: grid[key] for key in ("codec", "mapping", "channel") if isinstance(grid.get(key), list)}
    return {**grid, **{key: [_table(one) for one in value] for key, value in tables.items()}}


def _table(one: object) -> object:
    if not isinstance(one, str):
        return one
    name, _, variant = (one, "", "") if ":" in one else one.partition("/")
    return {"name": name, "variant": variant} if variant else {"name": name}
