"""One cell of a campaign: every picture sent, decoded and measured. Pure: equal cells, equal rows."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs.base import Codec, build_codec
from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import CHOSEN_BY_FADE, Metrics
from sdrjscc.evaluation.capacity import at_capacity
from sdrjscc.evaluation.cells import Cell
from sdrjscc.evaluation.encoder import Encoder
from sdrjscc.evaluation.rows import Row
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour, send_picture
from sdrjscc.images.io import Picture
from sdrjscc.images.lpips import Lpips, load_lpips
from sdrjscc.images.metrics import Metric, ms_ssim, psnr_db, ssim
from sdrjscc.link.fit import check_fit
from sdrjscc.link.parts import mode_at_snr
from sdrjscc.link.result import Result
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, Radios
from sdrjscc.mapping.base import Mapper, bind, build_mapper, modulation_orders
from sdrjscc.randomness import derived_generator
from sdrjscc.training.channels import build_symbol_channel
from sdrjscc.units import to_db

_SIDE_PX = 256
_BOUND_OF = "separation"


@dataclass(frozen=True)
class Job:
    """What all cells share.

    Attributes:
        pictures: to send, each of a name of its own.
        metrics: what is measured.
        lpips: backbone file, where it is among the metrics.
    """

    pictures: tuple[Picture, ...]
    metrics: Metrics
    lpips: Path | None = None


@dataclass(frozen=True)
class Sent:
    """What became of one picture: its pixels and the columns that are not of the picture's quality."""

    delivered: Delivered
    columns: Row


def check_job(job: Job) -> None:
    """Check that all that is to be measured can be.

    Raises:
        ConfigError: LPIPS is wanted, and no backbone given.
        WeightsError: the backbone is not one.
    """
    if job.metrics.lpips and job.lpips is None:
        raise ConfigError("--lpips must name a backbone file where metrics.lpips is on (it is not given)")
    if job.lpips is not None:
        _lpips(job.lpips)


def check_cell(cell: Cell) -> None:
    """Check before the first cell is computed that codec, mapping, mode and channel fit.

    Raises:
        SdrJsccError: they do not.
    """
    codec, mapper, _ = _ends(cell.config)
    check_fit(codec, mapper, cell.config.codec, cell.config.mapping)
    if cell.bound is not None and cell.config.codec["name"] != _BOUND_OF:
        raise ConfigError(f"grid.bound must be with codec {_BOUND_OF} (got {cell.codec})")
    orders, mode = modulation_orders(mapper), cell.config.mode
    if mode != "auto" and not 0 <= mode < max(1, len(orders)):
        raise ConfigError(f"mode must be one of the {max(1, len(orders))} of {cell.codec} (got {mode})")
    if not cell.over_link and cell.config.channel is not None:
        channel = build_symbol_channel(cell.config.channel)
        if cell.sender_knows == CHOSEN_BY_FADE and not _is_slow(channel):
            raise ConfigError(f"sender_knows = 'fade' must be with slow fading (got channel {cell.channel})")


def run_cell(job: Job, cell: Cell) -> list[Row]:
    """Send all pictures, in one thread.

    Returns:
        A row a picture, in the order of the pictures.

    Raises:
        SdrJsccError: a part cannot be built, or a radio failed.
    """
    with _one_thread(), torch.inference_mode():
        sent = _over_link(cell, job.pictures) if cell.over_link else _over_symbols(cell, job.pictures)
        return [_row(job, cell, *pair) for pair in zip(job.pictures, sent, strict=True)]


def received_pixels(cell: Cell, picture: Picture) -> Tensor:
    """The picture as it arrives in this cell, uint8 ``[3, H, W]``: the same as its row was measured on."""
    with _one_thread(), torch.inference_mode():
        (sent,) = _over_link(cell, (picture,)) if cell.over_link else _over_symbols(cell, (picture,))
    return sent.delivered.pixels


def macs_per_pixel(table: dict[str, Any]) -> float:
    """Multiply-accumulates of encoder and decoder a pixel, in the mode with most; 0 without a network."""
    codec = build_codec(table)
    modes = range(getattr(codec, "modes", 1))
    return max(codec_complexity(codec, _SIDE_PX, _SIDE_PX, mode).macs for mode in modes) / _SIDE_PX**2


@contextmanager
def _one_thread() -> Iterator[None]:
    """With more, sums are taken in another order, and rows would depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _row(job: Job, cell: Cell, picture: Picture, sent: Sent) -> Row:
    pixels, failure = sent.delivered.pixels, sent.delivered.failure
    quality = {name: _measure(name, job, picture.pixels, pixels).value for name in job.metrics.names}
    return {
        **cell.keys(),
        "image": picture.name,
        "width": picture.width,
        "height": picture.height,
        **quality,
        "undecodable": failure is not None,
        "reason": failure,
        "k": sent.delivered.symbols,
        "rho": sent.delivered.symbols / (3 * picture.width * picture.height),
        **sent.columns,
    }


def _measure(name: str, job: Job, sent: Tensor, received: Tensor) -> Metric:
    if name == "lpips":
        assert job.lpips is not None
        return _lpips(job.lpips)(sent, received)
    return {"psnr_db": psnr_db, "ssim": ssim, "ms_ssim": ms_ssim}[name](sent, received)


def _over_symbols(cell: Cell, pictures: Sequence[Picture]) -> Iterator[Sent]:
    codec, mapper, encoder = _ends(cell.config)
    assert cell.config.channel is not None
    assert cell.snr_db is not None
    channel = build_symbol_channel(cell.config.channel)
    for picture in pictures:
        keys = "campaign", cell.seed, picture.name, repr(cell.snr_db)
        known_db = cell.snr_db
        if cell.sender_knows == CHOSEN_BY_FADE:
            known_db += _fade_db(channel, derived_generator(*keys))
        if cell.bound is not None:
            yield Sent(_at_capacity(cell, picture, known_db), {})
            continue
        wanted = cell.config.mode
        mode = mode_at_snr(codec, mapper, known_db) if wanted == "auto" else wanted
        link = codec, mapper, channel
        generator = derived_generator(*keys)
        delivered = send_picture(*link, picture, cell.snr_db, generator, mode=mode, encode=encoder)
        yield Sent(delivered, {"mode_used": mode})


def _at_capacity(cell: Cell, picture: Picture, snr_db: float) -> Delivered:
    table = cell.config.codec
    variant, speed, rho = str(table["variant"]), table["speed"], table["rho"]
    assert isinstance(speed, int)
    assert isinstance(rho, float)
    return at_capacity(variant, speed, _ends(cell.config)[0].multiple, rho, picture, snr_db)


def _is_slow(channel: SymbolChannel) -> bool:
    return getattr(getattr(channel, "config", None), "speed", None) == "slow"


def _fade_db(channel: SymbolChannel, generator: torch.Generator) -> float:
    """Power of the gain that slow fading draws first from this generator, in dB."""
    draw = getattr(channel, "draw_gain", None)
    assert draw is not None
    gain = draw(torch.zeros(1, 1, dtype=torch.complex64), generator)
    return to_db(float(gain.abs().square()))


def _over_link(cell: Cell, pictures: Sequence[Picture]) -> Iterator[Sent]:
    if cell.config.radios.tx["name"] != "loopback":
        with Link(cell.config) as link:
            yield from (_through(link, picture) for picture in pictures)
        return
    for picture in pictures:  # a link for each, so that no row depends on the pictures before it
        generator = derived_generator("campaign link", cell.seed, picture.name, repr(cell.snr_db))
        seed = int(torch.randint(2**31, (), generator=generator))
        radios = Radios(tx={**cell.config.radios.tx, "seed": seed}, rx=cell.config.radios.rx)
        with Link(cell.config.model_copy(update={"radios": radios})) as link:
            yield _through(link, picture)


def _through(link: Link, picture: Picture) -> Sent:
    result = link.send(picture)
    columns = {
        "mode_used": result.plan.mode,
        "rho_on_air": result.rho_on_air,
        "pilot_snr_db": result.mean("pilot_snr_db"),
        "snr_db_measured": None if result.quality is None else result.quality.snr_db,
    }
    pixels = mean_colour(picture) if result.pixels is None else result.pixels
    return Sent(Delivered(pixels, result.plan.symbols, _failure(result)), columns)


def _failure(result: Result) -> str | None:
    return "no packet arrived" if result.received is None else result.received.reason


def _ends(config: LinkConfig) -> tuple[Codec, Mapper, Encoder]:
    """Codec, mapper bound to it, and the codec's encoder."""
    return _built(json.dumps([config.codec, config.mapping], sort_keys=True))


@lru_cache(maxsize=4)
def _built(tables: str) -> tuple[Codec, Mapper, Encoder]:
    codec_table, mapping_table = json.loads(tables)
    codec = build_codec(codec_table)
    return codec, bind(build_mapper(mapping_table), codec), Encoder(codec)


@lru_cache(maxsize=1)
def _lpips(path: Path) -> Lpips:
    return load_lpips(path)
