"""Transposed convolutions computed as plain ones, against torch's own."""

import pytest
import torch
from torch import nn

from sdrjscc.codecs._layers import Pointwise, quick_layout, separable_transposed
from sdrjscc.codecs._upsampling import SameTransposed


@pytest.mark.parametrize("groups", [1, 6], ids=["dense", "depthwise"])
@pytest.mark.parametrize(
    ("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2), (9, 2), (3, 3), (5, 3), (5, 4), (7, 4)]
)
def test_sums_are_those_of_a_transposed_convolution(kernel: int, stride: int, groups: int) -> None:
    layer = _seeded(lambda: SameTransposed(6, 6, kernel=kernel, stride=stride, groups=groups))
    maps = torch.randn(2, 6, 7, 10, generator=torch.Generator().manual_seed(kernel))
    with torch.inference_mode():
        for layout in (maps, quick_layout(maps)):
            torch.testing.assert_close(layer(layout), nn.ConvTranspose2d.forward(layer, maps))


def test_what_has_no_such_form_is_torchs_own() -> None:
    maps = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for layer in (
            _seeded(lambda: SameTransposed(6, 4, groups=2)),
            _seeded(lambda: SameTransposed(6, 6, kernel=1, stride=2)),
        ):
            assert torch.equal(layer(maps), nn.ConvTranspose2d.forward(layer, maps))


def test_gradients_are_torchs_own() -> None:
    layer = _seeded(lambda: SameTransposed(6, 4, stride=2))
    maps = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    layer(maps).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer(maps), nn.ConvTranspose2d.forward(layer, maps))


def test_separable_layer_keeps_channels_last_without_gradient() -> None:
    layer = _seeded(lambda: separable_transposed(6, 8, stride=2))
    maps = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        quick = layer(quick_layout(maps))
    assert quick.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(quick, layer(maps).detach())
    assert list(layer.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_pointwise_is_a_convolution() -> None:
    layer = _seeded(lambda: Pointwise(6, 3))
    maps = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(layer(maps), nn.Conv2d.forward(layer, maps))


def _seeded(make):  # type: ignore[no-untyped-def]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()
