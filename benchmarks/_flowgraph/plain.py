"""The same pictures in plain Python, in one thread, and whether a flowgraph gives the same."""

import math
import time
from itertools import cycle
from typing import Any

import torch
from gnuradio import blocks, gr
from torch import Tensor

from _flowgraph.chain import Chain, Setup
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels
from sdrjscc.grblocks.ports import add_ports
from sdrjscc.images.io import Picture
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.supply import Supply, Wishes
from sdrjscc.link.log import Source
from sdrjscc.link.parts import Parts
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link


def config_of(setup: Setup) -> LinkConfig:
    """The preset loopback with a setup's rate, SNR and seed."""
    link = load_link("loopback")
    channel = {**(link.channel or {}), "snr_db": setup.snr_db}
    tx = {**link.radios.tx, "sample_rate_hz": setup.rate_hz, "seed": setup.seed}
    return link.model_copy(update={"channel": channel, "radios": link.radios.model_copy(update={"tx": tx})})


def pictures_of(setup: Setup) -> list[Picture]:
    """The bundled photos as the image source cuts them."""
    return [picture for picture, _ in Supply("samples", Wishes(crop=setup.side_px)).pictures()]


def timed(setup: Setup, seconds: float, *, measured: bool) -> dict[str, float]:
    """Pictures through the loopback radio, one after another.

    Args:
        setup: which.
        seconds: for how long.
        measured: with ``Link.send``, which measures every picture; otherwise only what a flowgraph
            without a probe does: send, receive, decode.
    """
    with Link(config_of(setup)) as link:
        sources = cycle([Source(picture) for picture in pictures_of(setup)])
        send = link.send if measured else lambda source: _passed(link, source)
        send(next(sources))
        count, began_s, processor_s = 0, time.perf_counter(), time.thread_time()
        while time.perf_counter() - began_s < seconds:
            send(next(sources))
            count += 1
        spent_s = time.thread_time() - processor_s
        return {
            "pictures_per_s": count / (time.perf_counter() - began_s),
            "processor_ms_per_picture": 1e3 * spent_s / count,
        }


def _passed(link: Link, source: Source) -> None:
    link.sending.send(source)
    while (reception := link.tx_radio.receive()) is not None:
        link.receiving.push(reception.samples)
    link.receiving.flush()


def parity(link: Parts, setup: Setup) -> dict[str, Any]:
    """The first pictures through a flowgraph and through ``Link.send``, compared.

    ``Link.send`` ends its receiver's stream after every picture, a flowgraph's goes on: what is estimated
    over blocks of the stream, and with it the symbols, may differ a little. Plain Python's receiver on the
    flowgraph's own samples leaves only rounding.

    Args:
        link: the parts of the preset loopback.
        setup: with a ``count``.
    """
    chain, arrived, decoded = Chain(link, setup), _Kept(), _Kept()
    samples = blocks.vector_sink_c()
    chain.graph.connect(chain.named["Impairment Channel"], samples)
    chain.graph.msg_connect(chain.named["Frame Receiver"], "transmissions", arrived, "in")
    chain.graph.msg_connect(chain.named["JSCC Decoder"], "pictures", decoded, "in")
    chain.graph.run()
    heard = torch.tensor(samples.data(), dtype=torch.complex64).unsqueeze(0)
    rows = []
    with Link(config_of(setup)) as plain, Link(config_of(setup)) as again:
        recorded = again.receiving.push(heard) + again.receiving.flush()
        for picture, (_, symbols), (meta, data), once in zip(
            (pictures_of(setup) * setup.count)[: setup.count],
            arrived.pdus,
            decoded.pdus,
            recorded,
            strict=True,
        ):
            result = plain.send(picture)
            assert result.received is not None and result.pixels is not None and once.pixels is not None
            ours = picture_pixels(meta, data)
            rows.append(
                {
                    "symbols": _difference(symbols, result.received.assembled.symbols),
                    "symbols_rms": _rms_difference(symbols, result.received.assembled.symbols),
                    "symbols_of_recording": _difference(symbols, once.assembled.symbols),
                    "psnr_db": abs(_level_db(picture, ours) - _level_db(picture, result.pixels)),
                    "grey_levels_of_recording": float((ours.int() - once.pixels.int()).abs().max()),
                }
            )
    about = {"pictures": len(rows), "samples": heard.shape[1]}
    return about | {f"largest_{key}": max(row[key] for row in rows) for key in rows[0]}


class _Kept(gr.basic_block):  # type: ignore[misc]
    """Keeps the PDUs of one block, with which it ends."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "Kept", None, None)
        self.pdus: list[tuple[Meta, Array]] = []
        add_ports(self, {"in": lambda meta, data: self.pdus.append((meta, data))})


def _difference(ours: Any, theirs: Tensor) -> float:
    """Largest difference over the root mean square."""
    rms = math.sqrt(float(theirs.abs().square().mean()))
    return float((torch.from_numpy(ours) - theirs).abs().max()) / rms


def _rms_difference(ours: Any, theirs: Tensor) -> float:
    power = (torch.from_numpy(ours) - theirs).abs().square().mean() / theirs.abs().square().mean()
    return math.sqrt(float(power))


def _level_db(sent: Picture, received: Tensor) -> float:
    value = psnr_db(sent.pixels, received).value
    assert value is not None
    return value
