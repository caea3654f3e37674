"""Find frames: overlap-save search for the up-chirp, over every carrier offset at once.

The detection metric is the energy of the correlation relative to the energy under the template;
with several antennas, the sum over uncorrelated combinations of them. Under noise alone each
share times (n - 1) is dominated by a unit exponential, so the sum is dominated by a Gamma
variable and the threshold follows from the false-alarm rate without knowing the noise.
"""

from dataclasses import dataclass

import torch
from scipy.special import gammainccinv
from torch import Tensor

from sdrjscc.errors import SignalError
from sdrjscc.units import ppm_to_hz
from sdrjscc.waveform.base import CHIRP_RATE, CHIRP_SAMPLES, CHIRP_SIZE, chirps

BLOCK = 8192
"""Samples of an overlap-save block."""

HOP = BLOCK - CHIRP_SIZE
"""Positions searched in a block, and the distance between blocks."""

FALSE_ALARM = 1e-8
"""False alarms of the up-chirp search per sample of noise."""

PEAK_DISTANCE = CHIRP_SAMPLES + 32
"""A peak is the largest metric within this many samples on either side: wide enough for a frame that
rises out of silence to hide the match of its first prefix, a chirp before the true peak."""

_GROUP = 64
_INNER = CHIRP_SIZE // _GROUP - 1
_DYNAMIC_RANGE = 1e-10
_TINY = 1e-30
_LEAST_HALF = 0.02


@dataclass(frozen=True)
class Peaks:
    """Exceedances or peaks of the metric: ``position`` int64 and ``metric`` float32, both ``[n]``."""

    position: Tensor
    metric: Tensor


def cfo_range(clock_ppm: float, center_frequency_hz: float, sample_rate_hz: float, occupied: float) -> float:
    """Largest carrier offset in cycles per sample that two clocks of this accuracy allow.

    Args:
        clock_ppm: accuracy of each of the two clocks.
        center_frequency_hz: carrier frequency.
        sample_rate_hz: sample rate.
        occupied: occupied bandwidth as a fraction of the sample rate.

    Raises:
        SignalError: shifted that far, the signal would leave the sampled band.
    """
    if not (sample_rate_hz > 0 and clock_ppm >= 0 and center_frequency_hz >= 0):
        raise SignalError(
            "sample rate must be positive, clock accuracy and centre frequency not negative "
            f"(got {sample_rate_hz:g} Hz, {clock_ppm:g} ppm, {center_frequency_hz:g} Hz)"
        )
    largest_hz = ppm_to_hz(2.0 * clock_ppm, center_frequency_hz)
    least_hz = 2.0 * largest_hz / (1.0 - occupied)
    if sample_rate_hz < least_hz:
        raise SignalError(
            f"sample rate must be at least {least_hz:.0f} Hz where two clocks of {clock_ppm:g} ppm may be "
            f"{largest_hz:.0f} Hz apart at {center_frequency_hz:.0f} Hz (got {sample_rate_hz:.0f} Hz)"
        )
    return largest_hz / sample_rate_hz


def shift_range(cfo_max: float) -> float:
    """Samples by which a carrier offset ``cfo_max`` (cycles per sample) shifts a chirp's peak."""
    return cfo_max / CHIRP_RATE


def threshold(antennas: int, false_alarm: float = FALSE_ALARM) -> float:
    """Threshold on the metric for this many antennas and false alarms per sample."""
    return float(gammainccinv(antennas, false_alarm)) / (CHIRP_SIZE - 1)


class Search:
    """The up-chirp search for a number of antennas; holds the template's spectrum."""

    def __init__(self, antennas: int) -> None:
        self.threshold = threshold(antennas)
        padded = torch.zeros(BLOCK, dtype=torch.complex64)
        padded[:CHIRP_SIZE] = chirps()[0] / CHIRP_SIZE**0.5
        self._template = torch.fft.fft(padded).conj().resolve_conj()

    def exceedances(self, samples: Tensor) -> Peaks:
        """Positions where the metric exceeds the threshold, at most one in 64.

        Args:
            samples: complex64 ``[A, blocks * HOP + CHIRP_SIZE]``.

        Returns:
            positions relative to the first sample, ascending: where a chirp's first sample lies.
        """
        blocks = samples.unfold(-1, BLOCK, HOP)
        correlation = torch.fft.ifft(torch.fft.fft(blocks).mul_(self._template))
        ratio, floor = _bound(samples, correlation)
        group = (ratio > self.threshold).nonzero().contiguous()
        return self._exact(samples, correlation, floor, group)

    def _exact(self, samples: Tensor, correlation: Tensor, floor: Tensor, group: Tensor) -> Peaks:
        """Exact metric at the best position of each group that passed the bound."""
        if not len(group):
            return Peaks(torch.empty(0, dtype=torch.int64), torch.empty(0))
        from sdrjscc.receive import _kernels

        position = torch.empty(len(group), dtype=torch.int64)
        sizes = (HOP, _GROUP, CHIRP_SIZE)
        _kernels.best_positions(
            samples.contiguous().numpy(),
            correlation.numpy(),
            floor.numpy(),
            group.numpy(),
            sizes,
            position.numpy(),
        )
        windows = samples[:, position[:, None] + torch.arange(CHIRP_SIZE)]
        metric = _whitened(windows, floor[:, group[:, 0]])
        keep = (metric > self.threshold) & _balanced(windows)
        return Peaks(position[keep], metric[keep])


def _whitened(windows: Tensor, least: Tensor) -> Tensor:
    """Metric ``[n]`` of windows ``[A, n, 512]`` whose noise may be common to the antennas.

    The generalised likelihood ratio for unknown noise covariance (Kelly 1986): correlations are
    weighed by the inverse of the antennas' covariance under the template. A payload heard by all
    antennas then counts once, as it should, and not once an antenna.
    """
    template = chirps()[0].conj() / CHIRP_SIZE**0.5
    windows = windows.movedim(0, 1)
    correlation = windows @ template.resolve_conj()
    if windows.shape[1] == 1:
        share: Tensor = (_energy(correlation) / (_energy(windows).sum(-1) + least.T))[:, 0]
        return share
    covariance = windows @ windows.mH + torch.diag_embed(least.T).to(windows.dtype)
    solved = torch.linalg.solve(covariance, correlation)
    metric: Tensor = (correlation.conj() * solved).sum(-1).real
    return metric


def _balanced(windows: Tensor) -> Tensor:
    """Whether both halves of windows ``[A, n, 512]`` hold energy, as a chirp's do: ``[n]``.

    The last samples of a frame that ends in silence correlate with anything.
    """
    halves = _energy(windows).unflatten(-1, (2, -1)).sum((0, -1))
    least: Tensor = halves.amin(-1) > _LEAST_HALF * halves.sum(-1)
    return least


def peaks(found: Peaks) -> Peaks:
    """Those exceedances that no other one within :data:`PEAK_DISTANCE` surpasses.

    Of equal neighbours the first counts. ``found.position`` must ascend.
    """
    if len(found.position) == 0:
        return found
    distance = (found.position[None, :] - found.position[:, None]).abs()
    near = distance <= PEAK_DISTANCE
    larger = found.metric[None, :] > found.metric[:, None]
    earlier_equal = (found.metric[None, :] == found.metric[:, None]) & (
        found.position[None, :] < found.position[:, None]
    )
    keep = ~(near & (larger | earlier_equal)).any(1)
    return Peaks(found.position[keep], found.metric[keep])


def _energy(values: Tensor) -> Tensor:
    """Squared magnitude of complex values, without the square root that ``abs`` takes."""
    squares = torch.view_as_real(values.contiguous()).square()
    return squares[..., 0] + squares[..., 1]


def _bound(samples: Tensor, correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Upper bound of the metric in groups of 64 positions, and the least energy assumed under a template.

    Silence next to a signal holds rounding errors of the transform; they must not pass for a chirp.

    Args:
        samples: complex64 ``[A, blocks * HOP + CHIRP_SIZE]``.
        correlation: complex64 ``[A, blocks, BLOCK]``.

    Returns:
        float32 ``[blocks, HOP / 64]`` and ``[A, blocks]``.
    """
    from sdrjscc.receive import _kernels

    ratio, floor = torch.zeros(correlation.shape[1], HOP // _GROUP), torch.empty(correlation.shape[:2])
    for antenna, stretch in enumerate(samples):
        _kernels.bound_metric(
            stretch.contiguous().numpy(),
            correlation[antenna].numpy(),
            (HOP, _GROUP, _INNER),
            _DYNAMIC_RANGE,
            ratio.numpy(),
            floor[antenna].numpy(),
        )
    return ratio, floor
