"""Padding and tiling: sizes, the values at the seams, equality with the whole picture."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdrjscc.errors import ImageError
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.images.tiles import apply_tiled


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 16))
def test_padding_fits_and_crops_back(height, width, multiple):
    images = torch.arange(2 * 3 * height * width, dtype=torch.float32).view(2, 3, height, width)
    padded = pad_to_multiple(images, multiple)
    assert padded.shape[-2] % multiple == 0 == padded.shape[-1] % multiple
    assert max(padded.shape[-2] - height, padded.shape[-1] - width) < multiple
    assert torch.equal(crop(padded, width, height), images)


def test_padding_reflects_where_it_can_and_repeats_where_not():
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert pad_to_multiple(row, 5).tolist() == [[1.0, 2.0, 3.0, 2.0, 1.0]] * 5
    assert pad_to_multiple(row, 6)[0].tolist() == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    images = torch.rand(1, 3, 13, 11)
    expected = nn.functional.pad(images, (0, 5, 0, 3), mode="reflect")
    assert torch.equal(pad_to_multiple(images, 16), expected)


def test_padding_is_differentiable_and_takes_bytes():
    images = torch.rand(1, 1, 3, 3, requires_grad=True)
    pad_to_multiple(images, 4).sum().backward()
    assert images.grad.sum() == 16
    assert pad_to_multiple(torch.ones(3, 5, 5, dtype=torch.uint8), 8).shape == (3, 8, 8)


def test_padding_refuses():
    with pytest.raises(ImageError, match="multiple must be"):
        pad_to_multiple(torch.ones(1, 1), 0)
    with pytest.raises(ImageError, match="at least 1 pixel"):
        pad_to_multiple(torch.ones(3, 0, 4), 4)
    with pytest.raises(ImageError, match="crop must fit"):
        crop(torch.ones(3, 4, 4), 5, 4)


def small_codec():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = nn.Sequential(
            nn.Conv2d(3, 6, 5, 2, 2),
            nn.PReLU(),
            nn.Conv2d(6, 8, 5, 2, 2),
            nn.PReLU(),
            nn.Conv2d(8, 4, 5, 1, 2),
        )
        decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 5, 1, 2),
            nn.PReLU(),
            nn.ConvTranspose2d(8, 6, 5, 2, 2, 1),
            nn.PReLU(),
            nn.ConvTranspose2d(6, 3, 5, 2, 2, 1),
            nn.Sigmoid(),
        )
    return encoder, decoder


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 64), (68, 132), (4, 200), (160, 36)])
def test_tiled_equals_whole(height, width):
    encoder, decoder = small_codec()
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    latent = encoder(images)
    tiled = apply_tiled(encoder, images, halo=14, tile=30, multiple=4, scale=Fraction(1, 4))
    assert torch.allclose(tiled, latent, atol=1e-5)
    tiled = apply_tiled(decoder, latent, halo=5, tile=7, scale=4)
    assert torch.allclose(tiled, decoder(latent), atol=1e-5)


@torch.no_grad()
def test_a_halo_below_the_receptive_field_shows():
    encoder, _ = small_codec()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    tiled = apply_tiled(encoder, images, halo=4, tile=16, multiple=4, scale=Fraction(1, 4))
    assert not torch.allclose(tiled, encoder(images), atol=1e-4)


def test_small_pictures_take_one_call_and_tiles_stay_small():
    shapes = []

    def spy(images):
        shapes.append(tuple(images.shape[-2:]))
        return images

    images = torch.rand(1, 1, 40, 50)
    assert apply_tiled(spy, images, halo=3, tile=64) is images
    assert torch.equal(apply_tiled(spy, images, halo=3, tile=16), images)
    assert max(max(shape) for shape in shapes[1:]) <= 16 + 2 * 3


def test_tiles_refuse():
    with pytest.raises(ImageError, match="must be multiples of 4"):
        apply_tiled(nn.Identity(), torch.ones(1, 1, 6, 8), halo=0, tile=4, multiple=4)
    with pytest.raises(ImageError, match="must be positive"):
        apply_tiled(nn.Identity(), torch.ones(1, 1, 6, 8), halo=0, tile=0)
