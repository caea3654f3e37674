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
from sdrjscc.evaluation.campaign import AS_RECORDED, Campaign, Grid, Metrics
from sdrjscc.evaluation.over_recordings import META, decoding, find_recordings, own_link
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.link.fit import codec_name
from sdrjscc.linkfile import LinkConfig, load_link, parse_link, with_snr

FORMAT = 1
"""Raised when rows of the same keys would come out otherwise than before."""
CODEC_FORMATS = {"separation": 2}
"""Raised when a codec's own rows would: no weights tell of it."""
_ANY_RECORDING = "recordings"
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
        recording: that is received, in place of anything being sent.
    """

    codec: str
    channel: str
    config: LinkConfig
    over_link: bool
    snr_db: float | None
    seed: int
    sender_knows: str
    bound: str | None = None
    recording: Path | None = None

    @property
    def at_symbol_level(self) -> bool:
        """Whether it is without the physical layer."""
        return not self.over_link and self.recording is None

    @property
    def on_air(self) -> bool:
        """Whether a radio sends: rows do not repeat, and cells cannot share it."""
        return self.over_link and self.config.radios.tx["name"] != "loopback"

    def keys(self) -> dict[str, Any]:
        """The campaign's columns of every row of the cell."""
        if self.recording is not None:
            return {
                "level": "replay",
                "codec": self.codec,
                "mapping": self.config.mapping["name"],
                "channel": self.channel,
                "sender_knows": self.sender_knows,
                "mode": AS_RECORDED,
                "snr_db": None,
                "seed": self.seed,
                "recording": self.recording.name.removesuffix(META),
            }
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
        for cell in _recorded(campaign, grid) if campaign.level.recordings else _product(campaign, grid):
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
        table |= {"waveform": grid.waveform} if grid.waveform else {}
        config = parse_link(table)
        if over_link and snr_db is not None:
            config = with_snr(config, snr_db)
        name = _label(channel) if channel else str(campaign.level.link)
        for seed in grid.seeds:
            yield Cell(_label(codec), name, config, over_link, snr_db, seed, knows, grid.bound)


def _recorded(campaign: Campaign, grid: Grid) -> Iterator[Cell]:
    """Each recording by each codec of the grid."""
    for recording in find_recordings(campaign.level.recordings):
        own = own_link(recording)
        for codec, mapping in product(grid.codec, grid.mapping):
            as_sent = codec.get("name") == AS_RECORDED
            config = own if as_sent else decoding(own, _unlabelled(codec), mapping)
            yield Cell(_label(codec), _ANY_RECORDING, config, False, None, 0, "average", recording=recording)


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
            if cell.recording is not None and (what == "channel" or cell.codec == AS_RECORDED):
                continue
            config = getattr(cell.config, what) or {}
            whole = {key: value for key, value in config.items() if what == "codec" or key != "snr_db"}
            table, label = json.dumps(whole, sort_keys=True), getattr(cell, what)
            if tables.setdefault(label, table) != table:
                raise ConfigError(f"each {what} must have a label of its own (got two that are '{label}')")


def _shared(cell: Cell) -> dict[str, Any]:
    """What decides the rows besides the keys."""
    whole = cell.config.model_dump(mode="json")
    if str(whole["codec"].get("weights", "")).endswith(".safetensors"):
        whole["codec"]["weights"] = "file"  # what it holds is in the digest, wherever it lies
    return (
        whole
        if not cell.at_symbol_level
        else {key: whole[key] for key in ("codec", "mapping", "channel", "mode")}
    )


def read_pictures(campaign: Campaign, data: Path | None) -> list[Picture]:
    """The pictures to send, each named by its path inside ``data``; none for recordings.

    Raises:
        SdrJsccError: there are none, or one cannot be read.
    """
    chosen = campaign.images
    if campaign.level.recordings:
        return []
    if data is None:
        raise ConfigError("--data must name a folder of pictures to send (it is not given)")
    files = find_images(data, chosen.exclude)[: chosen.count]
    pictures = [read_image(file) for file in files]
    if chosen.crop_px is not None:
        pictures = [centre_square(picture, chosen.crop_px) for picture in pictures]
    named = zip(files, pictures, strict=True)
    return [Picture(one.pixels, file.relative_to(data).as_posix(), one.notes) for file, one in named]


def digests(
    cells: Sequence[Cell],
    pictures: Sequence[Picture],
    metrics: Metrics,
    lpips: Path | None,
    known: Sequence[str] = (),
) -> list[str]:
    """For each cell 16 hexadecimal digits over all that its rows depend on, weights and pixels included.

    Args:
        cells, pictures, metrics, lpips: of the campaign.
        known: digests of the files that recordings are measured against.

    Raises:
        SdrJsccError: a codec cannot be built.
    """
    content = hashlib.sha256()
    for picture in pictures:
        content.update(json.dumps([picture.name, picture.width, picture.height]).encode())
        content.update(picture.pixels.contiguous().numpy().tobytes())
    backbone = "" if lpips is None else hashlib.sha256(lpips.read_bytes()).hexdigest()
    common = [FORMAT, content.hexdigest(), metrics.names, backbone, *known]
    return [_digest(cell, common) for cell in cells]


def _digest(cell: Cell, common: Sequence[Any]) -> str:
    codec = json.dumps(cell.config.codec, sort_keys=True)
    whole = [*common, cell.keys(), _shared(cell), _fingerprint(codec)]
    whole += [CODEC_FORMATS[name]] if (name := str(cell.config.codec["name"])) in CODEC_FORMATS else []
    whole += _content(cell.recording) if cell.recording is not None else []
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _fingerprint(codec: str) -> str:
    return build_codec(json.loads(codec)).fingerprint


@cache
def _content(recording: Path) -> list[str]:
    """Digests of a recording's files."""
    stem = recording.name.removesuffix(META)
    files = [recording, *(recording.with_name(stem + suffix) for suffix in (META, ".sigmf-data", ".sigmf"))]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in dict.fromkeys(files) if file.is_file()]
