"""Which codeword on which point: so that a wrong decision costs little.

A quadratic assignment problem: place codewords so that the mean squared distance between
sent and detected codeword is least. Solved by steepest descent over swaps, from an order along
the codebook's principal axes and from random ones.
"""

import math

import torch
from torch import Tensor

from sdrjscc.mapping._constellation import Constellation

_RANDOM_STARTS = 3
_LEAST_GAIN = 1e-9


def detection_noise_var(order: int, symbol_error_rate: float) -> float:
    """Noise variance at which hard decisions on unit-power square M-QAM have this error rate.

    Proakis and Salehi, "Fundamentals of Communication Systems": per axis of L = sqrt(M) levels
    the error rate is 2 (1 - 1/L) Q(sqrt(3 / ((M - 1) noise_var))); for M = 2 it is
    Q(sqrt(2 / noise_var)).
    """
    if order == 2:
        tail, square = symbol_error_rate, 2.0
    else:
        levels = math.isqrt(order)
        axis = 1.0 - math.sqrt(1.0 - symbol_error_rate)
        tail, square = axis / (2.0 * (1.0 - 1.0 / levels)), 3.0 / (order - 1)
    quantile = float(torch.special.ndtri(torch.tensor(tail, dtype=torch.float64)))
    return square / quantile**2


def transition(constellation: Constellation, noise_var: float) -> Tensor:
    """P(l detected | j sent) of hard decisions, float64 ``[M, M]`` with rows j."""
    along_i = _axis_transition(constellation.i_levels, noise_var)
    along_q = _axis_transition(constellation.q_levels, noise_var)
    columns, rows = constellation.columns, constellation.rows
    return along_i[columns[:, None], columns] * along_q[rows[:, None], rows]


def distortion(codebook: Tensor, transition: Tensor) -> float:
    """Mean squared distance between sent and detected codeword, summed over its D values.

    Args:
        codebook: real ``[M, D]``; row j is sent as point j, all equally likely.
        transition: ``[M, M]``, see :func:`transition`.
    """
    return float((transition * _squared_distances(codebook)).sum() / len(codebook))


def assign(codebook: Tensor, transition: Tensor, lookup: Tensor, generator: torch.Generator) -> Tensor:
    """The order of codewords with the least :func:`distortion` that was found.

    Args:
        codebook: real ``[M, D]``.
        transition: ``[M, M]``, P(detected | sent) by point.
        lookup: int64 ``[rows, columns]``, the point at each place of the grid.
        generator: of the random starts.

    Returns:
        int64 ``[M]``: ``codebook[order]`` is the codebook with row j for point j; never worse
        than the codebook as it is.
    """
    distances = _squared_distances(codebook.double())
    channel = (transition + transition.T) / 2.0
    size = len(codebook)
    starts = [torch.arange(size), _along_principal_axes(codebook.double(), lookup)]
    starts += [torch.randperm(size, generator=generator) for _ in range(_RANDOM_STARTS)]
    found = [_descend(order, channel, distances) for order in starts]
    costs = [float((channel * distances[order][:, order]).sum()) for order in found]
    return found[costs.index(min(costs))]


def _descend(order: Tensor, channel: Tensor, distances: Tensor) -> Tensor:
    """Make the best swap until none helps; both matrices are symmetric."""
    order, least = order.clone(), -_LEAST_GAIN * float(distances.mean())
    change = _changes(channel, distances[order][:, order])
    while float(change.min()) < least:  # False for NaN, too
        one, other = divmod(int(change.argmin()), len(order))
        order[[one, other]] = order[[other, one]]
        change = _changes(channel, distances[order][:, order])
    return order


def _changes(channel: Tensor, placed: Tensor) -> Tensor:
    """Half the change of the cost by swapping rows r and s, for all r and s at once."""
    crossed = channel @ placed
    own, stay = crossed.diagonal(), channel.diagonal()
    change = crossed + crossed.T - own - own[:, None]
    return change + placed * (2.0 * channel - stay - stay[:, None])


def _along_principal_axes(codebook: Tensor, lookup: Tensor) -> Tensor:
    """Codewords sorted into rows along the first principal axis, within rows along the second."""
    centred = codebook - codebook.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2]
    scores = centred @ axes.T
    high, wide = lookup.shape
    rows = scores[:, 0].argsort(stable=True).reshape(high, wide)
    within = scores[:, -1][rows].argsort(dim=-1, stable=True)
    order = torch.empty(len(codebook), dtype=torch.int64)
    order[lookup.flatten()] = rows.gather(-1, within).flatten()
    return order


def _axis_transition(levels: Tensor, noise_var: float) -> Tensor:
    borders = (levels[1:] + levels[:-1]) / 2.0
    infinite = borders.new_tensor([math.inf])
    edges = torch.cat([-infinite, borders, infinite])
    below = torch.special.ndtr((edges - levels[:, None]) / math.sqrt(noise_var / 2.0))
    return torch.diff(below, dim=-1)


def _squared_distances(codebook: Tensor) -> Tensor:
    return (codebook[:, None] - codebook).square().sum(-1)
