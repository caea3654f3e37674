"""What the link probe says of one received picture: the package's own measurements, under their keys."""

import math
import time

import torch
from torch import Tensor

from sdrjscc.framing.packetise import packetise
from sdrjscc.grblocks.pdu import Array, Meta, picture_pixels
from sdrjscc.grblocks.received import parse_packet
from sdrjscc.images.metrics import psnr_db, ssim
from sdrjscc.link.result import packets_quality

Sent = tuple[Meta, Array] | None
_COPIED = (
    "width",
    "height",
    "pilot_snr_db",
    "cfo_hz",
    "sco_ppm",
    "packets_received",
    "decode_ms",
    "undecodable",
)
_BLANK = torch.zeros(3, 11, 11, dtype=torch.uint8)


class SparingSsim:
    """SSIM, for as many pictures as take a share of the time."""

    def __init__(self, share: float) -> None:
        """Set the share, 0 to 1."""
        self._share, self._began_s, self._took_s = share, -math.inf, 0.0
        if share:
            ssim(_BLANK, _BLANK)  # the first one loads a library, for which a running graph has no time

    def measure(self, sent: Tensor, received: Tensor, *, hurry: bool) -> float | None:
        """SSIM of two pictures, or ``None`` where there is no time (``hurry``, unless the share is 1)."""
        began_s = time.monotonic()
        affordable = not hurry and self._took_s <= self._share * (began_s - self._began_s)
        if not self._share or not (affordable or self._share == 1):
            return None
        value = ssim(sent, received).value
        self._began_s, self._took_s = began_s, time.monotonic() - began_s
        return value


def received_values(meta: Meta) -> Meta:
    """What the receiver knows."""
    known = {key: meta[key] for key in ("nonce", "transmission", *_COPIED) if key in meta}
    return known | ({"packets_sent": meta["packets"]} if "packets" in meta else {})


def picture_values(meta: Meta, pixels: Tensor, sent: Sent, ssim: SparingSsim, *, hurry: bool) -> Meta:
    """A received picture against the one that was sent under its number, if that is of its size."""
    if sent is None or not _same(sent[0], meta, "width", "height"):
        return {}
    about, original = sent[0], picture_pixels(*sent)
    return {
        "image": about.get("name"),
        "index": about.get("index"),
        "psnr_db": psnr_db(original, pixels).value,
        "ssim": ssim.measure(original, pixels, hurry=hurry),
    }


def latency_values(meta: Meta, sent: Sent, now_s: float) -> Meta:
    """Time from picture to picture."""
    if sent is None or "time_s" not in sent[0] or not _same(sent[0], meta, "width", "height"):
        return {}
    return {"latency_ms": 1e3 * (now_s - sent[0]["time_s"])}


def symbol_values(meta: Meta, sent: Sent, packets: list[tuple[Meta, Array]], payload_symbols: int) -> Meta:
    """A picture's packets, as they came, against the symbols that were sent under its number."""
    if sent is None or not _same(sent[0], meta, "width", "height", "mode"):
        return {}
    same = [one for one in packets if _same(one[0], meta, "nonce", "packets", "width", "height")]
    references = packetise(torch.from_numpy(sent[1]), payload_symbols)
    if len(references) != meta.get("packets"):
        return {}
    quality = packets_quality([parse_packet(*one) for one in same], references)
    return {} if quality is None else {"snr_db": quality.snr_db, "evm_db": quality.evm_db}


def _same(one: Meta, other: Meta, *keys: str) -> bool:
    return all(one.get(key) == other.get(key) for key in keys)
