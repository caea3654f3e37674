"""Signals whose every value is known in closed form, so that a channel can be checked against them."""

import math
from dataclasses import dataclass

import pytest
import torch


@dataclass(frozen=True)
class Tones:
    """A sum of complex tones: known at any time, not only at whole samples."""

    frequencies: torch.Tensor
    amplitudes: torch.Tensor

    def __call__(self, time: torch.Tensor) -> torch.Tensor:
        """Value at real ``time`` in samples: complex128."""
        angle = 2 * math.pi * time.to(torch.float64)[:, None] * self.frequencies
        return torch.polar(torch.ones_like(angle), angle) @ self.amplitudes

    def samples(self, length: int) -> torch.Tensor:
        """The first samples, complex64 ``[1, length]``."""
        return self(torch.arange(length))[None].to(torch.complex64)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20240611)


@pytest.fixture
def tones(generator) -> Tones:
    """Unit power over 40 tones of |f| < 0.45."""
    frequencies = (torch.rand(40, dtype=torch.float64, generator=generator) - 0.5) * 0.9
    return Tones(frequencies, torch.randn(40, dtype=torch.complex128, generator=generator) / math.sqrt(40))


@pytest.fixture
def ofdm(generator):
    """256-point OFDM symbols without prefix, 208 unit QPSK carriers: ``(samples [1, n], carriers)``."""
    carriers = torch.cat([torch.arange(1, 105), torch.arange(-104, 0)]) % 256
    bits = torch.randint(0, 2, (1000, 208, 2), generator=generator) * 2.0 - 1.0
    grid = torch.zeros(1000, 256, dtype=torch.complex64)
    grid[:, carriers] = torch.view_as_complex(bits) / math.sqrt(2)
    return torch.fft.ifft(grid, norm="ortho").reshape(1, -1), carriers


def power_db(error: torch.Tensor, reference: torch.Tensor) -> float:
    """Power of ``error`` relative to ``reference`` in dB."""
    return 10 * math.log10(float(error.abs().square().mean() / reference.abs().square().mean()))
