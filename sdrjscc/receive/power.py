"""Squared magnitudes without the square root that ``abs`` takes: several times faster."""

import torch
from torch import Tensor


def squares(values: Tensor) -> Tensor:
    """Squared magnitude of each complex value."""
    parts = torch.view_as_real(values.resolve_conj())
    return parts[..., 0].square() + parts[..., 1].square()


def energy(values: Tensor, dims: int = 1) -> Tensor:
    """Energy of complex values over their last ``dims`` dimensions."""
    parts = torch.view_as_real(values.resolve_conj()).square()
    return parts.sum(tuple(range(-1 - dims, 0)))
