"""Payloads for any mapper, from what the mapper itself says: its kind, its demap, its refusals."""

from typing import get_args

import torch
from torch import Tensor

from sdrjscc import plugins
from sdrjscc.errors import ConfigError
from sdrjscc.mapping.base import Mapper, build_mapper
from sdrjscc.payload import PayloadKind


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tables() -> list[dict[str, str]]:
    """Every plug-in with its defaults, and with each value of its ``demap`` and ``takes``."""
    found = []
    for name in plugins.available("mapping"):
        fields = plugins.load("mapping", name).config.model_fields
        for takes in _choices(fields, "takes"):
            for demap in _choices(fields, "demap"):
                table = {"name": name, **takes, **demap}
                try:
                    build_mapper(table)
                except ConfigError:
                    continue  # choices that exclude each other
                found.append(table)
    return found


def _choices(fields: dict, key: str) -> list[dict[str, str]]:
    if key not in fields:
        return [{}]
    flat = [value for part in get_args(fields[key].annotation) for value in (get_args(part) or (part,))]
    return [{key: value} for value in flat if isinstance(value, str)]


def label(table: dict[str, str]) -> str:
    return "-".join(table.values())


def modes(mapper: Mapper) -> int:
    """How many header modes the mapper takes before it refuses one."""
    one = torch.zeros(1, 1, dtype=torch.complex64)
    for mode in range(17):
        try:
            mapper.demap(one, torch.ones(1, 1), mode)
        except ConfigError:
            return mode
    raise AssertionError("a header has 16 modes")


def example(
    mapper: Mapper, batch: int, symbols: int, mode: int = 0, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A random payload: uniform reals in (0, 1), indices or bits."""
    generator = seeded(seed)
    one = mapper.demap(torch.zeros(1, 1, dtype=torch.complex64), torch.ones(1, 1), mode)
    if mapper.kind is PayloadKind.LATENT:
        return torch.rand(batch, symbols, one.shape[-1], dtype=dtype, generator=generator)
    if mapper.kind is PayloadKind.INDICES:
        return torch.randint(len(mapper.points(mode)), (batch, symbols), generator=generator)
    bits = torch.randint(2, (batch, symbols * one.shape[-1]), generator=generator)
    return bits.to(torch.uint8)


def decided(mapper: Mapper, estimate: Tensor) -> Tensor:
    """What the mapper's map takes, from what its demap gave."""
    if mapper.kind is PayloadKind.INDICES and estimate.is_floating_point():
        return estimate.argmax(-1) if estimate.ndim == 3 else estimate.round().long()
    if mapper.kind is PayloadKind.BITS and estimate.is_floating_point():
        return (estimate < 0).to(torch.uint8)
    return estimate


def noisy(snr_db: float, seed: int = 0):
    """A channel of white noise as a mapper's ``send``; no stream in common with ``seeded(seed)``."""

    def send(symbols: Tensor) -> tuple[Tensor, Tensor]:
        noise_var = 10.0 ** (-snr_db / 10.0)
        noise = torch.randn(symbols.shape, dtype=symbols.dtype, generator=seeded(1000 + seed))
        return symbols + noise_var**0.5 * noise, torch.full(
            symbols.shape, noise_var, dtype=symbols.real.dtype
        )

    return send
