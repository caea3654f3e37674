"""Pictures of a campaign through the whole physical layer, or over the air."""

import math
from collections.abc import Iterator, Sequence

import torch

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import ImageError
from sdrjscc.evaluation.campaign import CHOSEN_BY_REPORT
from sdrjscc.evaluation.capacity import code_within, delivered_bits, effective_snr_db
from sdrjscc.evaluation.cells import Cell
from sdrjscc.evaluation.encoder import Encoder, ends
from sdrjscc.evaluation.rows import Row
from sdrjscc.evaluation.sent import Sent
from sdrjscc.evaluation.symbol_level import Delivered, mean_colour
from sdrjscc.images.io import Picture, to_float
from sdrjscc.images.padding import pad_to_multiple
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
        config = cell.config if cell.bound is None else _probing(cell, picture)
        if cell.sender_knows == CHOSEN_BY_REPORT and config.mode == "auto":
            config = config.model_copy(update={"mode": _reported_mode(cell, picture)})
        with Link(config if cell.on_air else _seeded(config, cell, picture)) as link:
            link.parts.codec.encode = ends(config)[2]  # type: ignore[method-assign]  # it remembers
            yield _through(link, picture) if cell.bound is None else _bounded(link, cell, picture)


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


def _reported_mode(cell: Cell, picture: Picture) -> int:
    """The mode by what as many symbols carried over this very channel; the lowest if none came.

    Raised as far as it must be for the picture to fit: a scheme that may fail is better than none.
    """
    with Link(_seeded(_probing(cell, picture), cell, picture)) as link:
        result = link.send(picture)
        payload_symbols = link.parts.waveform.payload_symbols
    codec, mapper, encoder = ends(cell.config)
    packets = [] if result.received is None else result.received.assembled.packets
    mode = 0
    if packets and result.sent is not None:
        bits = delivered_bits(packets, result.sent.symbols, payload_symbols)
        mode = mode_at_snr(codec, mapper, effective_snr_db(bits / (len(packets) * payload_symbols)))
    return _fitting_mode(codec, encoder, picture, range(mode, max(1, len(modulation_orders(mapper)))))


def _fitting_mode(codec: Codec, encode: Encoder, picture: Picture, modes: range) -> int:
    """The first mode in which the picture fits into its symbols; the first of all if there is none."""
    images = to_float(pad_to_multiple(picture.pixels.unsqueeze(0), codec.multiple))
    for mode in modes:
        try:
            encode(images, plan_picture(codec, picture.width, picture.height, mode))
        except ImageError:
            continue
        return mode
    return modes.start


def _symbols(cell: Cell, picture: Picture) -> int:
    return plan_picture(ends(cell.config)[0], picture.width, picture.height).symbols


def _bounded(link: Link, cell: Cell, picture: Picture) -> Sent:
    result, table = link.send(picture), cell.config.codec
    bits = 0.0
    if result.received is not None and result.sent is not None:
        packets = result.received.assembled.packets
        bits = delivered_bits(packets, result.sent.symbols, link.parts.waveform.payload_symbols)
    multiple = ends(cell.config)[0].multiple
    delivered = code_within(table, multiple, picture, math.floor(bits / 8), _symbols(cell, picture))
    return Sent(picture, delivered, {**link_columns(result), "mode_used": None})


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
