"""Channel estimation in the delay domain: linear MMSE with tap powers learnt from the data.

Taps lie at -8..16 samples around the strongest path. Each has a prior power that is itself
learnt by maximising the evidence (the fixed point of MacKay 1992, "Bayesian interpolation"), so
that empty taps vanish and cost nothing. What the estimator sees of the observations are their
normal equations: a Gram matrix, most often a constant of the waveform, and a right-hand side.
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

_LEAST_PRIOR = 1e-4


@dataclass(frozen=True)
class Taps:
    """Estimated taps of ``[B, A]`` channels.

    Attributes:
        mean: complex64 ``[B, A, K]``.
        covariance: complex64 ``[B, A, K, K]``, of the estimation error.
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
    """Gram matrix ``[25, 25]`` of the two chirps, sent with the amplitude ``gain``."""
    with torch.inference_mode(mode=False):
        return 2 * gain**2 * (chirp_steering().mH @ chirp_steering())


@lru_cache(maxsize=4)
def head_gram(gain: float) -> Tensor:
    """Gram matrix ``[25, 25]`` of chirps and known header."""
    with torch.inference_mode(mode=False):
        return chirp_gram(gain) + HEADER.symbols * (steering(HEADER).mH @ steering(HEADER))


def lmmse(gram: Tensor, rhs: Tensor, noise_var: Tensor) -> Taps:
    """Taps from normal equations.

    Args:
        gram: complex64 ``[..., K, K]``, broadcastable to ``[B, 1, K, K]``: sum of the outer
            products of all observations' responses.
        rhs: complex64 ``[B, A, K]``: observations correlated with those responses.
        noise_var: float32 ``[B, A]``: noise variance of an observation.
    """
    noise = noise_var[..., None].clamp_min(1e-30)
    count = gram.diagonal(dim1=-2, dim2=-1).real
    first = (rhs / count).abs().square() - noise / count
    floor = _LEAST_PRIOR * noise / count
    prior = torch.maximum(first, floor)
    mean, covariance = _posterior(gram, rhs, noise, prior)
    for _ in range(ITERATIONS - 1):
        spread = covariance.diagonal(dim1=-2, dim2=-1).real
        determined = (1.0 - spread / prior).clamp(1e-3, 1.0)
        prior = torch.maximum(mean.abs().square() / determined, floor)
        mean, covariance = _posterior(gram, rhs, noise, prior)
    spread = covariance.diagonal(dim1=-2, dim2=-1).real
    used = (1.0 - spread / prior).clamp(0.0, 1.0).sum(-1)
    return Taps(mean, covariance, used)


def _posterior(gram: Tensor, rhs: Tensor, noise: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance for given prior powers, scaled so that the inverse is well conditioned."""
    scale = (prior / noise).sqrt()
    system = gram * (scale[..., :, None] * scale[..., None, :])
    system = system + torch.eye(system.shape[-1], dtype=system.dtype, device=system.device)
    root = torch.linalg.cholesky(system)
    inverse = torch.cholesky_inverse(root)
    covariance = inverse * (scale[..., :, None] * scale[..., None, :])
    mean = (covariance @ rhs[..., None])[..., 0]
    return mean, covariance * noise[..., None]


def response_error(taps: Taps, response: Tensor) -> Tensor:
    """Variance of the estimated channel, float32 ``[B, A, C]``, at responses ``[C, K]``."""
    spread = torch.einsum("ck,bakl->bacl", response, taps.covariance)
    return (spread * response.conj()).sum(-1).real.clamp_min(0.0)
