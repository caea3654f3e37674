"""What no receiver can do better: bounds that follow from the energy a frame gives away as known.

Known to the receiver are both chirps, the header (once decoded), and the pilots; E is their energy
in units of a payload symbol's, V the variance of its place in time (samples squared), t0 its mean.
With SNR = Es/N0 of a payload symbol:

* carrier offset, jointly with the phase (Cramér-Rao): var(omega) = 1 / (2 SNR E V) in rad^2 a
  sample^2;
* phase noise of the linewidth B is a random walk of 2 pi B rad^2 a second; its ends a frame's
  length T apart define the carrier's mean offset, which differs from the oscillators' by
  sqrt(B / (2 pi T)) RMS: no receiver can tell this drift from an offset;
* loss: a channel of T taps leaves the error T / E relative to the noise; carrier and clock offset
  each leave (t - t0)^2 / (2 E V) at time t, the latter on the mean over the band.
"""

import math

import torch
from torch import Tensor

from sdrjscc.waveform.base import CHIRP_SAMPLES, CHIRP_SIZE, HEADER, PAYLOAD_START, Grid, Waveform

TAPS = 5


def _spread(start: float, samples: int, cells: float) -> tuple[Tensor, Tensor]:
    """Instants of a block of samples and the energy at each, ``cells`` in all."""
    return start + torch.arange(samples, dtype=torch.float64), torch.full(
        (samples,), cells / samples
    ).double()


def known_energy(
    grid: Grid, preamble_gain: float = 1.0, header_symbols: int = HEADER.symbols
) -> tuple[Tensor, Tensor]:
    """Instants ``[n]`` in samples of the frame, and the known energy at each, ``[n]``."""
    chirp = CHIRP_SIZE * HEADER.occupied_fraction * preamble_gain**2
    parts = [_spread(i * CHIRP_SAMPLES + HEADER.cyclic_prefix, CHIRP_SIZE, chirp) for i in range(2)]
    first = 2 * CHIRP_SAMPLES
    for i in range(header_symbols):
        start = first + i * HEADER.symbol_samples + HEADER.cyclic_prefix
        parts.append(_spread(start, HEADER.fft_size, HEADER.active))
    first += header_symbols * HEADER.symbol_samples
    for i in range(grid.symbols):
        start = first + i * grid.symbol_samples + grid.cyclic_prefix
        parts.append(_spread(start, grid.fft_size, grid.pilots_per_symbol))
    return torch.cat([t for t, _ in parts]), torch.cat([e for _, e in parts])


def _moments(grid: Grid, preamble_gain: float, header_symbols: int) -> tuple[float, float, float]:
    """E, t0 and V of the module's text."""
    instants, energies = known_energy(grid, preamble_gain, header_symbols)
    energy = float(energies.sum())
    mean = float((energies * instants).sum()) / energy
    return energy, mean, float((energies * (instants - mean).square()).sum()) / energy


def payload_share(waveform: Waveform) -> float:
    """Payload power relative to the frame's mean: below 1 when the preamble is boosted."""
    boosted = 2 * CHIRP_SAMPLES * waveform.preamble_gain**2
    return waveform.frame_samples / (boosted + waveform.frame_samples - 2 * CHIRP_SAMPLES)


def cfo_bound_hz(waveform: Waveform, snr_db: float, sample_rate_hz: float) -> float:
    """Smallest standard deviation of an unbiased estimate of the carrier offset."""
    energy, _, variance = _moments(waveform.payload, waveform.preamble_gain, HEADER.symbols)
    snr = 10 ** (snr_db / 10) * payload_share(waveform)
    return sample_rate_hz / math.tau / math.sqrt(2 * snr * energy * variance)


def phase_noise_drift_hz(waveform: Waveform, linewidth_hz: float, sample_rate_hz: float) -> float:
    """RMS difference of a frame's mean carrier offset from that of the oscillators."""
    return math.sqrt(linewidth_hz * sample_rate_hz / (math.tau * waveform.frame_samples))


def smallest_loss_db(grid: Grid, preamble_gain: float = 1.0, header_symbols: int = HEADER.symbols) -> float:
    """Smallest loss of a receiver that estimates 5 taps, carrier and clock offset."""
    energy, mean, variance = _moments(grid, preamble_gain, header_symbols)
    first = PAYLOAD_START + (header_symbols - HEADER.symbols) * HEADER.symbol_samples
    instants = first + torch.arange(grid.samples, dtype=torch.float64)
    offsets = float((instants - mean).square().mean()) / variance
    return 10 * math.log10(1 + (TAPS + offsets) / energy)
