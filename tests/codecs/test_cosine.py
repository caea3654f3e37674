"""The cosine transform against scipy's and against its definition."""

import math

import pytest
import scipy.fft
import torch

from sdrjscc.codecs._cosine import dct2, idct2

SIZES = [(1, 1), (1, 2), (2, 1), (3, 5), (8, 8), (7, 4), (60, 101)]


def planes(height: int, width: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(2, height, width, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_it_is_the_orthonormal_dct_ii(height: int, width: int) -> None:
    values = planes(height, width)
    expected = scipy.fft.dctn(values.numpy(), axes=(1, 2), norm="ortho")
    torch.testing.assert_close(dct2(values), torch.from_numpy(expected))
    torch.testing.assert_close(idct2(dct2(values)), values)


def test_by_hand() -> None:
    """Of (1, 2, 4): the sum over sqrt(3), and sums of cosines over sqrt(3/2)."""
    by_hand = torch.tensor([[7 / math.sqrt(3), -3 / math.sqrt(2), 1 / math.sqrt(6)]])
    torch.testing.assert_close(dct2(torch.tensor([[1.0, 2.0, 4.0]])), by_hand)


def test_single_precision_keeps_its_digits() -> None:
    values = planes(255, 256, torch.float32)
    assert idct2(dct2(values)).dtype == torch.float32
    # errors of a float32 FFT grow with the logarithm of its length
    torch.testing.assert_close(dct2(values).double(), dct2(values.double()), rtol=0, atol=1e-5)
    torch.testing.assert_close(idct2(dct2(values)), values, rtol=0, atol=1e-5)
