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

_LEAST_PRIOR = 1e-4
_CAUTION = 0.03


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
    """Taps from normal equations.

    Args:
        gram: complex64 or, where it is real, float32 ``[..., K, K]``, broadcastable to
            ``[B, 1, K, K]``: sum of the outer products of all observations' responses.
        rhs: complex64 ``[B, A, K]``: observations correlated with those responses.
        noise_var: float32 ``[B, A]``: noise variance of an observation.
    """
    rhs = rhs / noise_var.sqrt()[..., None]
    count = gram.diagonal(dim1=-2, dim2=-1).real
    floor = _LEAST_PRIOR / count
    prior = torch.maximum((rhs / count).abs().square() - 1 / count, floor)
    mean, covariance = _posterior(gram, rhs, prior)
    for _ in range(ITERATIONS - 1):
        prior = torch.maximum(_likeliest_prior(mean, covariance, prior), floor)
        mean, covariance = _posterior(gram, rhs, prior)
    used = _determined(covariance, prior).sum(-1)
    return Taps(mean * noise_var.sqrt()[..., None], covariance * noise_var[..., None, None], used)


def _posterior(gram: Tensor, rhs: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance for prior powers relative to noise of unit variance.

    Scaled by the prior, so that what is inverted is well conditioned.
    """
    scale = prior.sqrt()
    outer = scale[..., :, None] * scale[..., None, :]
    system = gram * outer + torch.eye(scale.shape[-1], dtype=gram.dtype, device=gram.device)
    covariance = torch.cholesky_inverse(_root(system)) * outer
    if covariance.is_complex():
        return (covariance @ rhs[..., None])[..., 0], covariance
    return torch.view_as_complex(covariance @ torch.view_as_real(rhs)), covariance


def _root(system: Tensor) -> Tensor:
    """Cholesky factor of a matrix no eigenvalue of which is below 1, however large others are."""
    root: Tensor
    root, failed = torch.linalg.cholesky_ex(system)
    if bool(failed.any()):
        wide = torch.complex128 if system.is_complex() else torch.float64
        root = torch.linalg.cholesky(system.to(wide)).to(system.dtype)
    return root


def _likeliest_prior(mean: Tensor, covariance: Tensor, prior: Tensor) -> Tensor:
    """Prior power of each tap that the evidence favours.

    Tipping and Faul 2003, eq. 20: with s the precision of the data about a tap and q its matched
    output, ``(|q|**2 - s) / s**2`` while all others stand still. Here all move at once, and taps
    of a band-limited channel lean on each other, so that none may fall faster than to a fraction
    of MacKay's cautious update (``|mean|**2`` over the determined share).
    """
    spread = covariance.diagonal(dim1=-2, dim2=-1).real
    precision = (1 / spread - 1 / prior).clamp_min(1e-3 / spread)
    bold = ((mean / spread).abs().square() - precision) / precision.square()
    cautious = mean.abs().square() / _determined(covariance, prior).clamp_min(1e-3)
    return torch.maximum(bold, _CAUTION * cautious)


def _determined(covariance: Tensor, prior: Tensor) -> Tensor:
    """How far the data, not the prior, determined each tap, 0..1."""
    return (1.0 - covariance.diagonal(dim1=-2, dim2=-1).real / prior).clamp(0.0, 1.0)


def response_error(taps: Taps, response: Tensor) -> Tensor:
    """Variance of the estimated channel, float32 ``[B, A, C]``, at responses ``[C, K]``."""
    if taps.covariance.is_complex():
        variance: Tensor = ((response @ taps.covariance) * response.conj()).sum(-1).real
    else:
        parts = torch.cat([response.real, response.imag])
        power = ((parts @ taps.covariance) * parts).sum(-1)
        variance = power.unflatten(-1, (2, len(response))).sum(-2)
    return variance.clamp_min(0.0)
