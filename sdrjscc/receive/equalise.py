"""Equalise data cells: maximum-ratio combining and each symbol's own noise variance."""

import torch
from torch import Tensor

_WEAK = 1e-20


def combine(
    cells: Tensor, channel: Tensor, error: Tensor, noise_var: Tensor, turn: Tensor
) -> tuple[Tensor, Tensor]:
    """Unbiased symbol estimates from all antennas, and their noise variances.

    Args:
        cells: complex64 ``[B, A, M, C]``.
        channel: complex64 ``[B, A, M or 1, C]``.
        error: float32, shape of ``channel``: variance of the channel estimate.
        noise_var: float32 ``[B, A]``.
        turn: complex64 ``[B, M, C]``, factor that takes the tracked phase out of every cell.

    Returns:
        symbols complex64 ``[B, M, C]`` and noise variance float32 ``[B, M or 1, C]`` (thermal
        noise and error of the channel estimate, for symbols of unit power).
    """
    noise = noise_var[..., None, None] + error
    matched = channel.conj() / noise
    strength = (matched * channel).real.sum(1).clamp_min(_WEAK)
    weight = matched / strength[:, None]
    combined = cells[:, 0] * weight[:, 0]
    for antenna in range(1, cells.shape[1]):
        combined = torch.addcmul(combined, cells[:, antenna], weight[:, antenna])
    return combined * turn, 1.0 / strength


def with_phase_error(noise_var: Tensor, phase_var: Tensor, lost: Tensor) -> Tensor:
    """Noise variance ``[B, M, C]``: that of noise and channel, and the phase error's.

    Args:
        noise_var: float32 ``[B, M or 1, C]``.
        phase_var: float32 ``[B, M]`` in rad**2; for unit-power symbols also their error power.
        lost: bool ``[B, M]``, OFDM symbols of which samples are missing: infinite variance.
    """
    return noise_var + phase_var.masked_fill(lost, torch.inf)[..., None]
