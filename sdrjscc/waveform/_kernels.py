"""Loops of the waveform over single samples. Import it where it is used: it compiles."""

import numpy as np
from numpy.typing import NDArray

from sdrjscc.compiled import machine_code

_Complex = NDArray[np.complex64]


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
