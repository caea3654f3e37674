"""Follow phase and sampling clock through a frame by its scattered pilots.

Residual carrier offset and clock offset are searched together on a coarse grid, then solved for
as a linear problem; what phase is left is a random walk whose strength is estimated from the
data. The random walk on a path graph is diagonal in the discrete cosine transform, so evidence,
smoother and posterior variance are closed forms there (the eigenvectors of the path's Laplacian).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi

import torch
from torch import Tensor

from sdrjscc.waveform.base import phasor, tilted_phasor

_CFO_REACH = 5e-5
_BOX = 9
_ELEMENTS = torch.tensor([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
_RATIOS = torch.cat([torch.zeros(1), 10.0 ** torch.arange(-5.0, 3.01, 0.25)])


@dataclass(frozen=True)
class Pilots:
    """Matched pilots of B frames; what is sent and the channel are already taken out.

    Attributes:
        matched: complex64 ``[B, M, P]``; mean ``strength``, noise variance ``strength``.
        strength: float32 ``[B, M, P]``; 0 where a pilot was lost.
        frequency: float64 ``[M, P]`` in cycles per sample.
        time: float64 ``[M]``, middle of each OFDM symbol in samples.
        head: complex64 ``[B, H]``, the same sums over each known symbol before the payload.
        head_strength: float32 ``[B, H]``.
        head_time: float64 ``[H]``.
    """

    matched: Tensor
    strength: Tensor
    frequency: Tensor
    time: Tensor
    head: Tensor
    head_strength: Tensor
    head_time: Tensor

    @property
    def anchor(self) -> float:
        """Time in samples at which the head's observations have no clock offset on average."""
        return float(self.head_time.mean())


@dataclass(frozen=True)
class Line:
    """Phase that is linear in time and frequency, per frame, about the anchor.

    Attributes:
        phase: float64 ``[B]`` rad, at the anchor.
        cfo: float64 ``[B]``, residual carrier offset in cycles per sample.
        sco: float64 ``[B]``, growth of the delay in samples per sample.
        covariance: float64 ``[B, 3, 3]`` of (phase, 2 pi cfo, 2 pi sco).
    """

    phase: Tensor
    cfo: Tensor
    sco: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Track:
    """The line and the random walk beside it.

    Attributes:
        line: see :class:`Line`.
        walk: float64 ``[B, M]`` rad, phase in addition to the line.
        variance: float32 ``[B, M]`` rad**2, of the phase error that remains, line included.
        step: float32 ``[B]`` rad**2, variance of the walk's step from symbol to symbol.
    """

    line: Line
    walk: Tensor
    variance: Tensor
    step: Tensor


def fit_line(pilots: Pilots, sco_max: float) -> Line:
    """Carrier and clock offset: coarse search, then two Gauss-Newton steps.

    Args:
        pilots: see there.
        sco_max: largest clock offset, samples per sample.
    """
    cfo, sco = _search(pilots, sco_max)
    line = Line(torch.zeros_like(cfo), cfo, sco, torch.zeros(len(cfo), 3, 3, dtype=torch.float64))
    for _ in range(2):
        line = _improve(pilots, line, sco_max)
    return line


def _search(pilots: Pilots, sco_max: float) -> tuple[Tensor, Tensor]:
    """Grid maximum of the coherent sum over head and pilots, each float64 ``[B]``."""
    lever = pilots.time - pilots.anchor
    longest = float(lever[-1])
    clocks = 2 * ceil(sco_max * float(pilots.frequency.abs().max()) * longest / 0.3) + 1
    carriers = 2 * ceil(_CFO_REACH * longest / 0.25) + 1
    sco = (
        torch.linspace(-sco_max, sco_max, clocks, dtype=torch.float64)
        if clocks > 1
        else torch.zeros(1).double()
    )
    cfo = torch.linspace(-_CFO_REACH, _CFO_REACH, carriers, dtype=torch.float64)
    tilt = phasor(sco[:, None, None] * pilots.frequency * lever[:, None])
    sums = torch.einsum("bmp,emp->bem", pilots.matched, tilt)
    total = sums @ phasor(-lever[:, None] * cfo)
    head_lever = pilots.head_time - pilots.anchor
    total = total + (pilots.head @ phasor(-head_lever[:, None] * cfo))[:, None]
    best = total.abs().flatten(1).argmax(-1)
    return cfo[best % carriers], sco[best // carriers]


def _improve(pilots: Pilots, line: Line, sco_max: float) -> Line:
    """One Gauss-Newton step: the imaginary parts are linear in the three unknowns."""
    sums = _sums(pilots, line)
    longest = float(pilots.time[-1]) - pilots.anchor
    scale = torch.tensor([1.0, 1.0 / longest, 1.0 / longest], dtype=torch.float64)
    prior = torch.tensor([0.0, 0.0, 3.0 / (2 * pi * max(sco_max, 1e-9) * longest) ** 2], dtype=torch.float64)
    matrix = sums[:, _ELEMENTS] * (scale[:, None] * scale)
    information = 2 * matrix + torch.diag(prior + 1e-9)
    now = torch.stack([line.phase, 2 * pi * line.cfo, 2 * pi * line.sco], dim=-1)
    rhs = 2 * sums[:, 6:] * scale - prior * now / scale
    covariance = torch.linalg.inv(information)
    now = now + (covariance @ rhs[..., None])[..., 0] * scale
    covariance = covariance * scale[:, None] * scale
    return Line(now[:, 0], now[:, 1] / (2 * pi), now[:, 2] / (2 * pi), covariance)


def _sums(pilots: Pilots, line: Line) -> Tensor:
    """See :func:`sdrjscc.receive._kernels.line_sums`: over pilots and head, ``[B, 9]``."""
    from sdrjscc.receive import _kernels

    at = torch.stack([line.phase / (2 * pi), line.cfo, line.sco], dim=-1).numpy()
    sums = torch.zeros(len(at), 9, dtype=torch.float64)
    centre = torch.zeros(len(pilots.head_time), 1, dtype=torch.float64)
    for matched, strength, frequency, time in (
        (pilots.matched, pilots.strength, pilots.frequency, pilots.time),
        (pilots.head[..., None], pilots.head_strength[..., None], centre, pilots.head_time),
    ):
        _kernels.line_sums(
            matched.contiguous().numpy(),
            strength.contiguous().numpy(),
            frequency.contiguous().numpy(),
            (time - pilots.anchor).numpy(),
            at,
            sums.numpy(),
        )
    return sums


def still(line: Line, lever: Tensor, frequency: Tensor, walk: Tensor | None = None) -> Tensor:
    """Phasors complex64 ``[B, M, P]`` that take the line out.

    Args:
        line: see there.
        lever: float64 ``[M]``, samples from the anchor.
        frequency: float64 ``[M, P]`` or ``[P]``, cycles per sample.
        walk: ``[B, M]`` rad, to be taken out as well.
    """
    phase = line.phase[:, None] if walk is None else line.phase[:, None] + walk
    common = phase / (2 * pi) + line.cfo[:, None] * lever
    return tilted_phasor(-common, line.sco[:, None] * lever, frequency)


def follow(pilots: Pilots, line: Line) -> Track:
    """Smooth what phase the line leaves, with a random walk of estimated strength."""
    lever = pilots.time - pilots.anchor
    sums = (pilots.matched * still(line, lever, pilots.frequency)).sum(-1)
    strength = pilots.strength.sum(-1)
    guess = _unwrapped(sums)
    offset = (sums * torch.polar(torch.ones_like(guess), -guess)).imag / strength.clamp_min(1e-20)
    measured = guess + torch.where(strength > 0, offset, torch.zeros_like(offset))
    noise = 0.5 / strength.mean(-1).clamp_min(1e-20)
    basis, stiffness = _cosines(strength.shape[-1])
    coefficients = measured @ basis.T
    ratio = _walk_ratio(coefficients, noise, stiffness)
    kept = (ratio[:, None] / stiffness) / (1 + ratio[:, None] / stiffness)
    walk = (coefficients * kept) @ basis
    variance = noise[:, None] * (kept @ basis.square()) + _line_variance(pilots, line, lever)
    return Track(line, walk.double(), variance.float(), ratio * noise)


def head_walk(pilots: Pilots, track: Track) -> Tensor:
    """Phase beside the line, float32 ``[B, H]``, of each known symbol before the payload.

    Each is measured by itself, and believed as far as a walk of the payload's strength allows.
    """
    lever = pilots.head_time - pilots.anchor
    turned = pilots.head * still(track.line, lever, lever.new_zeros(1))[..., 0]
    noise = 0.5 / pilots.head_strength.clamp_min(1e-20)
    prior = track.step[:, None] * track.walk.shape[-1] / 2
    return turned.angle() * (prior / (prior + noise))


def _line_variance(pilots: Pilots, line: Line, lever: Tensor) -> Tensor:
    """Phase variance of the line, ``[B, M]``, averaged over frequency."""
    ones = torch.ones_like(lever)
    design = torch.stack([ones, lever], dim=-1)
    common = torch.einsum("mi,bij,mj->bm", design, line.covariance[:, :2, :2], design)
    return common + line.covariance[:, 2, 2, None] * lever.square() * pilots.frequency.square().mean()


def _unwrapped(sums: Tensor) -> Tensor:
    """Continuous phase, float32 ``[B, M]``, of a moving average of ``sums``: where to linearise."""
    kernel = min(_BOX, 2 * ((sums.shape[-1] - 1) // 2) + 1)
    parts = torch.view_as_real(sums).movedim(-1, 1)
    smooth = torch.nn.functional.avg_pool1d(parts, kernel, 1, kernel // 2)
    angle = torch.atan2(smooth[:, 1], smooth[:, 0])
    jump = angle.diff(dim=-1)
    turns = torch.round(jump / (2 * pi)).cumsum(-1)
    return torch.cat([angle[:, :1], angle[:, 1:] - 2 * pi * turns], dim=-1)


def _walk_ratio(coefficients: Tensor, noise: Tensor, stiffness: Tensor) -> Tensor:
    """Most probable ratio of walk step to pilot noise, float32 ``[B]``.

    The mean (coefficient 0) tells nothing about the walk and is left out.
    """
    spread = 1 + _RATIOS[:, None] / stiffness[1:]
    energy = coefficients[:, 1:].square() / noise[:, None].clamp_min(1e-20)
    evidence = -0.5 * (energy @ (1 / spread).T + spread.log().sum(-1))
    return _RATIOS[evidence.argmax(-1)]


@lru_cache(maxsize=16)
def _cosines(length: int) -> tuple[Tensor, Tensor]:
    """Orthonormal DCT-II basis ``[M, M]`` (row: coefficient) and the Laplacian's eigenvalues ``[M]``.

    The constant has no eigenvalue of its own; it gets that of the mean of a walk which
    starts at the anchor.
    """
    with torch.inference_mode(mode=False):
        index = torch.arange(length, dtype=torch.float64)
        basis = torch.cos(pi / length * index[:, None] * (index + 0.5)) * (2 / length) ** 0.5
        basis[0] /= 2**0.5
        stiffness = 2 - 2 * torch.cos(pi * index / length)
        stiffness[0] = 3 / length**2
        return basis.float(), stiffness.float()
