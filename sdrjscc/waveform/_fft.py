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


def turned_spectra(samples: Tensor, starts: Tensor, frequency: Tensor, length: int) -> Tensor:
    """Spectra ``[B, A, M, length]`` of blocks of a stream, each moved down by its frame's frequency.

    Args:
        samples: complex64 ``[A, n]`` on the CPU, contiguous along n; no gradient passes.
        starts: int64 ``[B, M]``, where the blocks begin.
        frequency: cycles per sample ``[B]``, relative to a block's first sample.
        length: samples of a block, even.
    """
    tones = tone(0.5 - frequency.double(), length)[:, None].expand(-1, len(samples), -1)
    antenna = samples.stride(0) * torch.arange(len(samples))
    rows = (starts[:, None] + antenna[:, None]).flatten(0, 1)
    shape = (*tones.shape[:2], starts.shape[1], length)
    return _turned(samples, rows, tones.reshape(-1, length)).reshape(shape)


def _turned_rows(samples: Tensor, turn: Tensor) -> Tensor:
    """The same for blocks ``[..., M, n]`` and tones ``[..., 1, n]``, read where they lie."""
    lead = torch.broadcast_shapes(samples.shape[:-2], turn.shape[:-2])
    samples = samples.expand(*lead, -1, -1)
    starts = torch.zeros(samples.shape[:-1], dtype=torch.int64)
    for dim, (size, stride) in enumerate(zip(samples.shape[:-1], samples.stride()[:-1], strict=True)):
        starts += (stride * torch.arange(size)).reshape(-1, *[1] * (starts.ndim - 1 - dim))
    tones = turn.expand(*lead, 1, -1).reshape(-1, samples.shape[-1])
    return _turned(samples, starts.flatten(0, -2), tones).reshape(samples.shape)


def _turned(samples: Tensor, starts: Tensor, tones: Tensor) -> Tensor:
    """Spectra ``[R, M, n]`` of blocks times tones ``[R, n]``, a few rows at a time, within the cache.

    ``starts`` ``[R, M]`` count from the first of ``samples`` in memory.
    """
    from sdrjscc.waveform import _kernels

    length = tones.shape[-1]
    flat = samples.as_strided((int(starts.max()) + length,), (1,)).numpy()
    rows, factors = starts.contiguous().numpy(), tones.contiguous().numpy()
    each = max(1, _AT_ONCE // (starts.shape[1] * length))
    spectra = torch.empty(*rows.shape, length, dtype=torch.complex64)
    turned = torch.empty(min(each, len(rows)), rows.shape[1], length, dtype=torch.complex64)
    for first in range(0, len(rows), each):
        target = spectra[first : first + each]
        source, some = turned[: len(target)], slice(first, first + each)
        _kernels.turn(flat, rows[some], factors[some], source.numpy())
        torch.fft.fft(source, norm="ortho", out=target)
    return spectra


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
    if cycles.device.type == "cpu" and not cycles.requires_grad:
        from sdrjscc.waveform import _kernels

        out = torch.empty(cycles.shape, dtype=torch.complex64)
        _kernels.phasors(cycles.double().contiguous().view(-1).numpy(), out.view(-1).numpy())
        return out
    angle = (cycles - cycles.round()).float() * (2.0 * torch.pi)
    return torch.complex(torch.cos(angle), torch.sin(angle))


def tilted_phasor(start: Tensor, slope: Tensor, at: Tensor) -> Tensor:
    """Unit phasors ``exp(2j pi (start + slope * at))``, complex64 ``[B, M, P]``, on the CPU.

    Args:
        start: cycles, float64 ``[B, M]``.
        slope: cycles for each unit of ``at``, float64, broadcastable to ``[B, M]``.
        at: float64, broadcastable to ``[M, P]``.
    """
    from sdrjscc.waveform import _kernels

    places = at.expand(start.shape[1], at.shape[-1]).contiguous()
    out = torch.empty(*start.shape, places.shape[-1], dtype=torch.complex64)
    slope = slope.expand(start.shape).contiguous()
    _kernels.tilted(start.contiguous().numpy(), slope.numpy(), places.numpy(), out.numpy())
    return out
