"""Pictures of a campaign through the whole physical layer, or over the air."""

import math
from collections.abc import Iterator, Sequence

import torch

from sdrjscc.errors import ImageError
from sdrjscc.evaluation.campaign import CHOSEN_BY_OUTCOME
from sdrjscc.evaluation.capacity import code_within, delivered_bits, effective_snr_db
from sdrjscc.evaluation.cells import Cell
from sdrjscc.evaluation.encoder import ends
from sdrjscc.evaluation.rows import Row
from sdrjscc.evaluation.sent import Sent
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour
from sdrjscc.images.io import Picture
from sdrjscc.link.parts import mode_at_snr
from sdrjscc.link.result import Result
from sdrjscc.link.session import Link
from sdrjscc.link.transmitter import plan_picture
from sdrjscc.linkfile import LinkConfig, Radios, parse_link
from sdrjscc.mapping.base import modulation_orders
from sdrjscc.randomness import derived_generator

_PROBE = "softcast"
"""The codec that fills the frames whose capacity is measured: cheap, and it takes any number of symbols."""


def send_over_link(cell: Cell, pictures: Sequence[Picture]) -> Iterator[Sent]:
    """Send all pictures of a cell, each through a link of its own, unless a radio is on the air.

    Raises:
        SdrJsccError: a part cannot be built, or a radio failed.
    """
    if cell.on_air and cell.bound is None:
        with Link(cell.config) as link:
            yield from (_through(link, picture) for picture in pictures)
        return
    for picture in pictures:  # a link for each, so that no row depends on the pictures before it
        if cell.bound is not None:
            yield _bounded(cell, picture)
        elif cell.sender_knows == CHOSEN_BY_OUTCOME and cell.config.mode == "auto":
            yield _best(cell, picture)
        else:
            yield _once(cell, cell.config, picture)


def _once(cell: Cell, config: LinkConfig, picture: Picture) -> Sent:
    with _link(cell, config, picture) as link:
        link.parts.codec.encode = ends(config)[2]  # type: ignore[method-assign]  # it remembers
        return _through(link, picture)


def _best(cell: Cell, picture: Picture) -> Sent:
    """By the highest mode that comes through this very channel; the lowest, which does not, if none does.

    Modes above what the channel carries, and one to spare, are not tried. A codec whose pictures never
    fail has the order that the effective SNR is good for.
    """
    sent: Sent | None = None
    for mode in range(_highest_mode(cell, picture), -1, -1):
        sent = _once(cell, cell.config.model_copy(update={"mode": mode}), picture)
        if sent.delivered.failure is None:
            break
    assert sent is not None
    return sent


def _highest_mode(cell: Cell, picture: Picture) -> int:
    codec, mapper, _ = ends(cell.config)
    with _link(cell, _probing(cell, picture), picture) as link:
        result = link.send(picture)
        bits, slot_count = _carried(link, result), link.parts.waveform.payload_symbols
    slot_count *= 0 if result.received is None else len(result.received.assembled.packets)
    modes = max(1, len(modulation_orders(mapper)))
    if not hasattr(codec, "mode_at"):  # its pictures do not fail, but grow worse: none to spare
        return mode_at_snr(codec, mapper, effective_snr_db(bits / max(1, slot_count)))
    snr_db = effective_snr_db(bits / _symbols(cell, picture))  # copies in spare slots count, too
    return min(mode_at_snr(codec, mapper, snr_db) + 1, modes - 1)


def _link(cell: Cell, config: LinkConfig, picture: Picture) -> Link:
    return Link(config if cell.on_air else _seeded(config, cell, picture))


def _seeded(config: LinkConfig, cell: Cell, picture: Picture) -> LinkConfig:
    """The link with a loopback whose channel depends on the cell's seed, the picture and the SNR alone."""
    generator = derived_generator("campaign link", cell.seed, picture.name, repr(cell.snr_db))
    seed = int(torch.randint(2**31, (), generator=generator))
    radios = Radios(tx={**config.radios.tx, "seed": seed}, rx=config.radios.rx)
    return config.model_copy(update={"radios": radios})


def _through(link: Link, picture: Picture) -> Sent:
    try:
        result = link.send(picture)
    except ImageError as error:  # it does not fit into its symbols
        plan = plan_picture(link.parts.codec, picture.width, picture.height, link.sending.mode)
        return Sent(picture, Delivered(mean_colour(picture), plan.symbols, str(error)))
    pixels = mean_colour(picture) if result.pixels is None else result.pixels
    return Sent(picture, Delivered(pixels, result.plan.symbols, _failure(result)), link_columns(result))


def _probing(cell: Cell, picture: Picture) -> LinkConfig:
    """The link with a codec that sends as many symbols as the bound's would."""
    symbols = _symbols(cell, picture)
    codec = {"name": _PROBE, "rho": symbols / (3 * picture.width * picture.height)}
    whole = cell.config.model_dump(exclude_none=True)
    return parse_link({**whole, "codec": codec, "mapping": {}, "mode": "auto"})


def _symbols(cell: Cell, picture: Picture) -> int:
    return plan_picture(ends(cell.config)[0], picture.width, picture.height).symbols


def _bounded(cell: Cell, picture: Picture) -> Sent:
    with _link(cell, _probing(cell, picture), picture) as link:
        result = link.send(picture)
        bits = _carried(link, result)
    multiple = ends(cell.config)[0].multiple
    delivered = code_within(
        cell.config.codec, multiple, picture, math.floor(bits / 8), _symbols(cell, picture)
    )
    return Sent(picture, delivered, {**link_columns(result), "mode_used": None})


def _carried(link: Link, result: Result) -> float:
    """Bits that a perfect code could have taken from a transmission."""
    if result.received is None or result.sent is None:
        return 0.0
    packets = result.received.assembled.packets
    return delivered_bits(packets, result.sent.symbols, link.parts.waveform.payload_symbols)


def link_columns(result: Result) -> Row:
    """The columns of a row that are not of the picture's quality."""
    return {
        "mode_used": result.plan.mode,
        "rho_on_air": result.rho_on_air,
        "pilot_snr_db": result.mean("pilot_snr_db"),
        "snr_db_measured": None if result.quality is None else result.quality.snr_db,
    }


def _failure(result: Result) -> str | None:
    return "no packet arrived" if result.received is None else result.received.reason
