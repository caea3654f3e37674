"""Separate source and channel coding, the classical baseline: AVIF, 5G-NR LDPC, QAM.

```
image ── AVIF, as many bytes as fit ── CRC, segments, LDPC ── bits ── qam ── symbols
```
It sends the same k symbols as a codec of ratio ``rho``, through the same frames and radios. The
header's mode is the modulation and coding scheme (:mod:`sdrjscc.codecs._mcs`): taken from the SNR,
or fixed, which shows the cliff. A picture whose bytes are lost is its mean colour, which the
payload header carries at a third of the data's rate, and counts as undecodable.

Scheme: "Deep Joint Source-Channel Coding for Wireless Image Transmission", Bourtsoulatze, Burth
Kurka and Gunduz, 2019, section IV, with AVIF instead of JPEG and the LDPC code of 3GPP TS 38.212.
"""

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.codecs import _transport
from sdrjscc.codecs._mcs import SCHEMES, scheme_at
from sdrjscc.codecs._source_coders import CODERS, encode_within
from sdrjscc.codecs._transport import Layout, PayloadHeader, layout
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError, ImageError, Undecodable
from sdrjscc.images.bpg import require_bpg
from sdrjscc.images.io import to_float, to_uint8
from sdrjscc.payload import PayloadKind, Plan

VARIANTS = ("avif", "jpeg")
"""Picture coders that every installation has; ``bpg`` needs its programs."""


class Config(Section):
    """``[codec]`` table: ``name = "separation"``.

    Attributes:
        variant: the picture coder: ``avif``, ``jpeg``, or ``bpg`` where its programs are on the PATH.
        rho: complex channel symbols a value of the padded picture.
        speed: of AVIF's encoder: 6 for live use, 4 for tables (0.6 dB better, 7 times slower; up to 4,
            what a quality step leaves of the byte budget is filled, too).
        margin_db: above a scheme's SNR, from which on it is taken. In white noise 0.3 loses nothing
            in the link either; over the echoes of ``loopback-hard`` 16-QAM 1/2 needs 2, and faster
            schemes more.
    """

    variant: Literal["avif", "jpeg", "bpg"] = "avif"
    rho: float = Field(1 / 12, gt=0, le=8, description="k / (3 * width * height)")
    speed: int = Field(6, ge=0, le=10, description="of AVIF's encoder")
    margin_db: float = Field(2.0, ge=0, le=20, description="of the sender's choice of the mode")
    weights: Literal["none", "untrained"] = Field("none", description="it has none; both mean the same")


def build(config: Config) -> "Separation":
    """Build the codec.

    Raises:
        ConfigError: BPG's programs are not there.
    """
    if config.variant == "bpg":
        try:
            require_bpg("bpgenc", "bpgdec")
        except ImageError as error:
            raise ConfigError(str(error)) from error
    return Separation(config)


def default_mapping(config: Config) -> dict[str, Any]:
    """The modulation of every scheme."""
    return {"name": "qam", "takes": "bits", "orders": [scheme.order for scheme in SCHEMES]}


class Separation:
    """Picture coder and channel code as a codec of bits."""

    multiple = 16
    """As most networks here, so that k is the same; and JPEG's block with halved colours."""
    uses_noise_var = False
    fingerprint = ""
    modes = len(SCHEMES)
    first_mode = 2
    """QPSK 1/2: in the lowest modes few pictures fit, which would never get an SNR reported."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def mode_at(self, snr_db: float) -> int:
        """The scheme to take at an SNR of the channel, or one that a receiver reports."""
        return scheme_at(snr_db - self._config.margin_db)

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        """See :meth:`sdrjscc.codecs.base.Codec.plan`.

        Raises:
            ConfigError: there is no such mode, or a prefix.
        """
        if prefix:
            raise ConfigError(f"prefix must be 0 for a codec of one rate (got {prefix})")
        if not 0 <= mode < self.modes:
            raise ConfigError(f"mode must be one of the {self.modes} of codec separation (got {mode})")
        # a rho such as 1/12 is not exact: the last symbol must not hang on its rounding
        symbols = max(1, math.floor(self._config.rho * 3 * width * height * (1 + 1e-12)))
        return Plan(width, height, symbols, PayloadKind.BITS, mode)

    def capacity(self, plan: Plan) -> int:
        """The most bytes that a coded picture may have."""
        return _layout(plan).capacity

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        """Encode ``[B, 3, H, W]`` into uint8 bits ``[B, n]``, n = k log2 M.

        Raises:
            ImageError: a picture does not fit into its symbols, even at the lowest quality.
        """
        rows = [self._encode_one(pixels, plan) for pixels in to_uint8(images.detach()).cpu()]
        return torch.stack(rows).to(images.device)

    def _encode_one(self, pixels: Tensor, plan: Plan) -> Tensor:
        shared = _layout(plan)
        coder = CODERS[self._config.variant]
        try:
            data = encode_within(coder, pixels, shared.capacity, self._config.speed)
        except ImageError as error:
            raise ImageError(
                f"picture of {plan.width}x{plan.height} px must be larger, rho ({self._config.rho:.4g}) or "
                f"the mode ({plan.mode}: {shared.mcs.name}) higher, for codec separation to send it: {error}"
            ) from error
        red, green, blue = pixels.float().mean((1, 2)).round().int().tolist()
        return _transport.encode(PayloadHeader(len(data), coder.number, (red, green, blue)), data, shared)

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: Plan) -> Tensor:
        """Decode log-likelihood ratios, or hard bits, ``[B, n]`` into images ``[B, 3, H, W]``.

        Raises:
            Undecodable: the bytes of a picture are lost; where all payload headers arrived, its
                ``fallback`` has all pictures, the lost ones in their mean colour.
        """
        shared = _layout(plan)
        _check_size(payload_hat, plan, shared)
        soft = payload_hat if payload_hat.is_floating_point() else 1.0 - 2.0 * payload_hat.float()
        found = [_decode_one(row, plan, shared) for row in soft.detach().cpu()]
        pictures = [picture for picture, _ in found]
        reasons = [reason for _, reason in found if reason is not None]
        known = [picture for picture in pictures if picture is not None]
        images = torch.stack(known).to(payload_hat.device) if len(known) == len(pictures) else None
        if reasons or images is None:
            raise Undecodable(reasons[0], fallback=images)
        return images


def _layout(plan: Plan) -> Layout:
    return layout(plan.symbols, SCHEMES[plan.mode])


def _check_size(payload_hat: Tensor, plan: Plan, shared: Layout) -> None:
    bits = plan.symbols * shared.mcs.bits
    if payload_hat.ndim != 2 or payload_hat.shape[1] != bits:
        raise Undecodable(f"payload must have {bits} bits (got shape {tuple(payload_hat.shape)})")
    if not shared.segments:
        raise Undecodable(
            f"a transmission must have room for a payload header and data (got {plan.symbols} symbols)"
        )


def _decode_one(llr: Tensor, plan: Plan, shared: Layout) -> tuple[Tensor | None, str | None]:
    """The picture, float32 ``[3, H, W]``, if anything of it is known, and why it is not whole."""
    header, data = _transport.decode(llr, shared)
    if header is None:
        return None, "payload header lost"
    mean = torch.tensor(header.colour).float().div(255.0)[:, None, None].expand(3, plan.height, plan.width)
    if data is None:
        return mean, "coded picture lost: its mean colour instead"
    coders = [coder for coder in CODERS.values() if coder.number == header.coder]
    try:
        if not coders:
            return mean, f"payload must be of a known picture coder (got number {header.coder})"
        return to_float(coders[0].decode(data, plan.width, plan.height)), None
    except ImageError as error:
        return mean, str(error)
