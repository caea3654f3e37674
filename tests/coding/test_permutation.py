import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.coding.permutation import MAX_SIZE, Permutation

KEYS = st.integers(0, 2**32 - 1)
GOLDEN_10 = [2, 4, 5, 1, 3, 6, 7, 9, 0, 8]
GOLDEN_20000 = [1417, 7636, 4201, 1436, 12419, 3934]
GOLDEN_MAX = [805270559046, 997789632953, 780736814396]


@given(st.integers(1, 5000), KEYS)
def test_is_a_bijection_with_its_inverse(size, key):
    permutation = Permutation(size, key)
    index = torch.arange(size)
    image = permutation.forward(index)
    assert torch.equal(image.sort().values, index)
    assert torch.equal(permutation.inverse(image), index)
    assert torch.equal(permutation.forward(permutation.inverse(index)), index)


@given(st.integers(1, MAX_SIZE), KEYS, st.integers(0, 2**32 - 1))
def test_inverts_single_indices_of_any_size(size, key, seed):
    permutation = Permutation(size, key)
    index = torch.randint(0, size, (4, 5), generator=torch.Generator().manual_seed(seed))
    image = permutation.forward(index)
    assert image.shape == index.shape
    assert int(image.min()) >= 0
    assert int(image.max()) < size
    assert torch.equal(permutation.inverse(image), index)


def python_integers(size, key, index):
    """The network again, one index in Python's own integers."""
    multiply = lambda value, factor: value * factor & 0xFFFFFFFF  # noqa: E731
    high_size = math.isqrt(size - 1) + 1
    low_size = -(-size // high_size)

    def key_of(i):
        value = multiply(key + 0x9E3779B9 * (i + 1) & 0xFFFFFFFF, 0x7FEB352D)
        value = multiply(value ^ value >> 15, 0x45D9F3B)
        return value ^ value >> 16

    def scaled(value, i, modulus):
        value = multiply(value ^ key_of(i), 0x7FEB352D)
        return multiply(value ^ value >> 15, 0x45D9F3B) * modulus >> 32

    while True:
        high, low = divmod(index, low_size)
        for i in range(0, 6, 2):
            high = (high + scaled(low, i, high_size)) % high_size
            low = (low + scaled(high, i + 1, low_size)) % low_size
        index = high * low_size + low
        if index < size:
            return index


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000, 99991, 2**20, MAX_SIZE])
def test_equals_the_formula_in_python_integers(size):
    indices = [0, size // 3, size - 1]
    image = Permutation(size, 0xC0FFEE).forward(torch.tensor(indices))
    assert image.tolist() == [python_integers(size, 0xC0FFEE, index) for index in indices]


def test_golden_values_never_change():
    """Both ends of a link must permute alike, whatever their versions."""
    assert Permutation(10, 1).forward(torch.arange(10)).tolist() == GOLDEN_10
    assert Permutation(20000, 0x5D15C).forward(torch.arange(6)).tolist() == GOLDEN_20000
    assert Permutation(MAX_SIZE, 7).forward(torch.arange(3)).tolist() == GOLDEN_MAX


def test_keys_differ():
    index = torch.arange(1000)
    moved = Permutation(1000, 1).forward(index) != Permutation(1000, 2).forward(index)
    assert moved.sum() > 980


@pytest.mark.parametrize("size", [4000, 16384, 65536])
@pytest.mark.parametrize("distance", [1, 64, 256])
def test_neighbours_land_anywhere(size, distance):
    """Differences of images at a fixed distance are uniform: chi-square over 64 bins."""
    image = Permutation(size, 3).forward(torch.arange(size))
    counts = torch.histc(((image[distance:] - image[:-distance]) % size).to(torch.float64), 64, 0, size)
    expected = counts.sum() / 64
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 63 + 5 * (2 * 63) ** 0.5


@pytest.mark.parametrize(("size", "key"), [(0, 1), (MAX_SIZE + 1, 1), (5, -1), (5, 2**32)])
def test_refuses_sizes_and_keys_out_of_range(size, key):
    with pytest.raises(ValueError, match=r"must be .* \(got"):
        Permutation(size, key)


@pytest.mark.parametrize("index", [-1, 10])
def test_refuses_indices_out_of_range(index):
    with pytest.raises(ValueError, match=r"indices must be 0\.\.9 \(got"):
        Permutation(10, 1).forward(torch.tensor([index]))


def test_no_indices_give_no_images():
    assert Permutation(10, 1).forward(torch.zeros(0, dtype=torch.int64)).shape == (0,)
