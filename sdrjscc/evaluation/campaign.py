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
CHOSEN_BY_FADE, CHOSEN_BY_OUTCOME = "fade", "received"
AS_RECORDED = "recorded"
"""In place of a codec's name: the one that a recording was made with."""


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
        codec: what encodes and decodes; over recordings what decodes, ``recorded``: what sent.
        mapping: tables; left out: what each codec is made for.
        channel: tables; left out: awgn, or the link's own.
        snr_db: per complex symbol; left out only where a link's own channel, the air or a recording
            decides.
        seeds: of noise and fading; all codecs meet the same.
        mode: modulation order's number, or ``auto``: by the SNR.
        waveform: over a link, in place of the link's own.
        bound: ``capacity``: code each picture by the picture coder of codec separation into what its
            symbols carry behind a perfect channel code: at symbol level at the capacity of the SNR
            that the sender knows, over a link as :mod:`sdrjscc.evaluation.capacity` defines it.
        sender_knows: by what ``auto`` chooses: the ``average`` SNR, as it is set; at symbol level that
            of each picture's ``fade``, which over slow fading makes several dB; over a link what is
            ``received``: the highest mode that comes through the very channel, which no sender
            can know; a bound on what choosing by reports reaches.
    """

    codec: tuple[Table, ...] = Field(min_length=1)
    mapping: tuple[Table, ...] = Field(({},), min_length=1)
    channel: tuple[Table, ...] = ()
    snr_db: tuple[float, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    mode: tuple[int | Literal["auto"], ...] = Field(("auto",), min_length=1)
    waveform: Table | None = None
    bound: Literal["capacity"] | None = None
    sender_knows: tuple[Literal["average", "fade", "received"], ...] = Field(("average",), min_length=1)


class Images(Section):
    """``[images]``: which pictures of the folder given by ``--data``, and how much of each."""

    crop_px: int | None = Field(None, ge=16, le=4095, description="side of the centre that is sent")
    count: int | None = Field(None, ge=1, description="the first so many by name; left out: all")
    exclude: tuple[str, ...] = ()
    shown: int = Field(1, ge=0, le=24, description="so many of them are in the report as they arrived")


class Level(Section):
    """``[level]``: ``symbol``; ``link``: the whole physical layer; ``replay``: what was recorded of it.

    A link whose radios are real is sent over the air, its pictures one after the other.

    Attributes:
        kind: which.
        link: of ``link``: a link's TOML or preset.
        recordings: of ``replay``: SigMF recordings, folders of them, or ``captures``, those bundled.
    """

    kind: Literal["symbol", "link", "replay"] = "symbol"
    link: str | None = None
    recordings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.kind == "link") != (self.link is not None):
            raise ValueError("link must be given with kind = 'link', and only then")
        if (self.kind == "replay") != bool(self.recordings):
            raise ValueError("recordings must be given with kind = 'replay', and only then")
        return self


class Headline(Section):
    """``[headline]``: one figure for those who see no other.

    Attributes:
        title: of the figure; left out: the campaign's setting.
        setting: channel's label; left out: the first.
        curves: the text that stands at each curve, by its codec's label; left out: all, by label.
        note: small print under the figure.
    """

    title: str | None = None
    setting: str | None = None
    curves: dict[str, str] = {}
    note: str = ""


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
    headline: Headline | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.metrics.names:
            raise ValueError(f"metrics must have at least one of {', '.join(METRICS)}")
        kind = self.level.kind
        if kind == "symbol" and not all(grid.snr_db for grid in self.grid):
            raise ValueError("grid.snr_db is required at symbol level")
        if kind == "symbol" and any(grid.waveform for grid in self.grid):
            raise ValueError("grid.waveform must be left out at symbol level, which has none")
        if kind == "link" and any(CHOSEN_BY_FADE in grid.sender_knows for grid in self.grid):
            raise ValueError("grid.sender_knows must be 'average' or 'received' over a link")
        if kind == "symbol" and any(CHOSEN_BY_OUTCOME in grid.sender_knows for grid in self.grid):
            raise ValueError("grid.sender_knows must be 'average' or 'fade' at symbol level")
        for grid in self.grid if kind == "replay" else ():
            for key in sorted(grid.model_fields_set - {"codec", "mapping"}):
                raise ValueError(f"grid.{key} must be left out over recordings, which decide it")
        if kind == "replay" and (self.images.crop_px or self.images.count):
            raise ValueError("images.crop_px and images.count must be left out over recordings")
        return self


def parse_campaign(table: dict[str, Any], folder: Path | None = None) -> Campaign:
    """Validate a campaign's TOML table.

    Args:
        table: of the file.
        folder: that it lies in: weights, links and recordings that are there are found there.

    Raises:
        ConfigError: a key is unknown, missing or wrong.
    """
    if isinstance(grid := table.get("grid"), dict):
        table = {**table, "grid": [_written_out(grid, folder)]}
    elif isinstance(grid, list):
        table = {**table, "grid": [_written_out(one, folder) for one in grid]}
    if folder is not None and isinstance(table.get("level"), dict):
        table = {**table, "level": _level_beside(table["level"], folder)}
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
    file = campaign_file(source)
    return parse_campaign(read_toml(file), file.parent)


def campaign_names() -> list[str]:
    """Names of the bundled campaigns."""
    return list(_bundled())


def campaign_rows() -> list[dict[str, Any]]:
    """One row a bundled campaign: name, level, and the first sentence of its first comment."""
    return [_row(name, path) for name, path in _bundled().items()]


def _row(name: str, path: Path) -> dict[str, Any]:
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    comment = " ".join(line.removeprefix("#").strip() for line in lines)
    level = parse_campaign(read_toml(path)).level.kind
    return {"campaign": name, "level": level, "description": comment.partition(". ")[0].removesuffix(".")}


def _bundled() -> dict[str, Path]:
    found = {path.stem: path for path in bundled_folder("recipes").glob("campaigns/*.toml")}
    return dict(sorted(found.items()))


def _written_out(grid: object, folder: Path | None) -> object:
    """A grid whose plug-ins are all tables."""
    if not isinstance(grid, dict):
        return grid
    tables = {
        key: [_table(one, folder) for one in grid[key]]
        for key in ("codec", "mapping", "channel")
        if isinstance(grid.get(key), list)
    }
    return {**grid, **tables}


def _table(one: object, folder: Path | None) -> object:
    if isinstance(one, str):
        name, _, variant = (one, "", "") if ":" in one else one.partition("/")
        return {"name": name, "variant": variant} if variant else {"name": name}
    if folder is None or not isinstance(one, dict):
        return one
    files = {"weights": ".safetensors", "path": ".safetensors"}
    return {
        key: _beside(value, folder) if str(value).endswith(files.get(key, "?")) else value
        for key, value in one.items()
    }


def _level_beside(level: dict[str, Any], folder: Path) -> dict[str, Any]:
    recordings = level.get("recordings")
    if isinstance(recordings, list):
        level = {**level, "recordings": [_beside(one, folder) for one in recordings]}
    return {**level, "link": _beside(level["link"], folder)} if "link" in level else level


def _beside(name: object, folder: Path) -> object:
    """The file that lies beside the campaign, if one does."""
    return str(folder / name) if isinstance(name, str) and (folder / name).exists() else name
