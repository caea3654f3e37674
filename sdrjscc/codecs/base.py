"""The codec contract, and the adapter that makes any convolutional autoencoder fulfil it.

```
images [B,3,H,W] ── encode ──> payload ── mapper, channel, mapper ──> payload_hat ── decode ──> images
```
A codec may have more, which is used where it is there:

- ``mapper_tables``: tensors by name that its mapper needs (:func:`sdrjscc.mapping.base.bind`);
- ``loss_terms()``: scalars by name that a recipe may weight and add to its loss;
- ``modes``: how many header modes it encodes in ways of their own; without it, all are the same;
- ``encodings``: for each mode the first one in which it encodes alike, so that training encodes a batch
  once for them; without it, each is its own.

Its module may have more as well, see CONTRIBUTING.md.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sdrjscc.codecs._weights import fingerprint, load_own_weights
from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError, Undecodable
from sdrjscc.images.tiles import apply_tiled
from sdrjscc.payload import PayloadKind, Plan

_TILE_PX = 1024


@runtime_checkable
class Codec(Protocol):
    """What the link, the training loop and the GNU Radio blocks ask of a codec.

    Attributes:
        multiple: width and height handed to ``plan`` and ``encode`` are multiples of it.
        uses_noise_var: whether ``decode`` reads ``noise_var``.
        fingerprint: identifies the weights (hash), part of the link's digest; may be empty.

    A codec that needs the mapper's option ``demap`` to be one of its values has it as ``demap``.
    """

    multiple: int
    uses_noise_var: bool
    fingerprint: str

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        """Number of channel symbols and payload kind of one picture of ``width`` x ``height`` px."""
        ...

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        """Encode float32 images in [0, 1], ``[B, 3, H, W]``, of the plan's size into its payload."""
        ...

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: Plan) -> Tensor:
        """Decode a received payload into images ``[B, 3, H, W]``.

        Args:
            payload_hat: as the mapper's ``demap`` returned it.
            noise_var: ``[B, k]``, noise variance per channel symbol, ``inf`` where lost.
            plan: what was sent.

        Raises:
            Undecodable: no picture can be made of it; the link counts it.
        """
        ...


def to_payload(latent: Tensor, values: int) -> Tensor:
    """Latent ``[B, c, h, w]`` as a payload ``[B, k, values]``, k = c/values * h * w.

    Channels ``values * i`` to ``values * i + values - 1`` of one position are one symbol; symbols
    run through the positions row by row, then through i.
    """
    batch, channels, height, width = latent.shape
    groups = latent.reshape(batch, channels // values, values, height * width)
    return groups.transpose(2, 3).reshape(batch, -1, values)


def from_payload(payload_hat: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Latent ``[B, channels, height, width]`` of a payload ``[B, k, values]``: undoes :func:`to_payload`.

    Raises:
        Undecodable: the payload has another size.
    """
    values = payload_hat.shape[-1]
    symbols = channels * height * width // values
    if payload_hat.shape[1:] != (symbols, values):
        raise Undecodable(
            f"payload must have {symbols} symbols of {values} values (got shape {tuple(payload_hat.shape)})"
        )
    groups = payload_hat.reshape(-1, channels // values, height * width, values)
    return groups.transpose(2, 3).reshape(-1, channels, height, width)


def run_tiled(
    network: Callable[[Tensor], Tensor], inputs: Tensor, *, halo: int | None, stride: int, encoding: bool
) -> Tensor:
    """Run a fully convolutional encoder or decoder, a large picture in tiles.

    Args:
        network: images ``[B, 3, H, W]`` to ``[B, c, H/stride, W/stride]``, or back.
        inputs: images or latent.
        halo: pixels of context that an output depends on at most; ``None``: never in tiles.
        stride: pixels per latent position along one side.
        encoding: whether it is the encoder.

    Returns:
        The network's output; while gradients are recorded nothing is cut.
    """
    if halo is None or torch.is_grad_enabled():
        return network(inputs)
    if encoding:
        scale = Fraction(1, stride)
        return apply_tiled(network, inputs, halo=halo, tile=_TILE_PX, multiple=stride, scale=scale)
    return apply_tiled(network, inputs, halo=-(-halo // stride), tile=_TILE_PX // stride, scale=stride)


class LatentCodec(nn.Module):
    """A convolutional encoder and decoder as a codec with analog payload.

    The encoder maps ``[B, 3, H, W]`` to ``[B, c, H/stride, W/stride]``, the decoder maps it
    back; latent channels 2i and 2i+1 form the I and Q of one symbol per position, so that
    ``k = c/2 * (H/stride) * (W/stride)``. With ``values = 1`` each value is a symbol.
    """

    uses_noise_var = False

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        channels: int,
        stride: int,
        values: int = 2,
        halo: int | None = None,
    ) -> None:
        """Wrap two networks.

        Args:
            encoder, decoder: the networks.
            channels: c, latent channels; a multiple of ``values``.
            stride: pixels per latent position along one side.
            values: latent values that one symbol carries.
            halo: pixels of context a network output depends on at most; with it large
                pictures are processed in tiles, ``None`` always processes them whole.

        Raises:
            ConfigError: ``channels`` is not a positive multiple of ``values``.
        """
        super().__init__()
        if channels < values or channels % values:
            raise ConfigError(f"latent channels must be a positive multiple of {values} (got {channels})")
        self.encoder, self.decoder = encoder, decoder
        self.channels, self.values, self.multiple, self.halo = channels, values, stride, halo
        self.fingerprint = ""

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        """See :meth:`Codec.plan`; the mode is the mapper's own, the network is the same in each.

        Raises:
            ConfigError: ``prefix`` is not 0: it has one rate.
        """
        if prefix:
            raise ConfigError(f"prefix must be 0 for a codec of one rate (got {prefix})")
        positions = (width // self.multiple) * (height // self.multiple)
        symbols = self.channels // self.values * positions
        return Plan(width, height, symbols, PayloadKind.LATENT, mode, prefix, self.values)

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        """Encode ``[B, 3, H, W]`` into a latent payload ``[B, k, values]``."""
        latent = run_tiled(self.encoder, images, halo=self.halo, stride=self.multiple, encoding=True)
        return to_payload(latent, self.values)

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: Plan) -> Tensor:
        """Decode ``[B, k, values]`` into images ``[B, 3, H, W]``; see :meth:`Codec.decode`."""
        height, width = plan.height // self.multiple, plan.width // self.multiple
        latent = from_payload(payload_hat, self.channels, height, width)
        return run_tiled(self.decoder, latent, halo=self.halo, stride=self.multiple, encoding=False)


def load_codec(name: str, variant: str | None = None, **options: object) -> Codec:
    """Build the codec ``name`` (of the package, or ``module:build``) ready for use.

    Args:
        name: plug-in name, e.g. ``"dsc_jscc"``.
        variant: e.g. ``"60-E2D2"``; ``None`` is the family's default.
        options: further keys of the codec's table in the link's TOML.

    Raises:
        ConfigError: unknown plug-in, variant or option.
        WeightsError: the weights do not fit.
    """
    table = {"name": name, **options}
    return build_codec(table if variant is None else {**table, "variant": variant})


def build_codec(table: dict[str, Any]) -> Codec:
    """Build a codec from its table of the link's TOML; a network comes in evaluation mode.

    A user's own network gets the ``weights`` that were trained for it here, if the table has any.
    """
    codec = build_plugin("codecs", table, "codec")
    if not isinstance(codec, Codec):
        raise ConfigError(
            f"codec '{table['name']}' must have plan, encode, decode, multiple, uses_noise_var, fingerprint"
        )
    if not isinstance(codec, nn.Module):
        return codec
    codec.eval()
    if ":" in table["name"] and isinstance(weights := table.get("weights"), str):
        load_own_weights(codec, table["name"], weights)
    if not codec.fingerprint:  # a user's network: two ends with other weights must not agree
        codec.fingerprint = fingerprint(codec.state_dict())
    return codec
