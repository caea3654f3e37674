"""Equalise data cells: maximum-ratio combining and each symbol's own noise variance."""

import torch
from torch import Tensor

_WEAK = 1e-20


def combine(
    cells: Tensor, channel: Tensor, error: Tensor, noise_var: Tensor, turn: Tensor
) -> tuple[Tensor, Tensor]:
    """Unbiased symbol estimates from all antennas, and their noise variance per carrier.

    Args:
        cells: complex64 ``[B, A, M, C]``.
        channel: complex64 ``[B, A, C]``, constant over the frame.
        error: float32 ``[B, A, C]``, variance of the channel estimate.
        noise_var: float32 ``[B, A]``.
        turn: complex64 ``[B, M, C]``, phasor to be taken out of every cell.

    Returns:
        symbols complex64 ``[B, M, C]`` and noise variance float32 ``[B, C]`` (thermal noise and
        error of the channel estimate, for symbols of unit power).
    """
    noise = noise_var[..., None] + error
    strength = (channel.abs().square() / noise).sum(1).clamp_min(_WEAK)
    weight = channel.conj() / noise / strength[:, None]
    symbols = (cells * weight[:, :, None]).sum(1) * turn.conj()
    return symbols, 1.0 / strength


def with_phase_error(noise_var: Tensor, phase_var: Tensor, lost: Tensor) -> Tensor:
    """Noise variance ``[B, M, C]``: per carrier ``[B, C]`` plus the phase error's of each OFDM symbol.

    Args:
        noise_var: float32 ``[B, C]``.
        phase_var: float32 ``[B, M]`` in rad**2; for unit-power symbols also their error power.
        lost: bool ``[B, M]``, OFDM symbols of which samples are missing: infinite variance.
    """
    total = noise_var[:, None] + phase_var[..., None]
    return torch.where(lost[..., None], torch.full_like(total, torch.inf), total)
