"""One cell of a campaign: every picture sent, decoded and measured. Pure: equal cells, equal rows."""

import logging
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
from sdrjscc.codecs.base import build_codec
from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import CHOSEN_BY_FADE, CHOSEN_BY_OUTCOME, Metrics
from sdrjscc.evaluation.capacity import capacity_bytes, code_within
from sdrjscc.evaluation.cells import Cell
from sdrjscc.evaluation.encoder import ends
from sdrjscc.evaluation.over_link import send_over_link
from sdrjscc.evaluation.over_recordings import check_decoder, from_recording
from sdrjscc.evaluation.rows import Row
from sdrjscc.evaluation.sent import Sent
from sdrjscc.evaluation.symbol_level import Delivered, send_picture
from sdrjscc.images.io import Picture
from sdrjscc.images.lpips import Lpips, load_lpips
from sdrjscc.images.metrics import Metric, ms_ssim, psnr_db, ssim
from sdrjscc.link.fit import check_fit
from sdrjscc.link.parts import mode_at_snr
from sdrjscc.link.transmitter import plan_picture
from sdrjscc.mapping.base import modulation_orders
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
        data: folder of the true pictures, for recordings.
    """

    pictures: tuple[Picture, ...]
    metrics: Metrics
    lpips: Path | None = None
    data: Path | None = None


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
    if cell.recording is not None:
        check_decoder(cell.recording, cell.config)
    codec, mapper, _ = ends(cell.config)
    check_fit(codec, mapper, cell.config.codec, cell.config.mapping)
    if cell.bound is not None and cell.config.codec["name"] != _BOUND_OF:
        raise ConfigError(f"grid.bound must be with codec {_BOUND_OF} (got {cell.codec})")
    if cell.sender_knows == CHOSEN_BY_OUTCOME and (cell.on_air or cell.bound):
        raise ConfigError(
            "sender_knows = 'received' must be with codecs over a loopback, which needs telling"
        )
    orders, mode = modulation_orders(mapper), cell.config.mode
    if mode != "auto" and not 0 <= mode < max(1, len(orders)):
        raise ConfigError(f"mode must be one of the {max(1, len(orders))} of {cell.codec} (got {mode})")
    if cell.at_symbol_level and cell.config.channel is not None:
        channel = build_symbol_channel(cell.config.channel)
        if cell.sender_knows == CHOSEN_BY_FADE and not _is_slow(channel):
            raise ConfigError(f"sender_knows = 'fade' must be with slow fading (got channel {cell.channel})")


def run_cell(job: Job, cell: Cell) -> list[Row]:
    """Send all pictures, in one thread.

    Returns:
        A row a picture, in the order of the pictures; over recordings, of what was received.

    Raises:
        SdrJsccError: a part cannot be built, or a radio failed.
    """
    with _one_thread(), _unlogged(cell), torch.inference_mode():
        return [_row(job, cell, sent) for sent in _sent(cell, job.pictures, job.data)]


def received_pixels(cell: Cell, picture: Picture) -> Tensor:
    """The picture as it arrives in this cell, uint8 ``[3, H, W]``: the same as its row was measured on."""
    with _one_thread(), _unlogged(cell), torch.inference_mode():
        (sent,) = _sent(cell, (picture,), None)
    return sent.delivered.pixels


def _sent(cell: Cell, pictures: Sequence[Picture], data: Path | None) -> Iterator[Sent]:
    if cell.recording is not None:
        return from_recording(cell.recording, cell.config, data)
    return send_over_link(cell, pictures) if cell.over_link else _over_symbols(cell, pictures)


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


@contextmanager
def _unlogged(cell: Cell) -> Iterator[None]:
    """What the receiver warns of stands in the rows; thousands of them are no news, unless on the air."""
    log = logging.getLogger("sdrjscc.link")
    before = log.level
    log.setLevel(before if cell.on_air else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _row(job: Job, cell: Cell, sent: Sent) -> Row:
    picture, pixels, failure = sent.picture, sent.delivered.pixels, sent.delivered.failure
    quality = {
        name: _measure(name, job, picture.pixels, pixels).value if sent.known else None
        for name in job.metrics.names
    }
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
    codec, mapper, encoder = ends(cell.config)
    assert cell.config.channel is not None
    assert cell.snr_db is not None
    channel = build_symbol_channel(cell.config.channel)
    for picture in pictures:
        keys = "campaign", cell.seed, picture.name, repr(cell.snr_db)
        known_db = cell.snr_db
        if cell.sender_knows == CHOSEN_BY_FADE:
            known_db += _fade_db(channel, derived_generator(*keys))
        if cell.bound is not None:
            yield Sent(picture, _at_capacity(cell, picture, known_db))
            continue
        wanted = cell.config.mode
        mode = mode_at_snr(codec, mapper, known_db) if wanted == "auto" else wanted
        link = codec, mapper, channel
        generator = derived_generator(*keys)
        delivered = send_picture(*link, picture, cell.snr_db, generator, mode=mode, encode=encoder)
        yield Sent(picture, delivered, {"mode_used": mode})


def _at_capacity(cell: Cell, picture: Picture, snr_db: float) -> Delivered:
    codec = ends(cell.config)[0]
    symbols = plan_picture(codec, picture.width, picture.height).symbols
    budget = capacity_bytes(symbols, snr_db)
    return code_within(cell.config.codec, codec.multiple, picture, budget, symbols)


def _is_slow(channel: SymbolChannel) -> bool:
    return getattr(getattr(channel, "config", None), "speed", None) == "slow"


def _fade_db(channel: SymbolChannel, generator: torch.Generator) -> float:
    """Power of the gain that slow fading draws first from this generator, in dB."""
    draw = getattr(channel, "draw_gain", None)
    assert draw is not None
    gain = draw(torch.zeros(1, 1, dtype=torch.complex64), generator)
    return to_db(float(gain.abs().square()))


@lru_cache(maxsize=1)
def _lpips(path: Path) -> Lpips:
    return load_lpips(path)
