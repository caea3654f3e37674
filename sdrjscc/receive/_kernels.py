"""The receiver's loops over single samples and cells. Import it where it is used: it compiles.

Slices are taken before loops over them, so that indices run from 0 and loops vectorise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import inlined, machine_code

_Complex = NDArray[np.complex64]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Index = NDArray[np.int64]

_MEMORY = 127.0 / 128.0
_LARGEST_IMAGE = 0.1
_SCEPTICISM = 3.0
_TINY = 1e-30
_LANES = 16
_LOST = 1e30


@inlined
def _trust(square: Any, variance: Any) -> Any:
    """Weight of an estimate by how far it stands out of its own variance: 0 below the root of 3."""
    return max(0.0, 1.0 - _SCEPTICISM * variance / max(square, _TINY))


@inlined
def _front_end(state: Any) -> Any:
    """DC offset and IQ image that the running sums tell of."""
    count = state[5]
    mean = complex(state[0], state[1]) / count
    dc = mean.real * mean.real + mean.imag * mean.imag
    power = max(state[4] / count - dc, _TINY)
    image = (complex(state[2], state[3]) / count - mean * mean) / (2 * power)
    size = image.real * image.real + image.imag * image.imag
    believed = _trust(size, 0.5 / count) if size < _LARGEST_IMAGE * _LARGEST_IMAGE else 0.0
    return mean * _trust(dc, power / count), image * believed


@inlined
def _add_moments(state: Any, block: Any) -> None:
    re = im = re_re = im_im = re_im = np.float32(0)
    for i in range(len(block)):
        x, y = block[i].real, block[i].imag
        re += x
        im += y
        re_re += x * x
        im_im += y * y
        re_im += x * y
    state *= _MEMORY
    state[0] += re
    state[1] += im
    state[2] += np.float64(re_re) - np.float64(im_im)
    state[3] += 2 * np.float64(re_im)
    state[4] += np.float64(re_re) + np.float64(im_im)
    state[5] += len(block)


@machine_code("void(c8[::1],i8,f8[::1],c8[::1])")
def condition(samples: _Complex, size: int, state: _Doubles, out: _Complex) -> None:
    """Take DC offset and IQ image out of one antenna's samples, block by block.

    Args:
        samples: ``[n]``.
        size: samples of a block; n is a multiple of it.
        state: ``[6]``, running sums of x, x**2 (real, imaginary), of abs(x)**2, and their weight;
            brought up to date.
        out: ``[n]``, x - mean - image * conj(x - mean).
    """
    for first in range(0, len(samples), size):
        block, target = samples[first : first + size], out[first : first + size]
        _add_moments(state, block)
        mean, image = _front_end(state)
        offset, factor = np.complex64(mean - image * mean.conjugate()), np.complex64(image)
        for i in range(size):
            target[i] = block[i] - offset - factor * block[i].conjugate()


@inlined
def _energy(values: Any) -> Any:
    total = np.float32(0)
    for i in range(len(values)):
        total += values[i].real * values[i].real + values[i].imag * values[i].imag
    return total


@inlined
def _peak(values: Any, lanes: Any) -> Any:
    """Largest squared magnitude; their number is a multiple of the lanes'."""
    lanes[:] = 0
    for first in range(0, len(values), _LANES):
        part = values[first : first + _LANES]
        for i in range(_LANES):
            lanes[i] = max(lanes[i], part[i].real * part[i].real + part[i].imag * part[i].imag)
    return np.max(lanes)


@machine_code("void(c8[::1],c8[:,::1],UniTuple(i8,3),f4,f4[:,::1],f4[::1])")
def bound_metric(
    samples: _Complex,
    correlation: _Complex,
    sizes: tuple[int, int, int],
    dynamic_range: float,
    ratio: _Floats,
    floor: _Floats,
) -> None:
    """Add one antenna's upper bound of the search metric in groups of positions.

    Args:
        samples: ``[n]``, of blocks that begin a hop apart and are as long as ``correlation``'s.
        correlation: ``[blocks, L]``, with the template.
        sizes: positions taken from a block (the hop); those of a group, which divide them; how
            many groups the template touches from any position of the first.
        dynamic_range: energy below the block's largest by this ratio is no signal.
        ratio: ``[blocks, hop / group]``, largest correlation energy over the energy covered; added to.
        floor: ``[blocks]``, the least energy assumed; written.
    """
    hop, group, cover = sizes
    span = correlation.shape[1] // group
    energy, lanes = np.empty(span, dtype=np.float32), np.empty(_LANES, dtype=np.float32)
    covered = np.empty(span - cover + 1, dtype=np.float32)
    for block in range(len(correlation)):
        for g in range(span):
            at = block * hop + g * group
            energy[g] = _energy(samples[at : at + group])
        for g in range(len(covered)):
            covered[g] = np.sum(energy[g : g + cover])
        floor[block] = max(dynamic_range * np.max(covered), np.float32(_TINY))
        for g in range(ratio.shape[1]):
            peak = _peak(correlation[block, g * group : (g + 1) * group], lanes)
            ratio[block, g] += peak / max(floor[block], covered[g])


@inlined
def _weighted(cells: Any, spectra: Any, weights: Any, bins: Any) -> None:
    """Active carriers of each antenna's spectrum, weighted and added; they lie in two runs of bins."""
    half = len(bins) // 2
    cells[:] = 0
    for antenna in range(len(spectra)):
        for side in range(2):
            first, at = side * half, bins[side * half]
            run, factor = spectra[antenna, at : at + half], weights[antenna, first : first + half]
            total = cells[first : first + half]
            for c in range(half):
                total[c] += run[c] * factor[c]


@inlined
def _outer(row: Any, coarse: Any, fine: Any) -> None:
    """``row[c * F + f] = coarse[c] * fine[f]``."""
    steps = len(fine)
    for c in range(len(coarse)):
        part, factor = row[c * steps : (c + 1) * steps], coarse[c]
        for f in range(steps):
            part[f] = factor * fine[f]


@inlined
def _without_pilots(out: Any, row: Any, pilots: Any) -> None:
    """Copy the runs of cells between pilots."""
    first = 0
    for p in range(len(pilots) + 1):
        last = pilots[p] if p < len(pilots) else len(row)
        source, target = row[first:last], out[first - p : last - p]
        for i in range(len(source)):
            target[i] = source[i]
        first = last + 1


_CELLS = "Tuple((c8[:,:,:,::1],c8[:,:,:,::1],f4[:,:,::1],f4[:,::1]))"
_TURN = "UniTuple(c8[:,:,::1],2)"
_WHERE = "Tuple((i8[:,::1],i8[::1]))"


@machine_code(f"void({_CELLS},{_TURN},{_WHERE},c8[:,:,::1],f4[:,:,::1])")
def equalise(
    cells: tuple[_Complex, _Complex, _Floats, _Floats],
    turn: tuple[_Complex, _Complex],
    where: tuple[_Index, _Index],
    symbols: _Complex,
    variance: _Floats,
) -> None:
    """Combine antennas, take the phase out, pick the data cells.

    Args:
        cells: spectra ``[B, A, M, N]``; weights ``[B, A, T, C]``, T being 1 or M; noise variances
            ``[B, T, C]``; phase variances ``[B, M]``, infinite where an OFDM symbol is lost.
        turn: coarse and fine phasors ``[B, M, ...]``, whose outer product is the phase from the
            first to the last active carrier, DC among them.
        where: active index of the pilots ``[M, P]``, ascending, and the carriers' bins ``[C]``.
        symbols: ``[B, M, D]``; written.
        variance: ``[B, M, D]``; written.
    """
    spectra, weights, noise_var, phase_var = cells
    (coarse, fine), (pilot_index, bins) = turn, where
    half = len(bins) // 2
    row = np.empty(2 * half, dtype=np.complex64)
    phase = np.empty(coarse.shape[2] * fine.shape[2], dtype=np.complex64)
    for b in range(len(spectra)):
        for m in range(spectra.shape[2]):
            t, own = m if noise_var.shape[1] > 1 else 0, phase_var[b, m]
            if own > _LOST:
                symbols[b, m], variance[b, m] = 0, np.inf
                continue
            _weighted(row, spectra[b, :, m], weights[b, :, t], bins)
            _outer(phase, coarse[b, m], fine[b, m])
            row[:half] *= phase[:half]
            row[half:] *= phase[half + 1 : 2 * half + 1]
            _without_pilots(symbols[b, m], row, pilot_index[m])
            _without_pilots(variance[b, m], noise_var[b, t], pilot_index[m])
            variance[b, m] += own
