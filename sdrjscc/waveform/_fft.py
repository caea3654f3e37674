"""The Fourier transform of the physical layer: unitary, DC in the middle of a spectrum.

The grid, the preamble and the receiver's estimators all come through here, so that scale and
order of a spectrum are decided once.
"""

import torch
from torch import Tensor

_AT_ONCE = 1 << 16


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
    turn = tone(0.5 - frequency.double(), samples.shape[-1])
    in_place = samples.dtype == torch.complex64 and samples.device.type == "cpu" and samples.stride(-1) == 1
    if in_place and not samples.requires_grad and turn.ndim > 1 and turn.shape[-2] == 1:
        return _turned_rows(samples, turn)
    spectrum: Tensor = torch.fft.fft(samples * turn, norm="ortho")
    return spectrum


def _turned_rows(samples: Tensor, turn: Tensor) -> Tensor:
    """The same for blocks ``[..., M, n]`` and tones ``[..., 1, n]``, a few rows at a time.

    They are read where they lie and stay in the processor's cache on the way.
    """
    from sdrjscc.waveform import _kernels

    lead = torch.broadcast_shapes(samples.shape[:-2], turn.shape[:-2])
    samples = samples.expand(*lead, -1, -1)
    starts = torch.zeros(samples.shape[:-1], dtype=torch.int64)
    for dim, (size, stride) in enumerate(zip(samples.shape[:-1], samples.stride()[:-1], strict=True)):
        starts += (stride * torch.arange(size)).reshape(-1, *[1] * (starts.ndim - 1 - dim))
    flat = samples.as_strided((int(starts.flatten()[-1]) + samples.shape[-1],), (1,)).numpy()
    rows = starts.flatten(0, -2).numpy()
    tones = turn.expand(*lead, 1, -1).reshape(len(rows), -1).contiguous().numpy()
    each = max(1, _AT_ONCE // (samples.shape[-2] * samples.shape[-1]))
    spectra = []
    for first in range(0, len(rows), each):
        some = slice(first, first + each)
        turned = torch.empty(len(rows[some]), *samples.shape[-2:], dtype=torch.complex64)
        _kernels.turn(flat, rows[some], tones[some], turned.numpy())
        spectra.append(torch.fft.fft(turned, norm="ortho"))
    return torch.cat(spectra).reshape(samples.shape)


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
    """Unit phasor ``exp(2j pi cycles)`` as complex64, reduced to half a turn in float64 first."""
    angle = (cycles - cycles.round()).float() * (2.0 * torch.pi)
    return torch.complex(torch.cos(angle), torch.sin(angle))
