"""Initial weights of a transform coder."""

import pytest
import torch
from torch import nn

from sdrjscc.codecs._layers import same_conv
from sdrjscc.codecs._linear_start import markov_stages, set_layer


def markov_pictures(count, side, seed=0):
    """Gaussian pictures [count, 3, side, side] of the model, clipped to [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.arange(side, dtype=torch.float64)
    root = torch.linalg.cholesky(0.95 ** (steps[:, None] - steps).abs())
    common, own = (
        root @ torch.randn(count, n, side, side, generator=generator).double() @ root.T for n in (1, 3)
    )
    return (0.5 + 0.06**0.5 * (0.9**0.5 * common + 0.1**0.5 * own)).clamp(0, 1)


def through(channels, strides, images):
    """Images through an encoder and decoder made of the stages, with rectifiers, and the latent."""
    stages = markov_stages(channels, strides)
    down, up = [], []
    for stage, inputs, outputs, stride in zip(stages, channels, channels[1:], strides, strict=False):
        down.append(same_conv(inputs, outputs, stride=stride).double())
        up.insert(0, nn.ConvTranspose2d(outputs, inputs, 5, stride, 2, stride - 1).double())
        set_layer(down[-1], stage.blocks, stage.bias)
        set_layer(up[0], stage.blocks, stage.back)
    with torch.no_grad():
        for layer in down[:-1]:
            images = layer(images).relu()
        latent = images = down[-1](images)
        for layer in up[:-1]:
            images = layer(images).relu()
        return up[-1](images), latent, stages


@pytest.mark.parametrize(
    ("channels", "strides"),
    [((3, 12), (2,)), ((3, 16, 20), (2, 1)), ((3, 13, 52, 64), (2, 2, 1)), ((3, 3, 12, 48), (1, 2, 2))],
)
def test_with_enough_channels_nothing_is_lost(channels, strides):
    images = markov_pictures(4, 32)
    decoded, _, _ = through(channels, strides, images)
    assert (decoded - images).abs().mean() < 1e-3
    assert (decoded - images).abs().median() < 1e-9


def test_what_is_lost_is_the_weakest_components():
    """Channels kept of a 4x4 patch: the error is the model's, of its smallest eigenvalues."""
    images = markov_pictures(40, 64)
    steps = torch.arange(4, dtype=torch.float64)
    along = 0.95 ** (steps[:, None] - steps).abs()
    colours = torch.full((3, 3), 0.9, dtype=torch.float64).fill_diagonal_(1.0)
    spectrum = torch.linalg.eigvalsh(torch.kron(torch.kron(along, along), colours)) * 0.06
    for kept in (6, 12):
        decoded, _, _ = through((3, 48, kept), (2, 2), images)
        error = (decoded - images).square().mean()
        assert float(error) == pytest.approx(float(spectrum[:-kept].sum()) / 48, rel=0.12)


def test_the_latent_has_zero_mean_and_the_stated_deviation():
    images = markov_pictures(60, 64)
    _, latent, stages = through((3, 16, 32, 24), (2, 2, 2), images)
    deviation = latent.std((0, 2, 3))
    assert float(deviation.square().mean().sqrt()) == pytest.approx(stages[-1].deviation, rel=0.1)
    assert latent.mean().abs() < 0.1 * stages[-1].deviation


def test_rectifiers_hardly_touch_the_signal():
    images = markov_pictures(20, 64)
    stage = markov_stages((3, 16, 32), (2, 2))[0]
    layer = same_conv(3, 16, stride=2).double()
    set_layer(layer, stage.blocks, stage.bias)
    with torch.no_grad():
        assert (layer(images) < 0).double().mean() < 0.01
