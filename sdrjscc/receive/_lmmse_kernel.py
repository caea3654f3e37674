"""The loops of :func:`sdrjscc.receive.estimate.lmmse`. Import it where it is used: it compiles.

In float64: at high SNR the posterior's matrix has eigenvalues from 1 to 10^9.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import inlined, machine_code

_LEAST_PRIOR = 1e-4
_CAUTION = 0.03


@inlined
def _square(value: Any) -> Any:
    return value.real * value.real + value.imag * value.imag


@inlined
def _determined(spread: Any, prior: Any) -> Any:
    """How far the data, not the prior, determined a tap, 0..1."""
    return min(max(1.0 - spread / prior, 0.0), 1.0)


@inlined
def _likeliest_prior(mean: Any, spread: Any, prior: Any) -> Any:
    """Prior power of a tap that the evidence favours.

    Tipping and Faul 2003, eq. 20: with s the precision of the data about a tap and q its matched
    output, ``(|q|**2 - s) / s**2`` while all others stand still. Here all move at once, and taps
    of a band-limited channel lean on each other, so that none may fall faster than to a fraction
    of MacKay's cautious update (``|mean|**2`` over the determined share).
    """
    precision = max(1.0 / spread - 1.0 / prior, 1e-3 / spread)
    power = _square(mean)
    bold = (power / (spread * spread) - precision) / (precision * precision)
    return max(bold, _CAUTION * power / max(_determined(spread, prior), 1e-3))


@inlined
def _inverse_root(system: Any, inverse: Any) -> None:
    """Inverse of the Cholesky factor of a Hermitian matrix, whose lower part the factor replaces."""
    for i in range(len(system)):
        row = system[i]
        for j in range(i):
            other, total = system[j], row[j]
            for k in range(j):
                total -= row[k] * np.conj(other[k])
            row[j] = total / other[j].real
        pivot = row[i].real
        for k in range(i):
            pivot -= _square(row[k])
        row[i] = np.sqrt(pivot)
    inverse[:] = 0
    for i in range(len(system)):
        row, target = system[i], inverse[i]
        for k in range(i):
            factor, source = row[k], inverse[k]
            for j in range(k + 1):
                target[j] -= factor * source[j]
        for j in range(i):
            target[j] /= row[i].real
        target[i] = 1.0 / row[i].real


@inlined
def _posterior(gram: Any, rhs: Any, prior: Any, work: Any, mean: Any, spread: Any) -> None:
    """Mean and variance of each tap for noise of unit variance, scaled by the prior meanwhile."""
    system, inverse, scale = work
    for i in range(len(prior)):
        scale[i] = np.sqrt(prior[i])
        for j in range(i + 1):
            system[i, j] = gram[i, j] * (scale[i] * scale[j])
        system[i, i] += 1.0
    _inverse_root(system, inverse)
    mean[:] = 0
    spread[:] = 0
    for i in range(len(prior)):
        row, output = inverse[i], 0.0j
        for j in range(i + 1):
            output += row[j] * (scale[j] * rhs[j])
        for j in range(i + 1):
            mean[j] += np.conj(row[j]) * output
            spread[j] += _square(row[j])
    for k in range(len(prior)):
        mean[k] *= scale[k]
        spread[k] *= prior[k]


@inlined
def _covariance(work: Any, noise_var: Any, out: Any) -> None:
    """Covariance of the taps, from what :func:`_posterior` left."""
    product, inverse, scale = work
    product[:] = 0
    for i in range(len(scale)):
        row = inverse[i]
        for j in range(i + 1):
            factor, target = np.conj(row[j]), product[j]
            for k in range(i + 1):
                target[k] += factor * row[k]
    for i in range(len(scale)):
        for j in range(len(scale)):
            out[i, j] = product[i, j] * (scale[i] * scale[j] * noise_var)


def _signature(gram: str, covariance: str) -> str:
    taps = f"Tuple((c8[:,:,::1],{covariance}[:,:,:,::1],f4[:,::1]))"
    return f"void({gram}[:,:,::1],c8[:,:,::1],f4[:,::1],i8,{taps})"


@machine_code(_signature("f8", "f4"), _signature("c16", "c8"))
def estimate(
    gram: NDArray[Any],
    rhs: NDArray[np.complex64],
    noise_var: NDArray[np.float32],
    iterations: int,
    taps: tuple[NDArray[np.complex64], NDArray[Any], NDArray[np.float32]],
) -> None:
    """Posterior of taps whose prior powers maximise the evidence.

    Args:
        gram: float64 or complex128 ``[B or 1, K, K]``.
        rhs: ``[B, A, K]``.
        noise_var: ``[B, A]``.
        iterations: of the prior powers.
        taps: mean ``[B, A, K]``, covariance float32 or complex64 ``[B, A, K, K]``, and how many
            the data determined ``[B, A]``; written.
    """
    mean, covariance, used = taps
    size = rhs.shape[2]
    work = np.empty((size, size), gram.dtype), np.empty((size, size), gram.dtype), np.empty(size)
    found, scaled = np.empty(size, np.complex128), np.empty(size, np.complex128)
    spread, prior = np.empty(size), np.empty(size)
    for b in range(len(rhs)):
        matrix = gram[b if len(gram) > 1 else 0]
        for a in range(rhs.shape[1]):
            deviation = np.sqrt(np.float64(noise_var[b, a]))
            for k in range(size):
                count = matrix[k, k].real
                scaled[k] = rhs[b, a, k] / deviation
                prior[k] = max(_square(scaled[k]) / (count * count) - 1.0 / count, _LEAST_PRIOR / count)
            for iteration in range(iterations):
                _posterior(matrix, scaled, prior, work, found, spread)
                for k in range(size if iteration < iterations - 1 else 0):
                    least = _LEAST_PRIOR / matrix[k, k].real
                    prior[k] = max(_likeliest_prior(found[k], spread[k], prior[k]), least)
            used[b, a] = 0
            for k in range(size):
                used[b, a] += _determined(spread[k], prior[k])
                mean[b, a, k] = found[k] * deviation
            _covariance(work, noise_var[b, a], covariance[b, a])
