"""Equalise data cells: maximum-ratio combining and each symbol's own noise variance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.waveform.base import Grid, phasor

_WEAK = 1e-20
_FINE = 16


@dataclass(frozen=True)
class Turn:
    """Phase in every cell of B frames, linear over the carriers of an OFDM symbol.

    Attributes:
        common: float64 ``[B, M]``, cycles at DC.
        tilt: float64 ``[B, M]``, cycles from carrier to carrier.
    """

    common: Tensor
    tilt: Tensor


def combining_weights(channel: Tensor, error: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of maximum-ratio combining, unbiased, and what noise they leave.

    Args:
        channel: complex64 ``[B, A, M or 1, C]``.
        error: float32, shape of ``channel``: variance of the channel estimate.
        noise_var: float32 ``[B, A]``.

    Returns:
        weights complex64, shape of ``channel``, and noise variance float32 ``[B, M or 1, C]``
        (thermal noise and error of the channel estimate, for symbols of unit power).
    """
    noise = noise_var[..., None, None] + error
    matched = channel.conj() / noise
    strength = (matched * channel).real.sum(1).clamp_min(_WEAK)
    return matched / strength[:, None], 1.0 / strength


def data_symbols(
    spectra: Tensor, weights: Tensor, noise_var: Tensor, turn: Turn, phase_var: Tensor, grid: Grid
) -> tuple[Tensor, Tensor]:
    """Data cells of all antennas together, and their noise variances, ``[B, M, D]`` each.

    Args:
        spectra: complex64 ``[B, A, M, N]``, see :meth:`sdrjscc.waveform.base.Grid.spectra`.
        weights: complex64 ``[B, A, M or 1, C]``.
        noise_var: float32 ``[B, M or 1, C]``.
        turn: what is taken out of every cell.
        phase_var: float32 ``[B, M]`` in rad**2, for unit-power symbols also their error power;
            infinite where an OFDM symbol is lost. Its cells then become 0.
        grid: of the cells.
    """
    from sdrjscc.receive import _kernels

    steps = torch.arange(_FINE, dtype=torch.float64)
    span = torch.arange(-grid.active_carriers, grid.active_carriers + 1, _FINE, dtype=torch.float64)
    coarse = phasor(-turn.common[..., None] - turn.tilt[..., None] * span)
    fine = phasor(-turn.tilt[..., None] * steps)
    shape = (len(spectra), grid.symbols, grid.data_per_symbol)
    symbols, variance = torch.empty(shape, dtype=torch.complex64), torch.empty(shape)
    _kernels.equalise(
        (spectra.numpy(), weights.contiguous().numpy(), noise_var.numpy(), phase_var.numpy()),
        (coarse.numpy(), fine.numpy()),
        (grid.pilot_index.numpy(), grid.bins.numpy()),
        symbols.numpy(),
        variance.numpy(),
    )
    return symbols, variance
