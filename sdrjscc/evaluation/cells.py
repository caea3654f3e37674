"""The cells of a campaign: one combination of codec, mapping, channel, SNR, mode and seed each."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from sdrjscc.codecs.base import build_codec
from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import Campaign, Grid, Metrics
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.link.fit import codec_name
from sdrjscc.linkfile import LinkConfig, load_link, parse_link, with_snr

FORMAT = 1
"""Raised when rows of the same keys would come out otherwise than before."""
_NOT_IN_LABEL = frozenset({"name", "variant", "label", "weights"})


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes:
        codec, channel: how rows and figures call them.
        config: the link, of which symbol level uses codec, mapping, channel and mode.
        over_link: whether the whole physical layer is used.
        snr_db: as set; ``None`` where nobody sets it.
        seed: of noise and fading.
        sender_knows, bound: see :class:`~sdrjscc.evaluation.campaign.Grid`.
    """

    codec: str
    channel: str
    config: LinkConfig
    over_link: bool
    snr_db: float | None
    seed: int
    sender_knows: str
    bound: str | None = None

    def keys(self) -> dict[str, Any]:
        """The campaign's columns of every row of the cell."""
        return {
            "level": "link" if self.over_link else "symbol",
            "codec": self.codec,
            "mapping": self.config.mapping["name"],
            "channel": self.channel,
            "sender_knows": self.sender_knows,
            "mode": self.bound or str(self.config.mode),
            "snr_db": self.snr_db,
            "seed": self.seed,
        }


def expand(campaign: Campaign) -> list[Cell]:
    """All cells, in the order of the file; equal ones once.

    Raises:
        ConfigError: a plug-in or an option is wrong, or two codecs have one label.
    """
    cells: dict[str, Cell] = {}
    for grid in campaign.grid:
        for cell in _product(campaign, grid):
            cells.setdefault(json.dumps([cell.keys(), _shared(cell)], sort_keys=True), cell)
    found = list(cells.values())
    _check_labels(found)
    reference = campaign.campaign.reference
    labels = list(dict.fromkeys(cell.codec for cell in found))
    if reference is not None and reference not in labels:
        raise ConfigError(f"campaign.reference must be one of {', '.join(labels)} (got '{reference}')")
    return found


def _product(campaign: Campaign, grid: Grid) -> Iterator[Cell]:
    over_link = campaign.level.kind == "link"
    base = load_link(campaign.level.link) if campaign.level.link is not None else None
    channels = grid.channel or (({} if over_link else {"name": "awgn"}),)
    lists = (grid.codec, grid.mapping, channels, grid.sender_knows, grid.mode, grid.snr_db or (None,))
    for codec, mapping, channel, knows, mode, snr_db in product(*lists):
        table: dict[str, Any] = {} if base is None else base.model_dump(exclude_none=True)
        table |= {"codec": _unlabelled(codec), "mapping": mapping, "mode": mode}
        table |= {"channel": _unlabelled(channel)} if channel else {}
        config = parse_link(table)
        if over_link and snr_db is not None:
            config = with_snr(config, snr_db)
        name = _label(channel) if channel else str(campaign.level.link)
        for seed in grid.seeds:
            yield Cell(_label(codec), name, config, over_link, snr_db, seed, knows, grid.bound)


def _unlabelled(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "label"}


def _label(table: dict[str, Any]) -> str:
    """The table's own ``label``, or its name, variant and the options that are given."""
    if isinstance(table.get("label"), str):
        return str(table["label"])
    options = [f"{key} {value}" for key, value in table.items() if key not in _NOT_IN_LABEL]
    return ", ".join([codec_name(table) if "name" in table else "?", *options])


def _check_labels(cells: Iterable[Cell]) -> None:
    """Two different codecs, or channels, of one label would be drawn as one."""
    for what in ("codec", "channel"):
        tables: dict[str, str] = {}
        for cell in cells:
            config = getattr(cell.config, what) or {}
            whole = {key: value for key, value in config.items() if what == "codec" or key != "snr_db"}
            table, label = json.dumps(whole, sort_keys=True), getattr(cell, what)
            if tables.setdefault(label, table) != table:
                raise ConfigError(f"each {what} must have a label of its own (got two that are '{label}')")


def _shared(cell: Cell) -> dict[str, Any]:
    """What decides the rows besides the keys."""
    whole = cell.config.model_dump(mode="json")
    return whole if cell.over_link else {key: whole[key] for key in ("codec", "mapping", "channel", "mode")}


def read_pictures(campaign: Campaign, data: Path) -> list[Picture]:
    """The pictures to send, each named by its path inside ``data``.

    Raises:
        SdrJsccError: there are none, or one cannot be read.
    """
    chosen = campaign.images
    files = find_images(data, chosen.exclude)[: chosen.count]
    pictures = [read_image(file) for file in files]
    if chosen.crop_px is not None:
        pictures = [centre_square(picture, chosen.crop_px) for picture in pictures]
    named = zip(files, pictures, strict=True)
    return [Picture(one.pixels, file.relative_to(data).as_posix(), one.notes) for file, one in named]


def digests(
    cells: Sequence[Cell], pictures: Sequence[Picture], metrics: Metrics, lpips: Path | None
) -> list[str]:
    """For each cell 16 hexadecimal digits over all that its rows depend on, weights and pixels included.

    Raises:
        SdrJsccError: a codec cannot be built.
    """
    content = hashlib.sha256()
    for picture in pictures:
        content.update(json.dumps([picture.name, picture.width, picture.height]).encode())
        content.update(picture.pixels.contiguous().numpy().tobytes())
    backbone = "" if lpips is None else hashlib.sha256(lpips.read_bytes()).hexdigest()
    common = [FORMAT, content.hexdigest(), metrics.names, backbone]
    return [_digest(cell, common) for cell in cells]


def _digest(cell: Cell, common: Sequence[Any]) -> str:
    codec = json.dumps(cell.config.codec, sort_keys=True)
    whole = [*common, cell.keys(), _shared(cell), _fingerprint(codec)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _fingerprint(codec: str) -> str:
    return build_codec(json.loads(codec)).fingerprint
