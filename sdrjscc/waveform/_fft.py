"""The Fourier transform of the physical layer: unitary, DC in the middle of a spectrum.

The grid, the preamble and the receiver's estimators all come through here, so that scale and
order of a spectrum are decided once.
"""

import torch
from torch import Tensor


def to_spectrum(samples: Tensor) -> Tensor:
    """Spectrum ``[..., n]`` (bin ``n // 2`` is DC) of samples ``[..., n]``; power is preserved."""
    spectrum: Tensor = torch.fft.fftshift(torch.fft.fft(samples, norm="ortho"), dim=-1)
    return spectrum


def turned_spectrum(samples: Tensor, frequency: Tensor) -> Tensor:
    """Spectrum ``[..., n]`` of samples ``[..., n]`` moved down by ``frequency``, n even.

    Moving the spectrum by a further half of the band puts DC in the middle, which spares the
    transform's output a copy.

    Args:
        samples: complex.
        frequency: cycles per sample, relative to the first sample; broadcastable to ``[...]``.
    """
    spectrum: Tensor = torch.fft.fft(
        samples * tone(0.5 - frequency.double(), samples.shape[-1]), norm="ortho"
    )
    return spectrum


def to_samples(spectrum: Tensor) -> Tensor:
    """Samples ``[..., n]`` of a spectrum ``[..., n]`` with DC in bin ``n // 2``; power is preserved."""
    samples: Tensor = torch.fft.ifft(torch.fft.ifftshift(spectrum, dim=-1), norm="ortho")
    return samples


def tone(frequency: Tensor, length: int, first: int = 0) -> Tensor:
    """Unit phasors ``exp(2j pi f i)``, ``[..., length]``, for ``i = first .. first + length - 1``.

    Args:
        frequency: cycles per sample, any shape, real. The phase is computed in float64, so that
            it stays exact however long the tone is.
        length: number of samples.
        first: index of the first sample.
    """
    index = torch.arange(first, first + length, dtype=torch.float64, device=frequency.device)
    return phasor(frequency.double()[..., None] * index)


def phasor(cycles: Tensor) -> Tensor:
    """Unit phasor ``exp(2j pi cycles)`` as complex64, reduced to one turn in float64 first."""
    angle = (2.0 * torch.pi * torch.remainder(cycles, 1.0)).float()
    return torch.complex(torch.cos(angle), torch.sin(angle))
