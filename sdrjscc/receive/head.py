"""The head of a frame: from its two chirps to the header's symbols, and from a known header back.

Sample 0 is the frame's first sample for a path of no delay; the strongest path's delay, a
fraction of a sample, is taken out of every observation, so that this path is one tap.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sdrjscc.receive.align import ADVANCE, chirp_response
from sdrjscc.receive.estimate import (
    Taps,
    chirp_gram,
    chirp_steering,
    head_gram,
    lmmse,
    response_error,
    steering,
)
from sdrjscc.receive.power import energy, squares
from sdrjscc.waveform.base import (
    CHIRP_SAMPLES,
    CHIRP_SIZE,
    HEADER,
    PAYLOAD_START,
    PREAMBLE_SAMPLES,
    chirp_bins,
    phasor,
    table,
)

CHIRP_CENTRES = (HEADER.cyclic_prefix + CHIRP_SIZE / 2, CHIRP_SAMPLES + HEADER.cyclic_prefix + CHIRP_SIZE / 2)
PREAMBLE_CENTRE = sum(CHIRP_CENTRES) / 2
_CFO_GRID = 65
_CFO_SIGMAS = 4.5
_DYNAMIC_RANGE = 1e-7
_TINY = 1e-25


@dataclass(frozen=True)
class Head:
    """What is known of the heads of B frames on A antennas.

    Attributes:
        cfo: float64 ``[B]``, cycles per sample, taken out of all observations.
        delay: float64 ``[B]``, samples, taken out of all observations.
        chirps: complex64 ``[B, A, 2, 416]``, channel seen through each chirp times the gain.
        cells: complex64 ``[B, A, 5, 208]``, header cells.
        noise_var: float32 ``[B, A]``, per active carrier.
        taps: the channel.
    """

    cfo: Tensor
    delay: Tensor
    chirps: Tensor
    cells: Tensor
    noise_var: Tensor
    taps: Taps

    def select(self, rows: list[int]) -> "Head":
        """The head of some of the frames."""
        taps = Taps(self.taps.mean[rows], self.taps.covariance[rows], self.taps.used[rows])
        return Head(
            self.cfo[rows], self.delay[rows], self.chirps[rows], self.cells[rows], self.noise_var[rows], taps
        )


@table
def chirp_frequencies() -> Tensor:
    """Frequencies of the chirps' bins in cycles per sample, float64 ``[416]``."""
    return chirp_bins().double() / CHIRP_SIZE


@table
def chirp_centres() -> Tensor:
    """Middle of each chirp in samples, float64 ``[2]``."""
    return torch.tensor(CHIRP_CENTRES, dtype=torch.float64)


@table
def header_centres() -> Tensor:
    """Middle of each header OFDM symbol in samples, float64 ``[5]``."""
    return PREAMBLE_SAMPLES + HEADER.symbol_starts.double() + HEADER.fft_size / 2


@table
def head_centres() -> Tensor:
    """Middle of the two chirps and the five header OFDM symbols, float64 ``[7]``."""
    return torch.cat([chirp_centres(), header_centres()])


def read_head(
    samples: Tensor, delay: Tensor, cfo: Tensor, gain: float, response: Tensor | None = None
) -> Head:
    """Observations and first channel estimate, from the chirps alone.

    Args:
        samples: complex64 ``[B, A, n]``, n at least 2416, from the frame's first sample on.
        delay: float64 ``[B]``, delay of the strongest path in samples.
        cfo: float64 ``[B]``, cycles per sample.
        gain: amplitude of the preamble relative to the header.
        response: :func:`~sdrjscc.receive.align.chirp_response` of these, where it is there already.
    """
    response = chirp_response(samples, cfo) if response is None else response
    chirps = response * phasor(delay[:, None] * chirp_frequencies())[:, None, None]
    body = samples[..., PREAMBLE_SAMPLES:PAYLOAD_START]
    cells = HEADER.demodulate(body, cfo[:, None], ADVANCE)
    turn = phasor(delay[:, None] * HEADER.frequencies - PREAMBLE_SAMPLES * cfo[:, None])
    noise_var = _power(chirps[:, :, 1] - chirps[:, :, 0]) / 2
    noise_var = torch.maximum(noise_var, least_noise(_power(chirps).mean(-1)))
    rhs = gain * (chirps.sum(2) @ chirp_steering().conj())
    taps = lmmse(chirp_gram(gain)[None], rhs, noise_var)
    return Head(cfo, delay, chirps, cells * turn[:, None, None], noise_var, taps)


def header_symbols(head: Head, gain: float) -> tuple[Tensor, Tensor]:
    """Equalised header symbols and noise variances, ``[B, 1000]`` each.

    The carrier offset is first refined with the header's pilots, weighed against what the chirps
    said about it.
    """
    response = steering(HEADER)
    channel = head.taps.mean @ response.T
    weight = channel.conj() / head.noise_var[..., None]
    matched = (head.cells * weight[:, :, None]).sum(1)
    strength = (squares(channel) / head.noise_var[..., None]).sum(1)
    error = (response_error(head.taps, response) / head.noise_var[..., None]).sum(1) / strength.clamp_min(
        1e-20
    )
    pilots = HEADER.pilots_of(matched) * HEADER.pilots.conj()
    offset = _residual_cfo(pilots.sum(-1), strength, gain)
    turn = phasor(-offset[:, None] * (header_centres() - PREAMBLE_CENTRE))
    symbols = matched * turn[..., None] / strength.clamp_min(1e-20)[:, None]
    noise_var = ((1.0 + error) / strength.clamp_min(1e-20))[:, None].expand(-1, HEADER.symbols, -1)
    return HEADER.data_of(symbols).flatten(1), HEADER.data_of(noise_var).flatten(1)


def _residual_cfo(pilots: Tensor, strength: Tensor, gain: float) -> Tensor:
    """Most probable residual carrier offset, float64 ``[B]``, given pilot sums ``[B, 5]``.

    The chirps' phase difference leaves an error of known variance; within it the pilots decide.
    """
    chirp_strength = gain**2 * 2 * strength.sum(-1).double().clamp_min(1e-9)
    sigma = chirp_strength.rsqrt() / (2 * torch.pi * CHIRP_SAMPLES)
    units = _cfo_units()
    candidates = sigma[:, None] * units
    lever = header_centres() - PREAMBLE_CENTRE
    turned = pilots[:, None] * phasor(-candidates[..., None] * lever)
    score = 2 * turned.real.sum(-1) - units.square() / 2
    best = score.argmax(-1)
    return candidates[torch.arange(len(best)), best]


@table
def _cfo_units() -> Tensor:
    return torch.linspace(-_CFO_SIGMAS, _CFO_SIGMAS, _CFO_GRID, dtype=torch.float64)


def train_on_header(head: Head, known: Tensor, gain: float) -> Head:
    """Use a decoded header as training: better carrier offset, noise variance and channel.

    Args:
        head: observations.
        known: complex64 ``[B, 5, 208]``, the header's cells as sent.
        gain: amplitude of the preamble relative to the header.
    """
    cells = head.cells * known.conj()[:, None]
    seen = torch.cat([gain * (head.chirps @ chirp_steering().conj()), cells @ steering(HEADER).conj()], dim=2)
    offset = _phase_slope(head, seen)
    turn = phasor(-offset[:, None] * head_centres())[:, None, :, None]
    head = replace(
        head, cfo=head.cfo + offset, chirps=head.chirps * turn[:, :, :2], cells=cells * turn[:, :, 2:]
    )
    return _estimate(head, (seen * turn).sum(2), gain)


def _phase_slope(head: Head, seen: Tensor) -> Tensor:
    """Residual carrier offset in cycles per sample, float64 ``[B]``, from seven phases.

    Args:
        head: with the channel so far.
        seen: complex64 ``[B, A, 7, K]``, right-hand sides of each chirp and header OFDM symbol.
    """
    weight = head.taps.mean.conj() / head.noise_var[..., None]
    sums = (seen * weight[:, :, None]).sum((1, 3))
    times = head_centres()
    phase = (sums * sums.sum(-1, keepdim=True).conj()).angle().double()
    strength = sums.abs().double()
    centre = (strength * times).sum(-1, keepdim=True) / strength.sum(-1, keepdim=True).clamp_min(1e-20)
    lever = strength * (times - centre)
    slope = (lever * phase).sum(-1) / (lever * (times - centre)).sum(-1).clamp_min(1e-20)
    return slope / (2 * torch.pi)


def _estimate(head: Head, rhs: Tensor, gain: float) -> Head:
    """Channel from chirps and known header together, noise variance from what it leaves of the header."""
    taps = lmmse(head_gram(gain)[None], rhs, head.noise_var)
    fit = taps.mean @ steering(HEADER).T
    cells = HEADER.symbols * HEADER.active
    share = cells / (cells + 2 * gain**2 * len(chirp_bins()))
    noise_var = energy(head.cells - fit[:, :, None], 2) / (cells - share * taps.used - 1.0)
    return replace(head, taps=taps, noise_var=torch.maximum(noise_var, least_noise(_power(fit))))


def least_noise(power: Tensor) -> Tensor:
    """Noise variance ``[B, 1]`` that float32 can tell from none, given signal powers ``[B, A]``."""
    return (_DYNAMIC_RANGE * power.amax(-1, keepdim=True)).clamp_min(_TINY)


def _power(values: Tensor) -> Tensor:
    return energy(values) / values.shape[-1]
