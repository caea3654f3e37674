"""DC offset and IQ image, corrected by running estimates on absolute blocks of the stream.

Both estimates belong to a block's position in the stream, not to the chunk that brought it, so
that the receiver's output does not depend on how samples were cut.
"""

import torch
from torch import Tensor

BLOCK = 8192
"""Samples over which the estimates stand still."""

_MEMORY = 127.0 / 128.0
_LARGEST_IMAGE = 0.1
_SCEPTICISM = 3.0


class Conditioner:
    """State of the running estimates, per antenna: weighted sums of x, x**2 and |x|**2."""

    def __init__(self, antennas: int) -> None:
        self._sums = torch.zeros(antennas, 3, dtype=torch.complex128)
        self._weight = 0.0

    def correct(self, samples: Tensor) -> Tensor:
        """Corrected samples; the estimate for a block includes the block.

        Args:
            samples: complex64 ``[A, n]``; n a multiple of 8192 except at the end of a stream.
        """
        whole = samples.shape[-1] // BLOCK * BLOCK
        parts = [self._blocks(samples[:, :whole].reshape(len(samples), -1, BLOCK))] if whole else []
        if whole < samples.shape[-1]:
            parts.append(self._blocks(samples[:, None, whole:]))
        return torch.cat(parts, dim=-1) if parts else samples

    def _blocks(self, blocks: Tensor) -> Tensor:
        pairs = torch.view_as_real(blocks)
        moments = (pairs.mT @ pairs).double()
        real, imaginary = moments[..., 0, 0], moments[..., 1, 1]
        square = torch.complex(real - imaginary, 2 * moments[..., 0, 1])
        fresh = torch.stack(
            [blocks.sum(-1).to(square.dtype), square, (real + imaginary).to(square.dtype)], dim=-1
        )
        mean, image = self._advance(fresh, float(blocks.shape[-1]))
        corrected = blocks - (mean - image * mean.conj())[..., None]
        if bool((image != 0).any()):
            corrected = torch.addcmul(corrected, -image[..., None], blocks.conj())
        return corrected.flatten(1)

    def _advance(self, fresh: Tensor, size: float) -> tuple[Tensor, Tensor]:
        """DC offset and image coefficient ``[A, blocks]`` as the sums of each block are added."""
        states, weights = [], []
        for block in fresh.unbind(1):
            self._sums = _MEMORY * self._sums + block
            self._weight = _MEMORY * self._weight + size
            states.append(self._sums)
            weights.append(self._weight)
        count = torch.tensor(weights, dtype=torch.float64)
        mean, square, power = (torch.stack(states, dim=1) / count[:, None]).unbind(-1)
        power = (power.real - mean.abs().square()).clamp_min(1e-30)
        image = (square - mean * mean) / (2 * power)
        image = image * _trust(image, 0.5 / count) * (image.abs() < _LARGEST_IMAGE)
        mean = mean * _trust(mean, power / count)
        return mean.to(torch.complex64), image.to(torch.complex64)


def _trust(estimate: Tensor, variance: Tensor) -> Tensor:
    """Weight of an estimate by how far it stands out of its own variance: 0 below the square root of 3."""
    return (1 - _SCEPTICISM * variance / estimate.abs().square().clamp_min(1e-30)).clamp_min(0.0)
