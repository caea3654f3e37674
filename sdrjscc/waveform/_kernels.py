"""Loops of the waveform over single samples. Import it where it is used: it compiles."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import inlined, machine_code

_Complex = NDArray[np.complex64]
_Size = np.uint64
_SINE = [np.float32((-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(6)]
_COSINE = [np.float32((-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k)) for k in range(7)]
S0, S1, S2, S3, S4, S5 = _SINE
C0, C1, C2, C3, C4, C5, C6 = _COSINE


@inlined
def unit_phasor(cycles: Any) -> Any:
    """``exp(2j pi cycles)`` of a float64 in single precision.

    The power series of sine and cosine at half the angle, at most a quarter turn, where they are
    exact to single precision; then the formulas of the double angle.
    """
    turn = np.float32(cycles - np.floor(cycles + 0.5))
    square = turn * turn
    sine = S5
    sine = S4 + square * sine
    sine = S3 + square * sine
    sine = S2 + square * sine
    sine = S1 + square * sine
    sine = turn * (S0 + square * sine)
    cosine = C6
    cosine = C5 + square * cosine
    cosine = C4 + square * cosine
    cosine = C3 + square * cosine
    cosine = C2 + square * cosine
    cosine = C1 + square * cosine
    cosine = C0 + square * cosine
    twice = sine + sine
    return complex(np.float32(1) - twice * sine, twice * cosine)


@machine_code("void(f8[::1],c8[::1])")
def phasors(cycles: NDArray[np.float64], out: _Complex) -> None:
    """Unit phasors of ``cycles`` ``[n]``, written to ``out`` ``[n]``."""
    for i in range(len(out)):
        out[i] = unit_phasor(cycles[i])


@machine_code("void(f8[:,::1],f8[:,::1],f8[:,::1],c8[:,:,::1])")
def tilted(
    start: NDArray[np.float64], slope: NDArray[np.float64], at: NDArray[np.float64], out: _Complex
) -> None:
    """Unit phasors of cycles that grow linearly, ``start + slope * at``.

    Args:
        start: ``[B, M]``.
        slope: ``[B, M]``.
        at: ``[M, P]``.
        out: ``[B, M, P]``; written.
    """
    for b in range(_Size(out.shape[0])):
        for m in range(_Size(out.shape[1])):
            places, row = at[m], out[b, m]
            for p in range(_Size(len(row))):
                row[p] = unit_phasor(start[b, m] + slope[b, m] * places[p])


@machine_code("void(c8[::1],i8[:,::1],c8[:,::1],c8[:,:,::1])")
def turn(samples: _Complex, starts: NDArray[np.int64], tone: _Complex, out: _Complex) -> None:
    """Multiply the blocks of each row by the row's tone.

    Args:
        samples: ``[n]``.
        starts: ``[R, M]``, where in them each block begins.
        tone: ``[R, N]``.
        out: ``[R, M, N]``; written.
    """
    for row in range(out.shape[0]):
        factor = tone[row]
        for m in range(out.shape[1]):
            source, target = samples[starts[row, m] : starts[row, m] + len(factor)], out[row, m]
            for i in range(len(factor)):
                target[i] = source[i] * factor[i]
