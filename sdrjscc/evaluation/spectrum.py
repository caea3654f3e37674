"""Power spectral density of received samples, for figures and the terminal."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_LEAST = 1e-30


def power_density(
    samples: Tensor, sample_rate_hz: float, points: int = 1024
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Welch's estimate.

    Args:
        samples: complex64 ``[n]``, full scale 1.0.
        sample_rate_hz: rate of the samples.
        points: of the spectrum, at most; fewer where there are fewer samples.

    Returns:
        Frequencies in Hz, ascending, 0 Hz in the middle, and densities in dBFS/Hz, both ``[points]``.
    """
    from scipy.signal import welch

    row = samples.numpy()
    frequency, density = welch(
        row, sample_rate_hz, nperseg=min(points, row.size), return_onesided=False, detrend=False
    )
    level = 10 * np.log10(np.fft.fftshift(density) + _LEAST)
    return np.fft.fftshift(frequency).astype(np.float64), level.astype(np.float64)
