"""The channel over a whole frame: taps that are polynomials in time, of an order chosen from the data.

Everything known in a frame (chirps, decoded header, scattered pilots), its phase taken out, is
gathered as normal equations. A constant channel is tried first. Where what it leaves correlates
with the next polynomial more than noise would, taps get that one too, and so on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sdrjscc.receive.estimate import TAPS, Taps, chirp_steering, lmmse, quadratic, response_error, steering
from sdrjscc.receive.head import Head, chirp_centres, header_centres, least_noise
from sdrjscc.receive.power import energy, squares
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, Grid

LARGEST_ORDER = 4
"""Highest degree of the polynomials in time."""

_SYMBOLS_A_DEGREE = 8
_TRACKED = 4.0
_SIGMAS = 4.0
_RIDGE = 1e-3


@dataclass(frozen=True)
class Known:
    """Normal equations of what is known in B frames, for taps times F polynomials.

    Attributes:
        gram: complex64 ``[B or 1, F, K, F, K]``, weighted with the product of two polynomials.
        rhs: complex64 ``[B, A, F, K]``, weighted with one.
        chirp_gram: complex64 ``[1, F, K, F, K]``, the chirps' part of ``gram``.
        chirp_rhs: complex64 ``[B, A, F, K]``, the chirps' part of ``rhs``.
        energy: float32 ``[B, A]`` of header and pilots.
        count: float32 ``[B or 1]``, number of cells of header and pilots.
    """

    gram: Tensor
    rhs: Tensor
    chirp_gram: Tensor
    chirp_rhs: Tensor
    energy: Tensor
    count: Tensor

    def select(self, rows: Tensor) -> "Known":
        """The equations of some of the frames."""
        gram = self.gram if len(self.gram) == 1 else self.gram[rows]
        count = self.count if len(self.count) == 1 else self.count[rows]
        rhs, chirp_rhs = self.rhs[rows], self.chirp_rhs[rows]
        return Known(gram, rhs, self.chirp_gram, chirp_rhs, self.energy[rows], count)

    def up_to(self, order: int) -> tuple[Tensor, Tensor]:
        """Gram matrix ``[B or 1, n K, n K]`` and right-hand side ``[B, A, n K]`` of n = order + 1."""
        return _lowest(self.gram, self.rhs, order + 1)

    def cells_up_to(self, order: int) -> tuple[Tensor, Tensor]:
        """The same of header and pilots alone."""
        return _lowest(self.gram - self.chirp_gram, self.rhs - self.chirp_rhs, order + 1)


def _lowest(gram: Tensor, rhs: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The first n polynomials' part of a Gram matrix and of a right-hand side, flat."""
    return gram[:, :n, :, :n].flatten(3, 4).flatten(1, 2), rhs[:, :, :n].flatten(2)


@dataclass(frozen=True)
class Channel:
    """Estimated channels and noise of B frames.

    Attributes:
        taps: mean ``[B, A, (order + 1) K]``: constants first, then those times each polynomial.
        noise_var: float32 ``[B, A]``.
    """

    taps: Taps
    noise_var: Tensor

    @property
    def order(self) -> int:
        """Degree of the taps as polynomials in position."""
        return self.taps.mean.shape[-1] // TAPS - 1

    def select(self, rows: Tensor) -> "Channel":
        """The channels of some of the frames."""
        taps = Taps(self.taps.mean[rows], self.taps.covariance[rows], self.taps.used[rows])
        return Channel(taps, self.noise_var[rows])


def position(time: Tensor, grid: Grid) -> Tensor:
    """Time in samples, any shape, as position in a frame: -1 at its beginning, 1 at its end."""
    return 2 * time / (PAYLOAD_START + grid.samples) - 1


def polynomials(at: Tensor, count: int) -> Tensor:
    """Legendre polynomials of degree 0 to ``count - 1`` at positions ``[n]``: ``[count, n]``."""
    found = [torch.ones_like(at), at]
    for degree in range(1, count - 1):
        found.append(((2 * degree + 1) * at * found[degree] - degree * found[degree - 1]) / (degree + 1))
    return torch.stack(found[:count])


def payload_centres(grid: Grid) -> Tensor:
    """Middle of each payload OFDM symbol in samples from the frame's first, float64 ``[M]``."""
    return PAYLOAD_START + grid.symbol_starts.double() + grid.fft_size / 2


def gather(head: Head, pilots: Tensor, lost: Tensor, grid: Grid, gain: float, functions: int = 2) -> Known:
    """Normal equations of observations whose phase is taken out.

    Args:
        head: chirps and header cells divided by what was sent.
        pilots: complex64 ``[B, A, M, P]``, divided by what was sent; 0 where lost.
        lost: bool ``[B, M]``.
        grid: the payload's numerology.
        gain: amplitude of the preamble.
        functions: F, polynomials of time.
    """
    index = grid.pilot_index.flatten()
    chirp_rhs, rhs = [], []
    for chirp_at, header_at, payload_at in zip(*_weights(grid, functions), strict=True):
        chirps = gain * ((head.chirps * chirp_at[:, None]).sum(2) @ chirp_steering().conj())
        header = (head.cells * header_at[:, None]).sum(2) @ steering(HEADER).conj()
        weighted = (pilots * payload_at[:, None]).flatten(2)
        carriers = pilots.new_zeros(*pilots.shape[:2], grid.active).index_add(2, index, weighted)
        chirp_rhs.append(chirps)
        rhs.append(chirps + header + carriers @ steering(grid).conj())
    if lost.any():
        gram, count = _normal_matrix(grid, gain, (~lost).float(), functions)
    else:
        gram, count = _full_matrix(grid, gain, functions)
    stacked = torch.stack(rhs, dim=2), torch.stack(chirp_rhs, dim=2)
    of_chirps = _chirp_matrix(grid, gain, functions)
    return Known(gram, stacked[0], of_chirps, stacked[1], energy(head.cells, 2) + energy(pilots, 2), count)


@lru_cache(maxsize=32)
def _weights(grid: Grid, functions: int) -> tuple[Tensor, Tensor, Tensor]:
    """Polynomials, float32, at the chirps ``[F, 2]``, header ``[F, 5]`` and payload symbols ``[F, M]``."""
    with torch.inference_mode(mode=False):
        times = chirp_centres(), header_centres(), payload_centres(grid)
        chirps, header, payload = (polynomials(position(time, grid), functions).float() for time in times)
        return chirps, header, payload


@lru_cache(maxsize=32)
def _full_matrix(grid: Grid, gain: float, functions: int) -> tuple[Tensor, Tensor]:
    """Gram matrices and count when nothing was lost."""
    with torch.inference_mode(mode=False):
        return _normal_matrix(grid, gain, torch.ones(1, grid.symbols), functions)


@lru_cache(maxsize=32)
def _chirp_matrix(grid: Grid, gain: float, functions: int) -> Tensor:
    """Gram matrices ``[1, F, K, F, K]`` of the chirps alone."""
    with torch.inference_mode(mode=False):
        at = _weights(grid, functions)[0]
        each = gain**2 * (chirp_steering().mH @ chirp_steering())
        return torch.einsum("fi,gi,kl->fkgl", at.to(each.dtype), at.to(each.dtype), each)[None]


def _normal_matrix(grid: Grid, gain: float, weight: Tensor, functions: int) -> tuple[Tensor, Tensor]:
    """Gram matrices ``[B, F, K, F, K]`` of all that is known, for weights ``[B, M]`` of the OFDM symbols.

    Returns:
        with them the number of cells ``[B]`` of header and pilots.
    """
    _, header_at, payload_at = _weights(grid, functions)
    index, response = grid.pilot_index.flatten(), steering(grid)
    of_header = steering(HEADER).mH @ steering(HEADER)
    gram = _chirp_matrix(grid, gain, functions).repeat(len(weight), 1, 1, 1, 1)
    for i in range(functions):
        for j in range(functions):
            each = (weight * payload_at[i] * payload_at[j])[..., None]
            each = each.expand(-1, -1, grid.pilots_per_symbol).flatten(1)
            carriers = weight.new_zeros(len(weight), grid.active).index_add(1, index, each)
            fixed = (header_at[i] @ header_at[j]) * of_header
            gram[:, i, :, j] += fixed + (response.mH * carriers[:, None]) @ response
    return gram, HEADER.symbols * HEADER.active + weight.sum(1) * grid.pilots_per_symbol


def largest_order(grid: Grid) -> int:
    """Highest degree that a payload has pilots for."""
    return max(1, min(LARGEST_ORDER, grid.symbols // _SYMBOLS_A_DEGREE))


def fit(known: Known, noise_var: Tensor, order: int = 0) -> Channel:
    """The channel as taps that are polynomials of this order.

    A changing one is solved twice: the noise left by the order below, the first guess, contains
    the movement.

    Args:
        known: of more polynomials than ``order``.
        noise_var: float32 ``[B, A]``, first guess.
        order: degree.
    """
    gram, rhs = known.up_to(order)
    for _ in range(2 if order else 1):
        taps = lmmse(gram, rhs, noise_var)
        noise_var = _residual(known, taps, order)
    return Channel(taps, noise_var)


def moves(known: Known, channel: Channel) -> Tensor:
    """Whether the taps change more over the frame than the channel's order and noise explain, ``[B]``.

    The next polynomial's right-hand side, less what the taps explain of it, is compared with its
    own noise on the taps that the data determined; a Gamma variable if nothing is left.
    """
    last = channel.order + 1
    below, _ = known.up_to(channel.order)
    across = known.gram[:, last, :, :last].flatten(2)
    left = known.rhs[:, :, last] - (across[:, None] @ channel.taps.mean[..., None])[..., 0]
    explained = across @ torch.linalg.solve(below + _RIDGE * torch.eye(len(below[0])), across.mH)
    own = (known.gram[:, last, :, last] - explained).diagonal(dim1=-2, dim2=-1).real
    noise = own.clamp_min(1e-9)[:, None] * channel.noise_var[..., None]
    constant = channel.taps.mean[..., :TAPS]
    spread = channel.taps.covariance.diagonal(dim1=-2, dim2=-1).real[..., :TAPS]
    significant = squares(constant) > _SIGMAS**2 * spread
    score = (squares(left) / noise * significant).sum((1, 2))
    count = significant.sum((1, 2)).float()
    moving: Tensor = score > count + _SIGMAS * count.sqrt() + _SIGMAS
    return moving


def moving_channels(known: Known, channel: Channel) -> Iterator[tuple[Tensor, Channel]]:
    """Channels of frames that :func:`moves` has found changing, each of the lowest order that will do.

    Args:
        known: of at least two polynomials; their number limits the order.
        channel: constant, of the same frames.

    Yields:
        rows int64 ``[n]`` of the frames and their channels; every frame once.
    """
    rows, noise_var = torch.arange(len(known.rhs)), channel.noise_var
    largest = known.rhs.shape[2] - 1
    for order in range(1, largest + 1):
        channel = fit(known, noise_var, order)
        more = moves(known, channel) if order < largest else torch.zeros(len(rows), dtype=torch.bool)
        if not more.all():
            yield rows[~more], channel.select(~more)
        if not more.any():
            return
        rows, known, noise_var = rows[more], known.select(more), channel.noise_var[more]


def response_over_time(channel: Channel, grid: Grid) -> tuple[Tensor, Tensor]:
    """Channel on a grid's carriers, ``[B, A, T, C]``, and its error variance; T is 1 if constant."""
    if channel.order == 0:
        mean, error = channel.taps.mean @ steering(grid).T, response_error(channel.taps, steering(grid))
        return mean[:, :, None], error[:, :, None]
    at = _weights(grid, channel.order + 1)[2]
    parts = channel.taps.mean.unflatten(-1, (-1, TAPS)) @ steering(grid).T
    mean = torch.einsum("fm,bafc->bamc", at.to(parts.dtype), parts)
    size = (channel.order + 1, TAPS)
    blocks = channel.taps.covariance.unflatten(-1, size).unflatten(-3, size).transpose(-3, -2)
    error = quadratic(steering(grid), blocks).flatten(2, 3)  # of every pair of polynomials
    pairs = (at[:, None] * at).flatten(0, 1)
    return mean, torch.einsum("pm,bapc->bamc", pairs, error).clamp_min(0.0)


def _residual(known: Known, taps: Taps, order: int) -> Tensor:
    """Noise variance ``[B, A]`` from what the taps leave of header and pilots.

    Not of the chirps: a transmitter that clips distorts all but them, and they would hide it.
    Phase, carrier and clock tracking have taken about four more degrees of freedom.
    """
    whole, _ = known.up_to(order)
    gram, rhs = known.cells_up_to(order)
    explained = 2 * (taps.mean.conj() * rhs).sum(-1).real
    model = (taps.mean.conj() * (gram[:, None] @ taps.mean[..., None])[..., 0]).sum(-1).real
    share = _trace(gram) / _trace(whole)
    freedom = known.count[:, None] - share[:, None] * taps.used - _TRACKED
    return torch.maximum((known.energy - explained + model) / freedom, least_noise(known.energy / freedom))


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).real.sum(-1)
