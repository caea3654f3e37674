"""The receiver's loops over single samples and cells. Import it where it is used: it compiles.

Loops vectorise where numba need not handle negative indices: over slices from 0 on, or with
unsigned numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import inlined, machine_code
from sdrjscc.waveform._kernels import unit_phasor

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
_Size = np.uint64


@inlined
def _square(value: Any) -> Any:
    return value.real * value.real + value.imag * value.imag


@inlined
def _trust(square: Any, variance: Any) -> Any:
    """Weight of an estimate by how far it stands out of its own variance: 0 below the root of 3."""
    return max(0.0, 1.0 - _SCEPTICISM * variance / max(square, _TINY))


@inlined
def _front_end(state: Any) -> Any:
    """DC offset and IQ image that the running sums tell of."""
    count = state[5]
    mean = complex(state[0], state[1]) / count
    dc = _square(mean)
    power = max(state[4] / count - dc, _TINY)
    image = (complex(state[2], state[3]) / count - mean * mean) / (2 * power)
    size = _square(image)
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
        total += _square(values[i])
    return total


@inlined
def _peak(values: Any, lanes: Any) -> Any:
    """Largest squared magnitude; their number is a multiple of the lanes'."""
    lanes[:] = 0
    for first in range(0, len(values), _LANES):
        part = values[first : first + _LANES]
        for i in range(_LANES):
            lanes[i] = max(lanes[i], _square(part[i]))
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
            many whole groups lie under the template from every position of the one before.
        dynamic_range: energy below the block's largest by this ratio is no signal.
        ratio: ``[blocks, hop / group]``, largest correlation energy over the energy of the whole
            groups, which is at most that under the template; added to.
        floor: ``[blocks]``, the least energy assumed; written.
    """
    hop, group, inner = sizes
    span = correlation.shape[1] // group
    energy, lanes = np.empty(span, dtype=np.float32), np.empty(_LANES, dtype=np.float32)
    under = np.empty(span - inner, dtype=np.float32)
    for block in range(len(correlation)):
        for g in range(span):
            at = block * hop + g * group
            energy[g] = _energy(samples[at : at + group])
        for g in range(len(under)):
            under[g] = np.sum(energy[g + 1 : g + 1 + inner])
        floor[block] = max(dynamic_range * np.max(under), np.float32(_TINY))
        for g in range(ratio.shape[1]):
            peak = _peak(correlation[block, g * group : (g + 1) * group], lanes)
            ratio[block, g] += peak / max(floor[block], under[g])


@inlined
def _combine(row: Any, spectra: Any, weights: Any, bins: Any) -> None:
    """Active carriers of all antennas' spectra ``[A, N]``, weighted ``[A, C]`` and added."""
    half = _Size(len(bins) // 2)
    for side in range(_Size(2)):
        first, at = side * half, _Size(bins[side * half])
        for c in range(half):
            row[first + c] = spectra[_Size(0), at + c] * weights[_Size(0), first + c]
        for antenna in range(_Size(1), _Size(len(spectra))):
            for c in range(half):
                row[first + c] += spectra[antenna, at + c] * weights[antenna, first + c]


@inlined
def _turn(row: Any, phase: Any, coarse: Any, fine: Any) -> None:
    """Multiply carriers by the outer product of the phasors, which has DC in the middle."""
    half, steps = _Size(len(row) // 2), _Size(len(fine))
    for k in range(_Size(len(coarse))):
        factor, at = coarse[k], k * steps
        for i in range(steps):
            phase[at + i] = factor * fine[i]
    for c in range(half):
        row[c] = row[c] * phase[c]
    for c in range(half):
        row[half + c] = row[half + c] * phase[half + c + _Size(1)]


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
    row = np.empty(len(bins), dtype=np.complex64)
    phase = np.empty(coarse.shape[2] * fine.shape[2], dtype=np.complex64)
    for b in range(_Size(len(spectra))):
        for m in range(_Size(spectra.shape[2])):
            t, own = m if noise_var.shape[1] > 1 else _Size(0), phase_var[b, m]
            if own > _LOST:
                symbols[b, m], variance[b, m] = 0, np.inf
                continue
            _combine(row, spectra[b, :, m], weights[b, :, t], bins)
            _turn(row, phase, coarse[b, m], fine[b, m])
            first = _Size(0)
            for p in range(_Size(pilot_index.shape[1]) + _Size(1)):  # runs of data between the pilots
                last = _Size(pilot_index[m, p]) if p < pilot_index.shape[1] else _Size(len(bins))
                for i in range(last - first):
                    symbols[b, m, first - p + i] = row[first + i]
                for i in range(last - first):
                    variance[b, m, first - p + i] = noise_var[b, t, first + i] + own
                first = last + _Size(1)


@machine_code("void(c8[:,::1],c8[:,:,::1],f4[:,::1],i8[:,::1],UniTuple(i8,3),i8[::1])")
def best_positions(
    samples: _Complex,
    correlation: _Complex,
    floor: _Floats,
    groups: _Index,
    sizes: tuple[int, int, int],
    position: _Index,
) -> None:
    """The position of each group where correlation energy over energy is largest, antennas summed.

    Args:
        samples: ``[A, n]``.
        correlation: ``[A, blocks, L]``.
        floor: ``[A, blocks]``, the least energy assumed.
        groups: ``[G, 2]``, block and number of each group.
        sizes: hop, positions of a group, samples of the template.
        position: ``[G]``, relative to the first sample; written.
    """
    hop, group, template = sizes
    metric = np.empty(group, dtype=np.float64)
    for g in range(len(groups)):
        block, first = groups[g, 0], groups[g, 1] * group
        at = block * hop + first
        metric[:] = 0
        for antenna in range(len(samples)):
            stretch = samples[antenna, at : at + group + template]
            energy = 0.0
            for i in range(template):
                energy += _square(stretch[i])
            for i in range(group):
                least = max(energy, floor[antenna, block])
                metric[i] += _square(correlation[antenna, block, first + i]) / least
                energy += _square(stretch[i + template]) - _square(stretch[i])
        position[g] = at + np.argmax(metric)


@machine_code("void(c8[:,::1],i8[::1],c8[:,:,::1])")
def windows(samples: _Complex, starts: _Index, out: _Complex) -> None:
    """Copy windows.

    Args:
        samples: ``[A, n]``.
        starts: ``[B]``.
        out: ``[B, A, length]``; written.
    """
    for b in range(len(starts)):
        for antenna in range(len(samples)):
            out[b, antenna] = samples[antenna, starts[b] : starts[b] + out.shape[2]]


@machine_code("void(c8[:,:,::1],f4[:,:,::1],f8[:,::1],f8[::1],f8[:,::1],f8[:,::1])")
def line_sums(
    matched: _Complex,
    strength: _Floats,
    frequency: _Doubles,
    lever: _Doubles,
    line: _Doubles,
    sums: _Doubles,
) -> None:
    """Add what a Gauss-Newton step needs of observations whose phase is about linear.

    Phase is ``line[0] + line[1] l - line[2] l f`` cycles at lever l and frequency f, so that its
    derivatives by the three are d = (1, l, -l f).

    Args:
        matched: ``[B, M, P]``.
        strength: ``[B, M, P]``, w.
        frequency: ``[M, P]``.
        lever: ``[M]``.
        line: ``[B, 3]``.
        sums: ``[B, 9]``: of w d d^T the six different elements by rows, and of v d three, v being
            the imaginary part that the line leaves; added to.
    """
    for b in range(_Size(matched.shape[0])):
        for m in range(_Size(matched.shape[1])):
            t = lever[m]
            start, slope = line[b, 0] + line[b, 1] * t, line[b, 2] * t
            w = w_f = w_ff = v = v_f = np.float64(0)
            for p in range(_Size(matched.shape[2])):
                f, weight, seen = frequency[m, p], np.float64(strength[b, m, p]), matched[b, m, p]
                turn = unit_phasor(slope * f - start)
                value = np.float64(seen.real * turn.imag + seen.imag * turn.real)
                w += weight
                w_f += weight * f
                w_ff += weight * f * f
                v += value
                v_f += value * f
            row = sums[b]
            row[0] += w
            row[1] += w * t
            row[2] -= w_f * t
            row[3] += w * t * t
            row[4] -= w_f * t * t
            row[5] += w_ff * t * t
            row[6] += v
            row[7] += v * t
            row[8] -= v_f * t
