"""Analog mapping: the latent is the symbol, at unit power over the transmission."""

from typing import Literal

import torch
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping.base import check_mode
from sdrjscc.payload import PayloadKind

_TINY = 1e-12


class Config(Section):
    """``[mapping]`` table: ``name = "analog"``.

    ``lmmse`` (default) demaps to the linear MMSE estimate, ``identity`` hands the equalised
    symbols on as they are (lost ones are 0 in both).
    """

    demap: Literal["lmmse", "identity"] = "lmmse"


def build(config: Config) -> "Analog":
    """Build the mapper."""
    return Analog(lmmse=config.demap == "lmmse")


class Analog:
    """Pairs of reals to complex symbols of unit mean power; back by linear MMSE."""

    kind = PayloadKind.LATENT
    values = (2,)

    def __init__(self, *, lmmse: bool = True) -> None:
        self._lmmse = lmmse

    def map(self, payload: Tensor, mode: int = 0) -> Tensor:
        """Map ``[B, k, 2]`` (I, Q) to ``[B, k]`` complex, mean ``|s|^2`` of each row 1.

        An all-zero payload stays zero.

        Raises:
            ConfigError: the payload's last axis is not 2, or ``mode`` is not 0 (analog).
        """
        if payload.shape[-1] != 2 or mode != 0:
            raise ConfigError(
                f"analog mapping must get I/Q pairs in mode 0 (got shape {tuple(payload.shape)}, mode {mode})"
            )
        power = payload.square().sum(-1).mean(-1, keepdim=True).unsqueeze(-1)
        return torch.view_as_complex((payload * torch.rsqrt(power.clamp_min(_TINY))).contiguous())

    def demap(self, symbols: Tensor, noise_var: Tensor, mode: int = 0) -> Tensor:
        """Estimate ``[B, k, 2]`` from symbols ``[B, k]``: ``s / (1 + noise_var)`` for unit-power s.

        Infinite variance gives exactly 0, whatever the symbol holds.
        """
        check_mode("analog", mode, 1)
        lost = torch.isinf(noise_var)
        weight = (
            torch.where(lost, 0.0, 1.0 / (1.0 + noise_var)) if self._lmmse else (~lost).to(noise_var.dtype)
        )
        received = torch.view_as_real(torch.where(lost, torch.zeros_like(symbols), symbols))
        return received * weight.unsqueeze(-1)
