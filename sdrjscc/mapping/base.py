"""The mapper contract: payload to unit-power channel symbols and back.

```
payload ── map ──> symbols ── channel ──> symbols, noise_var ── demap ──> payload_hat
```
What a mapper needs and training decides (codebooks, trained points, the scale of an analog
latent) lies in the *codec's* weights, so that one file and one fingerprint cover it: such a
codec has ``mapper_tables``, tensors by name, and :func:`bind` hands them to its mapper. (A
property, best: ``Module.to`` replaces buffers, and a stored dictionary would keep the old ones.)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError
from sdrjscc.payload import PayloadKind

Send = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A symbol channel with SNR and randomness fixed: symbols to (equalised symbols, noise_var)."""


@runtime_checkable
class Mapper(Protocol):
    """Turns one payload kind into channel symbols, and noisy symbols back.

    The option that says how to demap is called ``demap``: the receiver's own choice, not part
    of the link's digest. All other options are shared by both ends.

    A mapper with modes has ``orders``, M of each. One of latents has ``values``: how many real
    values a symbol takes in each mode (the last entry counts for all after it), by which a codec
    that does not fit is refused at the start.

    Attributes:
        kind: the payload kind it takes.
    """

    kind: PayloadKind

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Payload of B transmissions to complex symbols ``[B, k]``.

        Unit mean power: of each transmission where the mapper normalises, otherwise of the
        constellation, all its points being equally likely.
        """
        ...

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Equalised symbols ``[B, k]`` with noise variance ``[B, k]`` to the payload's estimate.

        A symbol of infinite variance is lost: its value, NaN included, is not looked at.
        """
        ...


@runtime_checkable
class Bindable(Protocol):
    """A mapper that takes tables which a codec's weights hold."""

    def bind(self, tables: Mapping[str, Tensor]) -> Mapper:
        """The mapper with these tables; unknown names are left alone, missing ones stay as built."""
        ...


@dataclass(frozen=True)
class Passed:
    """What went through mapper and channel in training.

    Attributes:
        payload_hat: the payload's estimate, with the gradient that the mapper documents.
        noise_var: ``[B, k]``, noise variance per symbol.
        terms: scalars that a recipe may weight and add to its loss, by name.
    """

    payload_hat: Tensor
    noise_var: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Trainable(Protocol):
    """A mapper whose training pass is more than map, send and demap."""

    def transmit(self, payload: Tensor, send: Send, mode: int = 0) -> Passed:
        """Map, send and demap with the mapper's surrogate gradient and loss terms."""
        ...


def build_mapper(table: dict[str, Any]) -> Mapper:
    """Build a mapper from its table of the link's TOML.

    Raises:
        ConfigError: unknown mapper or option.
    """
    mapper = build_plugin("mapping", table, "mapping")
    if not isinstance(mapper, Mapper):
        raise ConfigError(f"mapper '{table['name']}' must have kind, map and demap")
    return mapper


def bind(mapper: Mapper, codec: object) -> Mapper:
    """The mapper with what was trained for it in ``codec.mapper_tables``, if there is any.

    Cheap, and the tables are used, not copied: gradients reach the codec's parameters.
    """
    tables = getattr(codec, "mapper_tables", None)
    return mapper.bind(tables) if tables and isinstance(mapper, Bindable) else mapper


def transmit(mapper: Mapper, payload: Tensor, send: Send, mode: int = 0) -> Passed:
    """Pass a payload through mapper and channel for training or evaluation.

    A network may run in 16-bit floats: distances to codewords and the channel's noise do not.

    Args:
        mapper: bound to its codec.
        payload: of B transmissions, as the codec's ``encode`` returned it.
        send: the channel.
        mode: header mode.
    """
    if payload.is_floating_point() and payload.itemsize < torch.float32.itemsize:
        payload = payload.float()
    with torch.autocast(payload.device.type, enabled=False):
        if isinstance(mapper, Trainable):
            return mapper.transmit(payload, send, mode)
        received, noise_var = send(mapper.map(payload, mode))
        return Passed(mapper.demap(received, noise_var, mode), noise_var)


def modulation_orders(mapper: Mapper, codec: object = None) -> tuple[int, ...]:
    """Points of the constellation of each mode; empty for an analog mapper, whose only mode is 0.

    A mapper says so by ``orders``.

    Args:
        mapper: of any kind.
        codec: bind it to this one first.
    """
    return tuple(getattr(bind(mapper, codec), "orders", ()))


def numbered(tables: Mapping[str, Tensor], stem: str) -> list[Tensor]:
    """Tables ``stem0``, ``stem1``, ... up to the first that is missing: one a mode."""
    found: list[Tensor] = []
    while (name := f"{stem}{len(found)}") in tables:
        found.append(tables[name])
    return found


def check_mode(mapping: str, mode: int, modes: int) -> None:
    """Check a header mode.

    Raises:
        ConfigError: the mapper has no such mode.
    """
    if not 0 <= mode < modes:
        raise ConfigError(f"mode must be one of the {modes} that mapping {mapping} has (got {mode})")


def check_latent(mapping: str, payload: Tensor, width: int) -> None:
    """Check a latent payload.

    Raises:
        ConfigError: it is not real ``[B, k, width]``.
    """
    if payload.ndim != 3 or payload.shape[-1] != width or not payload.is_floating_point():
        raise ConfigError(
            f"mapping {mapping} must get a real payload [B, k, {width}] "
            f"(got {payload.dtype} {list(payload.shape)})"
        )
