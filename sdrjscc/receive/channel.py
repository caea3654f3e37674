"""The channel over a whole frame, constant or changing linearly: chosen from the data, per frame.

Everything known in a frame (chirps, decoded header, scattered pilots), its phase taken out, is
gathered as normal equations of taps that are polynomials in time. A constant channel is tried
first. Where what it leaves correlates with time more than noise would, taps get a slope.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sdrjscc.receive.estimate import TAPS, Taps, chirp_steering, lmmse, steering
from sdrjscc.receive.head import Head, chirp_centres, header_centres, least_noise
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, Grid

_TRACKED = 4.0
_SIGMAS = 4.0


@dataclass(frozen=True)
class Known:
    """Normal equations of what is known in B frames.

    Attributes:
        gram: complex64 ``[3, B or 1, K, K]``, weighted with the 0th to 2nd power of position.
        rhs: complex64 ``[2, B, A, K]``, weighted with the 0th and 1st.
        energy: float32 ``[B, A]`` of the observations.
        count: float32 ``[B or 1]``, number of observations.
    """

    gram: Tensor
    rhs: Tensor
    energy: Tensor
    count: Tensor

    def select(self, rows: Tensor) -> "Known":
        """The equations of some of the frames."""
        gram = self.gram if self.gram.shape[1] == 1 else self.gram[:, rows]
        count = self.count if len(self.count) == 1 else self.count[rows]
        return Known(gram, self.rhs[:, rows], self.energy[rows], count)


@dataclass(frozen=True)
class Channel:
    """Estimated channels and noise of B frames; ``order`` 0: constant, 1: with a slope.

    Attributes:
        taps: mean ``[B, A, (order + 1) K]``: constants first, then slopes per unit of position.
        noise_var: float32 ``[B, A]``.
    """

    taps: Taps
    noise_var: Tensor

    @property
    def order(self) -> int:
        """Degree of the taps as polynomials in position."""
        return self.taps.mean.shape[-1] // TAPS - 1


def position(time: Tensor, grid: Grid) -> Tensor:
    """Time in samples, any shape, as position in a frame: -1 at its beginning, 1 at its end."""
    return 2 * time / (PAYLOAD_START + grid.samples) - 1


def payload_centres(grid: Grid) -> Tensor:
    """Middle of each payload OFDM symbol in samples from the frame's first, float64 ``[M]``."""
    return PAYLOAD_START + grid.symbol_starts.double() + grid.fft_size / 2


def gather(head: Head, pilots: Tensor, lost: Tensor, grid: Grid, gain: float) -> Known:
    """Normal equations of observations whose phase is taken out.

    Args:
        head: chirps and header cells divided by what was sent.
        pilots: complex64 ``[B, A, M, P]``, divided by what was sent; 0 where lost.
        lost: bool ``[B, M]``.
        grid: the payload's numerology.
        gain: amplitude of the preamble.
    """
    index = grid.pilot_index.flatten()
    chirp_at, header_at, payload_at = _positions(grid)
    rhs = []
    for power in (0, 1):
        chirps = gain * ((head.chirps * (chirp_at**power)[:, None]).sum(2) @ chirp_steering().conj())
        header = (head.cells * (header_at**power)[:, None]).sum(2) @ steering(HEADER).conj()
        weighted = (pilots * (payload_at**power)[:, None]).flatten(2)
        carriers = pilots.new_zeros(*pilots.shape[:2], grid.active).index_add(2, index, weighted)
        rhs.append(chirps + header + carriers @ steering(grid).conj())
    if lost.any():
        gram, count = _normal_matrix(grid, gain, (~lost).float())
    else:
        gram, count = _full_matrix(grid, gain)
    energy = _energy(head.chirps) + _energy(head.cells) + _energy(pilots)
    return Known(gram, torch.stack(rhs), energy, count)


@lru_cache(maxsize=16)
def _positions(grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Positions, float32, of the chirps ``[2]``, header ``[5]`` and payload OFDM symbols ``[M]``."""
    with torch.inference_mode(mode=False):
        times = chirp_centres(), header_centres(), payload_centres(grid)
        chirp_at, header_at, payload_at = (position(time, grid).float() for time in times)
        return chirp_at, header_at, payload_at


@lru_cache(maxsize=16)
def _full_matrix(grid: Grid, gain: float) -> tuple[Tensor, Tensor]:
    """Gram matrices and count when nothing was lost."""
    with torch.inference_mode(mode=False):
        return _normal_matrix(grid, gain, torch.ones(1, grid.symbols))


def _normal_matrix(grid: Grid, gain: float, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gram matrices ``[3, B, K, K]`` and counts ``[B]`` for weights ``[B, M]`` of the OFDM symbols."""
    chirp_at, header_at, payload_at = _positions(grid)
    index = grid.pilot_index.flatten()
    response = steering(grid)
    parts = []
    for power in (0, 1, 2):
        fixed = gain**2 * (chirp_at**power).sum() * (chirp_steering().mH @ chirp_steering())
        fixed = fixed + (header_at**power).sum() * (steering(HEADER).mH @ steering(HEADER))
        each = (weight * payload_at**power)[..., None].expand(-1, -1, grid.pilots_per_symbol).flatten(1)
        carriers = weight.new_zeros(len(weight), grid.active).index_add(1, index, each)
        parts.append(fixed + (response.mH * carriers[:, None]) @ response)
    fixed_count = 2 * len(chirp_steering()) + HEADER.symbols * HEADER.active
    return torch.stack(parts), fixed_count + weight.sum(1) * grid.pilots_per_symbol


def constant_channel(known: Known, noise_var: Tensor) -> Channel:
    """The channel as constant taps.

    Args:
        known: see there.
        noise_var: float32 ``[B, A]``, first guess.
    """
    gram = known.gram[0]
    taps = lmmse(gram[:, None], known.rhs[0], noise_var)
    return Channel(taps, _residual(known, taps, gram, known.rhs[0]))


def sloping_channel(known: Known, noise_var: Tensor) -> Channel:
    """The channel as taps that change linearly over the frame.

    Solved twice: the noise left by a constant channel, the first guess, contains the movement.
    """
    low, middle, high = known.gram
    gram = torch.cat([torch.cat([low, middle], dim=-1), torch.cat([middle, high], dim=-1)], dim=-2)
    rhs = torch.cat([known.rhs[0], known.rhs[1]], dim=-1)
    for _ in range(2):
        taps = lmmse(gram[:, None], rhs, noise_var)
        noise_var = _residual(known, taps, gram, rhs)
    return Channel(taps, noise_var)


def moves(known: Known, channel: Channel) -> Tensor:
    """Whether the taps change over the frame more than noise explains, bool ``[B]``.

    The slope's right-hand side, less what the constant taps explain of it, is compared with its
    own noise on the taps that the data determined; a Gamma variable if nothing moves.
    """
    low, middle, high = known.gram[:, :, None]
    left = known.rhs[1] - (middle @ channel.taps.mean[..., None])[..., 0]
    lows, middles, highs = (part.diagonal(dim1=-2, dim2=-1).real for part in (low, middle, high))
    noise = (highs - middles.square() / lows) * channel.noise_var[..., None]
    spread = channel.taps.covariance.diagonal(dim1=-2, dim2=-1).real
    significant = channel.taps.mean.abs().square() > _SIGMAS**2 * spread
    score = (left.abs().square() / noise * significant).sum((1, 2))
    count = significant.sum((1, 2)).float()
    moving: Tensor = score > count + _SIGMAS * count.sqrt() + _SIGMAS
    return moving


def response_over_time(channel: Channel, grid: Grid) -> tuple[Tensor, Tensor]:
    """Channel on a grid's carriers, ``[B, A, T, C]``, and its error variance; T is 1 if constant."""
    response = steering(grid)
    if channel.order == 0:
        basis = response[None]
    else:
        at = _positions(grid)[2]
        basis = torch.cat([response.expand(len(at), -1, -1), at[:, None, None] * response], dim=-1)
    flat = basis.flatten(0, 1)
    mean = channel.taps.mean @ flat.T
    error = ((flat @ channel.taps.covariance) * flat.conj()).sum(-1).real.clamp_min(0.0)
    shape = (*mean.shape[:2], len(basis), grid.active)
    return mean.reshape(shape), error.reshape(shape)


def _residual(known: Known, taps: Taps, gram: Tensor, rhs: Tensor) -> Tensor:
    """Noise variance ``[B, A]`` from what the taps leave of the observations.

    Phase, carrier and clock tracking have taken about four more degrees of freedom.
    """
    explained = 2 * (taps.mean.conj() * rhs).sum(-1).real
    model = (taps.mean.conj() * (gram[:, None] @ taps.mean[..., None])[..., 0]).sum(-1).real
    freedom = known.count[:, None] - taps.used - _TRACKED
    return torch.maximum((known.energy - explained + model) / freedom, least_noise(known.energy / freedom))


def _energy(values: Tensor) -> Tensor:
    """Energy over the last two dimensions of complex values."""
    return torch.view_as_real(values.contiguous()).square().sum((-1, -2, -3))
