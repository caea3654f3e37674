"""The mapper contract: payload to unit-power channel symbols and back."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError
from sdrjscc.payload import PayloadKind


@runtime_checkable
class Mapper(Protocol):
    """Turns one payload kind into channel symbols, and noisy symbols back.

    Attributes:
        kind: the payload kind it takes.
    """

    kind: PayloadKind

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Payload of B transmissions to complex symbols ``[B, k]`` of unit mean power each."""
        ...

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Equalised symbols ``[B, k]`` with noise variance ``[B, k]`` to the payload's estimate.

        A lost symbol has value 0 and infinite variance.
        """
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
