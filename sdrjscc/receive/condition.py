"""DC offset and IQ image, corrected by running estimates on absolute blocks of the stream.

Both estimates belong to a block's position in the stream, not to the chunk that brought it, so
that the receiver's output does not depend on how samples were cut.
"""

import torch
from torch import Tensor

BLOCK = 8192
"""Samples over which the estimates stand still."""


class Conditioner:
    """State of the running estimates, per antenna: weighted sums of x, x**2 and abs(x)**2."""

    def __init__(self, antennas: int) -> None:
        self._state = torch.zeros(antennas, 6, dtype=torch.float64)

    def correct(self, samples: Tensor, out: Tensor) -> None:
        """Correct samples; the estimate for a block includes the block.

        Args:
            samples: finite complex64 ``[A, n]``; n a multiple of 8192 except at the end of a stream.
            out: complex64 ``[A, n]``, contiguous along n; written.
        """
        from sdrjscc.receive import _kernels

        whole = samples.shape[-1] // BLOCK * BLOCK
        rest = samples.shape[-1] - whole
        for source, state, target in zip(samples.contiguous(), self._state, out, strict=True):
            for part, size in ((slice(whole), BLOCK), (slice(whole, None), rest)):
                if len(source[part]):
                    _kernels.condition(source[part].numpy(), size, state.numpy(), target[part].numpy())
