"""Channel estimation in the delay domain: linear MMSE with tap powers learnt from the data.

Taps lie at -8..16 samples around the strongest path. Each has a prior power that is itself
learnt by maximising the evidence (Tipping and Faul 2003, "Fast marginal likelihood maximisation
for sparse Bayesian models"), so that empty taps vanish and cost little. What the estimator sees
of the observations are their normal equations: a Gram matrix, most often a constant of the
waveform, and a right-hand side.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sdrjscc.waveform.base import CHIRP_SIZE, HEADER, Grid, chirp_bins, phasor

FIRST_DELAY = -8
LAST_DELAY = 16
TAPS = LAST_DELAY - FIRST_DELAY + 1
ITERATIONS = 3


@dataclass(frozen=True)
class Taps:
    """Estimated taps of ``[B, A]`` channels.

    Attributes:
        mean: complex64 ``[B, A, K]``.
        covariance: complex64 or float32 ``[B, A, K, K]``, of the estimation error.
        used: float32 ``[B, A]``, how many parameters the data determined (0..K).
    """

    mean: Tensor
    covariance: Tensor
    used: Tensor


def delays() -> Tensor:
    """Delays of the taps in samples, float64 ``[25]``."""
    return torch.arange(FIRST_DELAY, LAST_DELAY + 1, dtype=torch.float64)


@lru_cache(maxsize=16)
def steering(grid: Grid) -> Tensor:
    """Response ``exp(-2j pi f d)``, complex64 ``[C, 25]``, of each tap on a grid's carriers."""
    with torch.inference_mode(mode=False):
        return phasor(-grid.frequencies[:, None] * delays())


@lru_cache(maxsize=1)
def chirp_steering() -> Tensor:
    """Response of each tap, complex64 ``[416, 25]``, on the bins of the chirps."""
    with torch.inference_mode(mode=False):
        return phasor(-chirp_bins().double()[:, None] / CHIRP_SIZE * delays())


@lru_cache(maxsize=4)
def chirp_gram(gain: float) -> Tensor:
    """Gram matrix ``[25, 25]`` of the two chirps, sent with the amplitude ``gain``.

    It is real, as all are whose carriers lie symmetrically about DC.
    """
    with torch.inference_mode(mode=False):
        return 2 * gain**2 * (chirp_steering().mH @ chirp_steering()).real


@lru_cache(maxsize=4)
def head_gram(gain: float) -> Tensor:
    """Gram matrix ``[25, 25]`` of chirps and known header."""
    with torch.inference_mode(mode=False):
        return chirp_gram(gain) + HEADER.symbols * (steering(HEADER).mH @ steering(HEADER)).real


def lmmse(gram: Tensor, rhs: Tensor, noise_var: Tensor) -> Taps:
    """Taps from normal equations. No gradient passes: what is known does not depend on a payload.

    Args:
        gram: complex64 or, where it is real, float32 ``[B or 1, K, K]``: sum of the outer products
            of all observations' responses.
        rhs: complex64 ``[B, A, K]``: observations correlated with those responses.
        noise_var: float32 ``[B, A]``: noise variance of an observation.
    """
    from sdrjscc.receive import _lmmse_kernel

    wide = gram.detach().cpu().to(torch.complex128 if gram.is_complex() else torch.float64)
    values, noise = rhs.detach().cpu().contiguous(), noise_var.detach().cpu().contiguous()
    mean, used = torch.empty_like(values), torch.empty_like(noise)
    covariance = torch.empty(*values.shape, values.shape[-1], dtype=gram.dtype)
    filled = mean.numpy(), covariance.numpy(), used.numpy()
    _lmmse_kernel.estimate(wide.contiguous().numpy(), values.numpy(), noise.numpy(), ITERATIONS, filled)
    return Taps(mean.to(rhs.device), covariance.to(rhs.device), used.to(rhs.device))


def response_error(taps: Taps, response: Tensor) -> Tensor:
    """Variance of the estimated channel, float32 ``[B, A, C]``, at responses ``[C, K]``."""
    return quadratic(response, taps.covariance).clamp_min(0.0)


def quadratic(response: Tensor, matrices: Tensor) -> Tensor:
    """Real part of ``r X r^H`` for each response r of ``[C, K]`` and matrix of ``[..., K, K]``: ``[..., C]``.

    As taps lie one sample apart, only the sums along a matrix's diagonals count: each turns with
    its own difference of delays.
    """
    size = response.shape[1]
    forward = response * response[:, :1].conj()
    turns = torch.cat([forward[:, 1:].flip(1).conj(), forward], dim=1)  # from -(K - 1) to K - 1 samples
    sums = matrices.new_zeros(*matrices.shape[:-2], 2 * size - 1)
    sums.index_add_(-1, _differences(size).to(matrices.device), matrices.flatten(-2))
    if not sums.is_complex():
        return sums @ turns.real.T
    return sums.real @ turns.real.T - sums.imag @ turns.imag.T


@lru_cache(maxsize=4)
def _differences(size: int) -> Tensor:
    """Index of each element's diagonal, ``[K * K]`` int64, ascending from the upper right corner."""
    with torch.inference_mode(mode=False):
        index = torch.arange(size)
        return (index[:, None] - index + size - 1).flatten()
