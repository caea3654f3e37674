"""Time: fractional delay and sampling-clock offset by windowed-sinc interpolation.

A Kaiser-windowed sinc of 64 taps, its dependence on the fractional position written as a
polynomial of degree 6 (Farrow, ISCAS 1988): seven fixed filters, run by overlap-save, then
one polynomial a sample. Error below -75 dB for frequencies up to 0.45 of the sample rate.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

HALF_TAPS = 32
_DEGREE = 6
_KAISER_BETA = 8.2
_FFT = 1024
_BLOCK = 1 << 16  # output samples at a time: bounds memory, whatever the length


def interpolation_kernel(fraction: Tensor) -> Tensor:
    """Weights of samples -31 .. 32 for the value at ``fraction`` of a sample after sample 0.

    Args:
        fraction: real ``[...]`` in 0..1.

    Returns:
        float64 ``[..., 64]``.
    """
    taps = torch.arange(1 - HALF_TAPS, HALF_TAPS + 1, dtype=torch.float64)
    time = taps - fraction.to(torch.float64)[..., None]
    beta = torch.tensor(_KAISER_BETA, dtype=torch.float64)
    window = torch.special.i0(beta * (1.0 - (time / HALF_TAPS) ** 2).clamp(min=0.0).sqrt())
    kernel: Tensor = torch.sinc(time) * window / torch.special.i0(beta)
    return kernel


@functools.cache
def _farrow_spectra() -> Tensor:
    """Spectra ``[7, 1024]`` of the filters of each power of (fraction - 1/2).

    Least squares over Chebyshev nodes, which is close to the minimax fit.
    """
    with torch.inference_mode(False):  # kept for later calls, which may need gradients
        nodes = 0.5 * torch.cos(math.pi * (torch.arange(64, dtype=torch.float64) + 0.5) / 64)
        powers = nodes[:, None] ** torch.arange(_DEGREE + 1, dtype=torch.float64)
        return _spectra(torch.linalg.lstsq(powers, interpolation_kernel(nodes + 0.5)).solution)


def _spectra(weights: Tensor) -> Tensor:
    """Spectra ``[P, 1024]``, for :func:`_filter`, of weights ``[P, 64]`` of samples -31 .. 32."""
    spectra: Tensor = torch.fft.fft(weights.flip(-1), _FFT)
    return spectra.to(torch.complex64)


def _filter(samples: Tensor, spectra: Tensor) -> Tensor:
    """Overlap-save: ``[..., n]`` by filters of 64 taps, ``[P, 1024]``, to ``[..., P, n - 63]``."""
    overlap = 2 * HALF_TAPS - 1
    hop = _FFT - overlap
    wanted = samples.shape[-1] - overlap
    blocks = -(-wanted // hop)
    padded = torch.nn.functional.pad(samples, (0, blocks * hop + overlap - samples.shape[-1]))
    frames = torch.fft.fft(padded.unfold(-1, _FFT, hop))
    filtered: Tensor = torch.fft.ifft(frames.unsqueeze(-3) * spectra[:, None, :])[..., overlap:]
    return filtered.flatten(-2)[..., :wanted]


def _slice(samples: Tensor, start: int, stop: int) -> Tensor:
    """``samples[..., start:stop]`` of a signal that is 0 before its first and after its last sample."""
    n = samples.shape[-1]
    inside = samples[..., min(max(start, 0), n) : min(max(stop, 0), n)]
    before = min(max(-start, 0), stop - start)
    return torch.nn.functional.pad(inside, (before, stop - start - before - inside.shape[-1]))


def blocks(length: int) -> list[tuple[int, int]]:
    """``(start, stop)`` of the pieces in which ``length`` samples are worked on."""
    return [(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK)]


def _interpolate(samples: Tensor, positions: Tensor) -> Tensor:
    """Values of ``samples`` ``[..., n]`` at rising ``positions``, float64 ``[m]`` in samples."""
    index = positions.floor().long()
    offset = (positions - index - 0.5).to(samples)
    first, last = int(index[0]), int(index[-1])
    around = _slice(samples, first + 1 - HALF_TAPS, last + HALF_TAPS + 1)
    branches = _take(_filter(around, _farrow_spectra().to(samples.device)), index - first)
    value = branches[..., _DEGREE, :]
    for power in range(_DEGREE - 1, -1, -1):
        value = torch.addcmul(branches[..., power, :], value, offset)
    return value


def _take(branches: Tensor, index: Tensor) -> Tensor:
    """``branches[..., index]`` by slices, as the index nearly always rises by 1: faster than a gather."""
    ahead, counts = torch.unique_consecutive(index - torch.arange(len(index)), return_counts=True)
    stops = counts.cumsum(0)
    starts = stops - counts + ahead
    runs = zip(starts.tolist(), (stops + ahead).tolist(), strict=True)
    return torch.cat([branches[..., start:stop] for start, stop in runs], dim=-1)


@dataclass(frozen=True)
class SamplingClockOffset:
    """The transmitter's sampling clock is fast by ``sco_ppm``, and the signal arrives late.

    ``y[m] = x((1 + sco_ppm * 1e-6) * (m - delay_samples))``. The ratio stays close to 1, so
    there is no anti-aliasing filter. Output: 32 samples longer than the signal, for its ringing.
    """

    sco_ppm: float
    delay_samples: float = 0.0

    def apply(self, samples: Tensor) -> Tensor:
        """Resample ``samples``, complex ``[..., n]``, to ``[..., ceil(n / ratio + delay) + 32]``."""
        ratio = 1.0 + self.sco_ppm * 1e-6
        length = math.ceil(samples.shape[-1] / ratio + self.delay_samples) + HALF_TAPS
        received = []
        for start, stop in blocks(length):
            instants = torch.arange(start, stop, dtype=torch.float64) - self.delay_samples
            received.append(_interpolate(samples, ratio * instants))
        return torch.cat(received, dim=-1)


def delayed(samples: Tensor, delay_samples: float, start: int, stop: int) -> Tensor:
    """Samples ``start`` .. ``stop`` - 1 of a delayed signal: ``[..., n]`` to ``[..., stop - start]``."""
    whole = math.ceil(delay_samples)
    if whole == delay_samples:
        return _slice(samples, start - whole, stop - whole)
    weights = interpolation_kernel(torch.tensor([whole - delay_samples], dtype=torch.float64))
    around = _slice(samples, start - whole + 1 - HALF_TAPS, stop - whole + HALF_TAPS)
    return _filter(around, _spectra(weights).to(samples.device))[..., 0, :]


def delayed_length(length: int, delay_samples: float) -> int:
    """Length of a delayed signal; fractions of a sample ring for 32 samples more."""
    whole = math.ceil(delay_samples)
    return length + whole + (0 if whole == delay_samples else HALF_TAPS)


@dataclass(frozen=True)
class Delay:
    """A delay by ``delay_samples >= 0``; whole samples are exact."""

    delay_samples: float

    def apply(self, samples: Tensor) -> Tensor:
        """Delay ``samples``, complex ``[..., n]``, to ``[..., delayed_length(n)]``."""
        length = delayed_length(samples.shape[-1], self.delay_samples)
        pieces = [delayed(samples, self.delay_samples, start, stop) for start, stop in blocks(length)]
        return torch.cat(pieces, dim=-1)


@dataclass(frozen=True)
class Silence:
    """``count`` zeros after the signal."""

    count: int

    def apply(self, samples: Tensor) -> Tensor:
        """Append to ``samples``, complex ``[..., n]``."""
        return torch.nn.functional.pad(samples, (0, self.count))
