"""Time and carrier offset of a frame from its two chirps.

A carrier offset moves the delay profile seen through the up-chirp to earlier and that seen
through the down-chirp to later samples. The whole profiles are compared, not their peaks: in
multipath the two may peak on different paths.
"""

from dataclasses import dataclass
from math import ceil

import torch
from scipy.special import gammainccinv
from torch import Tensor

from sdrjscc.receive.power import energy, squares
from sdrjscc.waveform.base import (
    CHIRP_RATE,
    CHIRP_SAMPLES,
    CHIRP_SIZE,
    HEADER,
    chirp_bins,
    chirp_spectrum,
    chirps,
    phasor,
    table,
    turned_spectrum,
)

ADVANCE = HEADER.cyclic_prefix // 4
"""The FFT window opens this many samples inside the prefix: room for paths before the strongest."""

_SPREAD = 24
_FACTOR = 256
_DOWN_FALSE_ALARM = 1e-5
_FLOOR = 3.0
_ALIKE = 0.9
_LIMIT = 3.0


@dataclass(frozen=True)
class Alignment:
    """Where frames begin and how far their carrier is off, per candidate ``[B]``.

    Attributes:
        start: float64, sample at which the strongest path's frame begins, relative to the window.
        cfo: float64, carrier offset in cycles per sample.
        valid: bool, whether a down-chirp was there at all.
    """

    start: Tensor
    cfo: Tensor
    valid: Tensor


class Locator:
    """First guess from the magnitudes of both delay profiles.

    Attributes:
        before: samples a window must hold before the up-chirp's peak.
        length: samples of a window.
    """

    def __init__(self, shift_max: float) -> None:
        self._lags = 2 * ceil(2 * shift_max) + 2
        self.before = ceil(2 * shift_max) + _SPREAD + 2
        self.length = 2 * self.before + CHIRP_SAMPLES + CHIRP_SIZE
        self._fft = _FACTOR * ceil(self.length / _FACTOR)
        padded = torch.zeros(2, self._fft, dtype=torch.complex64)
        padded[:, :CHIRP_SIZE] = chirps() / CHIRP_SIZE**0.5
        self._templates = torch.fft.fft(padded * self._signs(self._fft)).conj().resolve_conj()

    def locate(self, windows: Tensor) -> Alignment:
        """Align candidates whose up-chirp peaks at sample ``before`` of their window.

        Args:
            windows: complex64 ``[B, A, length]``.

        Returns:
            start (to half a sample; the frame begins a prefix before its up-chirp) and cfo.
        """
        up, down = self._profiles(windows)
        down = down.unfold(-1, 4 * _SPREAD + 1, 1)
        likeness = torch.einsum("bi,bli->bl", up, down)
        best = likeness.argmax(-1)
        lag = best.double() - self._lags + _parabola(likeness, best)
        aligned = down[torch.arange(len(best)), best]
        strongest = (up + aligned).argmax(-1)
        start = self.before + (strongest - 2 * _SPREAD + lag / 2) / 2 - HEADER.cyclic_prefix
        enough = float(gammainccinv(windows.shape[1], _DOWN_FALSE_ALARM)) - _FLOOR
        return Alignment(start, lag / 4 * CHIRP_RATE, aligned.amax(-1) > enough)

    def _profiles(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Delay profiles through the chirps, in half samples about where each may peak.

        Unit mean over noise, less a floor, so that noise adds little to their likeness.

        Returns:
            ``[B, 97]`` through the up-chirp, ``[B, 97 + 2 lags]`` through the down-chirp.
        """
        power, windows = self._limited(windows)
        spectrum = torch.fft.fft(windows, n=self._fft)[:, :, None] * self._templates
        fine = torch.fft.ifft(spectrum, n=2 * self._fft)
        scale = 4 / power[..., None]
        reach, centre = 2 * _SPREAD + self._lags, 2 * (self.before + CHIRP_SAMPLES)
        up = fine[:, :, 0, 2 * (self.before - _SPREAD) : 2 * (self.before + _SPREAD) + 1]
        down = fine[:, :, 1, centre - reach : centre + reach + 1]
        first, second = ((scale * squares(part)).sum(1) - _FLOOR for part in (up, down))
        return first.clamp_min(0.0), second.clamp_min(0.0)

    def _limited(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean power under the chirps, ``[B, A]``, and the windows limited to three times its root.

        What is stronger belongs to the end of another frame, and would drown this one. Every other
        sample is negated, which moves the lowest frequency to the spectrum's first bin: zeros
        behind its last then interpolate.
        """
        core = windows[..., self.before + self._lags : self.length - self.before - self._lags]
        power = energy(core).clamp_min(1e-30) / core.shape[-1]
        size = squares(windows).clamp_min(1e-30)
        scale = (_LIMIT**2 * power[..., None] / size).clamp_max(1.0).sqrt()
        return power, windows * (scale * self._signs(windows.shape[-1]))

    @staticmethod
    def _signs(count: int) -> Tensor:
        """1, -1, 1, ..., float32 ``[count]``."""
        return 1.0 - 2.0 * (torch.arange(count) % 2)


def refine(samples: Tensor, cfo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Carrier offset from the phase between the chirps, timing from the strongest path.

    Args:
        samples: complex64 ``[B, A, n]`` from the frame's first sample on, to within a few samples.
        cfo: float64 ``[B]`` first guess, within 1 / 1056 cycles per sample or one step beyond.

    Returns:
        delay of the strongest path in samples and carrier offset in cycles per sample, float64
        ``[B]``; and :func:`chirp_response` at that offset.
    """
    response = chirp_response(samples, cfo)
    even = _evening(response)
    taps = _taps(response * even)
    turn = (taps[:, :, 1] * taps[:, :, 0].conj()).sum((1, 2)).angle().double() / (2 * torch.pi)
    cfo = cfo + turn / CHIRP_SAMPLES
    response = chirp_response(samples, cfo)
    score, likeness = _coherence(response * even)
    unsure = likeness < _ALIKE
    if unsure.any():
        step = torch.tensor([-1.0, 1.0], dtype=torch.float64) / CHIRP_SAMPLES
        others = cfo[unsure, None] + step
        other = chirp_response(samples[unsure, None], others)
        scores = torch.cat([score[unsure, None], _coherence(other * even[unsure, None])[0]], dim=1)
        best, row = scores.argmax(-1), torch.arange(len(others))
        response[unsure] = torch.cat([response[unsure, None], other], dim=1)[row, best]
        cfo[unsure] = torch.cat([cfo[unsure, None], others], dim=1)[row, best]
    return strongest_delay((response * even).mean(-2)), cfo, response


def _evening(response: Tensor) -> Tensor:
    """Factors ``[B, A, 1, 1]`` that even the antennas' power: mere noise must not drown a signal."""
    return energy(response, 2).clamp_min(1e-30).rsqrt()[..., None, None]


def moved(response: Tensor, cfo: Tensor, samples: Tensor) -> Tensor:
    """The :func:`chirp_response` ``[B, A, 2, 416]`` counted from a first sample later by ``samples [B]``."""
    turn = phasor(samples[:, None] * (_frequencies() + cfo[:, None]))
    return response * turn[:, None, None]


def _coherence(response: Tensor) -> tuple[Tensor, Tensor]:
    """Energy of the taps seen through both chirps together, ``[...]``, and its share of the possible.

    A carrier offset that is wrong by a whole turn from chirp to chirp moves their taps apart.
    """
    taps = torch.view_as_real(_taps(response))
    together = taps.sum(-3).square().sum((-1, -2, -3))
    return together, together / (2 * taps.square().sum((-1, -2, -3, -4))).clamp_min(1e-30)


def chirp_response(samples: Tensor, cfo: Tensor) -> Tensor:
    """Channel at the chirps' bins, times the preamble's gain, seen through each chirp.

    Args:
        samples: complex64 ``[..., A, n]``, from a frame's first sample on.
        cfo: float64, shape of the leading dimensions, cycles per sample; taken out relative to
            the first sample.

    Returns:
        complex64 ``[..., A, 2, 416]``; noise has the variance it has on an active carrier.
    """
    first = HEADER.cyclic_prefix - ADVANCE
    windows = torch.stack(
        [samples[..., first + i * CHIRP_SAMPLES :][..., :CHIRP_SIZE] for i in (0, 1)], dim=-2
    )
    carrier = phasor(-cfo[..., None].double() * _window_starts())[..., None, :, None]
    spectrum = turned_spectrum(windows, cfo[..., None, None])
    middle, side = CHIRP_SIZE // 2, HEADER.active
    bins = torch.cat(
        [spectrum[..., middle - side : middle], spectrum[..., middle + 1 : middle + 1 + side]], dim=-1
    )
    return bins * (_known_chirps() * carrier)


@table
def _window_starts() -> Tensor:
    """First sample of each chirp's window, float64 ``[2]``."""
    return HEADER.cyclic_prefix - ADVANCE + CHIRP_SAMPLES * torch.arange(2, dtype=torch.float64)


@table
def _known_chirps() -> Tensor:
    """What takes the chirps, the window's advance and their scale out of their bins, ``[2, 416]``."""
    up = chirp_spectrum().conj().resolve_conj()
    bins = chirp_bins()
    advance = phasor(bins.double() * ADVANCE / CHIRP_SIZE)
    known: Tensor = torch.stack([up, up.conj().resolve_conj()]) * advance * (len(bins) / CHIRP_SIZE) ** 0.5
    return known


def strongest_delay(response: Tensor) -> Tensor:
    """Delay in samples, float64 ``[B]``, of the strongest path in a response ``[B, A, 416]``.

    Searched from -8 to 16 samples in steps of an eighth, then interpolated.
    """
    coarse = torch.view_as_real(_taps(response)).square().sum((1, 3)).argmax(-1) - 8
    centred = response * phasor(coarse[:, None] * _frequencies())[:, None]
    energy = torch.view_as_real(centred @ _fine_matrix()).square().sum((1, 3))
    best = energy.argmax(-1)
    return coarse + (best - 8 + _parabola(energy, best)) / 8


def _taps(response: Tensor) -> Tensor:
    """Taps at -8..16 samples, ``[..., 25]``, of responses ``[..., 416]``."""
    taps: Tensor = response @ _taps_matrix()
    return taps


@table
def _frequencies() -> Tensor:
    """Frequencies of the chirps' bins, float64 ``[416]``, in cycles per sample."""
    return chirp_bins().double() / CHIRP_SIZE


@table
def _taps_matrix() -> Tensor:
    delays = torch.arange(-8, 17, dtype=torch.float64)
    return phasor(_frequencies()[:, None] * delays) / len(chirp_bins())


@table
def _fine_matrix() -> Tensor:
    delays = torch.arange(-8, 9, dtype=torch.float64) / 8
    return phasor(_frequencies()[:, None] * delays)


def _parabola(values: Tensor, best: Tensor) -> Tensor:
    """Offset of the true peak from index ``best``, float64 ``[B]`` in -0.5..0.5, of ``[B, n]``."""
    at = best.clamp(1, values.shape[-1] - 2)[:, None]
    left, middle, right = (values.gather(1, at + i)[:, 0].double() for i in (-1, 0, 1))
    curvature = left - 2 * middle + right
    offset: Tensor = torch.where(curvature < 0, 0.5 * (left - right) / curvature, torch.zeros_like(left))
    return offset.clamp(-0.5, 0.5)
