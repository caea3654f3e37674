"""LICRnet is the network its docstring says, at every size; its attention held against plain loops."""

import copy
import itertools
import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sdrjscc.codecs import _attention
from sdrjscc.codecs._attention import DotProductAttention, WindowAttention
from sdrjscc.codecs._complexity import codec_complexity, complexity
from sdrjscc.codecs._depthwise import DepthwiseConv2d
from sdrjscc.codecs._pointwise import PointwiseConv2d
from sdrjscc.codecs.base import load_codec
from sdrjscc.codecs.licrnet import VARIANTS
from sdrjscc.images.tiles import apply_tiled

# Ours, to notice a change; the letter's Table I gives no parameter counts.
PARAMETERS = {"small": 196_801, "base": 296_613, "small-F": 196_801, "base-F": 296_613}
MILLION_MACS_256 = {"small": 1064, "base": 1508, "small-F": 1099, "base-F": 1552}
PLAIN, SHIFTED = ("small", "base"), ("small-F", "base-F")


def untrained(variant):
    return load_codec("licrnet", variant, weights="untrained")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def there_and_back(codec, images):
    plan = codec.plan(images.shape[-1], images.shape[-2])
    payload = codec.encode(images, plan)
    return payload, codec.decode(payload, torch.zeros(len(images), plan.symbols), plan)


class TestNetwork:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_cost(self, variant):
        cost = codec_complexity(untrained(variant), 256, 256)
        assert cost.parameters == PARAMETERS[variant]
        assert round(cost.macs / 1e6) == MILLION_MACS_256[variant]
        assert cost.macs == cost.macs_output_counted  # nothing is transposed

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_ratio_is_one_sixteenth(self, variant):
        assert Fraction(untrained(variant).plan(768, 512).symbols, 3 * 768 * 512) == Fraction(1, 16)

    @pytest.mark.parametrize("variant", PLAIN)
    def test_windows_grow_as_maps_shrink(self, variant):
        assert windows_at(variant) == [(128, 4), (64, 8), (32, 16), (32, 16), (64, 8), (128, 4)]
        assert all(shift == 0 for shift in shifts(variant))

    @pytest.mark.parametrize("variant", SHIFTED)
    def test_windows_of_8_every_other_block_shifted(self, variant):
        assert windows_at(variant) == [(128, 8), (64, 8), (32, 8), (32, 8), (64, 8), (128, 8)]
        assert shifts(variant) == [0, 4, 0, 4, 0, 4]

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_gradients_reach_every_parameter(self, variant):
        codec = untrained(variant)
        there_and_back(codec, torch.rand(2, 3, 48, 32))[1].square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in codec.parameters())

    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 160), (48, 80)])
    def test_any_multiple_of_16(self, variant, height, width):
        with torch.inference_mode():
            payload, decoded = there_and_back(untrained(variant), torch.rand(2, 3, height, width))
        assert payload.shape == (2, 48 * height * width // 256, 2)
        assert decoded.shape == (2, 3, height, width)
        assert decoded.isfinite().all()

    @pytest.mark.parametrize("variant", ["small", "small-F"])
    def test_tiles_with_the_halo_are_exact(self, variant):
        codec = untrained(variant)
        images, latent = torch.rand(1, 3, 16, 1040), random(1, 96, 1, 65)
        with torch.inference_mode():
            encoded = apply_tiled(
                codec.encoder, images, halo=codec.halo, tile=128, multiple=16, scale=Fraction(1, 16)
            )
            decoded = apply_tiled(codec.decoder, latent, halo=codec.halo // 16, tile=8, scale=16)
            torch.testing.assert_close(encoded, codec.encoder(images), rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(decoded, codec.decoder(latent), rtol=1e-4, atol=1e-6)


def windows_at(variant):
    """Height of the maps and side of the windows of every attention, in order, at 256x256."""
    found, codec = [], untrained(variant).to("meta")
    for module in codec.modules():
        if isinstance(module, WindowAttention):
            module.register_forward_hook(lambda _, inputs, __: found.append([inputs[0].shape[-2]]))
        if isinstance(module, DotProductAttention):
            module.register_forward_pre_hook(lambda _, inputs: found.append(math.isqrt(inputs[0].shape[-2])))
    there_and_back(codec, torch.empty(1, 3, 256, 256, device="meta"))
    sides, heights = found[::2], found[1::2]
    return [(height, side) for (height,), side in zip(heights, sides, strict=True)]


def shifts(variant):
    return [m.shift for m in untrained(variant).modules() if isinstance(m, WindowAttention)]


class TestWindowAttention:
    """Held against attention computed window by window, over real positions alone."""

    @pytest.mark.parametrize("shift", [0, 1, 2])
    @pytest.mark.parametrize(
        "shape", [(2, 6, 8, 8), (1, 6, 3, 4), (1, 6, 10, 13), (1, 6, 5, 1), (1, 6, 2, 21)]
    )
    def test_every_window_by_itself(self, shape, shift):
        module, maps = attention(6, 4, shift), random(*shape)
        torch.testing.assert_close(module(maps), one_by_one(module, maps), rtol=1e-4, atol=1e-5)

    def test_shifted_it_is_the_masked_roll_of_swin(self):
        module, maps = attention(6, 8, 4), random(2, 6, 24, 32)
        torch.testing.assert_close(module(maps), rolled(module, maps), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("shift", [0, 3])
    def test_what_fills_cut_windows_is_never_seen(self, monkeypatch, shift):
        module, maps = attention(6, 4, shift), random(1, 6, 9, 14).requires_grad_()
        expected = module(maps)
        (gradient,) = torch.autograd.grad(expected.sum(), maps)
        pad = F.pad
        monkeypatch.setattr(_attention.F, "pad", lambda maps, sides: other_filling(pad, maps, sides))
        torch.testing.assert_close(module(maps), expected)
        torch.testing.assert_close(torch.autograd.grad(module(maps).sum(), maps)[0], gradient)

    @pytest.mark.parametrize(("shift", "reached"), [(0, 4), (1, 1), (2, 2)])
    def test_how_far_a_corner_reaches(self, shift, reached):
        module, maps = attention(6, 4, shift), random(1, 6, 16, 16)
        changed = maps.clone()
        changed[:, 0, 0, 0] += 1  # of one channel: the normalisation takes a common change away
        differs = ((module(maps) - module(changed)).abs() > 1e-6).any(1)[0]
        assert differs[:reached, :reached].all()
        assert differs.sum() == reached**2

    def test_operations_by_hand(self):
        # 10x13 in windows of 4: 3x4 windows of 16 positions; scores and averages take 16 x 16 x 6 each.
        linear = 10 * 13 * (6 * 18 + 6 * 6)
        assert complexity(attention(6, 4, 0), (1, 6, 10, 13)).macs == linear + 2 * 12 * 16 * 16 * 6
        # Moved by 2: 2 + 4 + 4 rows still make 3, 2 + 4 + 4 + 3 columns 4; at 8x8, 3x3 instead of 2x2.
        assert complexity(attention(6, 4, 2), (1, 6, 10, 13)).macs == linear + 2 * 12 * 16 * 16 * 6
        assert complexity(attention(6, 4, 2), (5, 6, 8, 8)).macs == 5 * (64 * 144 + 2 * 9 * 16 * 16 * 6)
        # Less than a window is one window of its own size.
        assert complexity(attention(6, 4, 2), (1, 6, 3, 4)).macs == 12 * 144 + 2 * 12 * 12 * 6


def attention(channels, window, shift):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return WindowAttention(channels, window, shift=shift)


def attended(module, tokens):
    """Textbook attention over ``[B, positions, C]``."""
    query, key, value = module.query_key_value(module.norm(tokens)).chunk(3, -1)
    weights = (query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])).softmax(-1)
    return module.output(weights @ value)


def one_by_one(module, maps):
    result = torch.full_like(maps, torch.nan)
    for rows in spans(maps.shape[2], module.window, module.shift):
        for columns in spans(maps.shape[3], module.window, module.shift):
            window = maps[:, :, rows, columns]
            tokens = attended(module, window.flatten(2).transpose(1, 2))
            result[:, :, rows, columns] = tokens.transpose(1, 2).reshape(window.shape)
    return result


def spans(size, window, shift):
    if size <= window:
        return [slice(0, size)]
    edges = sorted({0, *range(shift, size, window), size})
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def rolled(module, maps):
    """Swin's: roll by the shift, attend where regions agree, roll back (Liu et al. 2021, Fig. 4)."""
    height, width = maps.shape[2:]
    side, shift = module.window, module.shift
    region = torch.zeros(1, 1, height, width)
    for index, (rows, columns) in enumerate(
        (rows, columns)
        for rows in (slice(-side), slice(-side, -shift), slice(-shift, None))
        for columns in (slice(-side), slice(-side, -shift), slice(-shift, None))
    ):
        region[..., rows, columns] = index
    cut = lambda t: F.unfold(t, side, stride=side).transpose(1, 2).unflatten(2, (t.shape[1], -1))  # noqa: E731
    tokens = module.norm(cut(maps.roll((-shift, -shift), (2, 3))).transpose(2, 3))
    query, key, value = module.query_key_value(tokens).chunk(3, -1)
    regions = cut(region)
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(regions.transpose(-1, -2) != regions, -torch.inf)
    merged = module.output(scores.softmax(-1) @ value).permute(0, 3, 2, 1).flatten(1, 2)
    return F.fold(merged, (height, width), side, stride=side).roll((shift, shift), (2, 3))


def other_filling(pad, maps, sides):
    """7 instead of 0 around what has channels; the one that tells real from filled stays."""
    real = pad(torch.ones_like(maps[:1, ..., :1]), sides)
    return pad(maps, sides) + (7.0 * (1 - real) if maps.shape[-1] > 1 else 0.0)


class TestDepthwise:
    @pytest.mark.parametrize(
        "shape", [(2, 3, 7, 5), (3, 16, 1, 1), (1, 4, 2, 9), (2, 8, 33, 16), (1, 40, 6, 30)]
    )
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    @pytest.mark.parametrize("kernel", [3, 5])
    def test_gradients_are_those_of_torch(self, shape, layout, kernel):
        module = DepthwiseConv2d(shape[1], kernel)
        maps = random(*shape).contiguous(memory_format=layout).requires_grad_()
        expected, result = nn.Conv2d.forward(module, maps), module(maps)
        assert type(result.grad_fn).__name__ == "_DepthwiseBackward"
        assert torch.equal(result, expected)
        change = random(*shape, seed=1)
        got = torch.autograd.grad(result, (maps, module.weight), change)
        wanted = torch.autograd.grad(expected, (maps, module.weight), change)
        torch.testing.assert_close(got[0], wanted[0], rtol=1e-5, atol=1e-5)
        # a float32 sum of up to 1,056 products, in another order
        torch.testing.assert_close(got[1], wanted[1], rtol=1e-4, atol=1e-4)

    def test_frozen_weights_and_inputs_get_none(self):
        module, maps = DepthwiseConv2d(4, 5), random(1, 4, 6, 6).requires_grad_()
        module.requires_grad_(False)(maps).sum().backward()
        assert module.weight.grad is None
        assert maps.grad is not None

    def test_other_types_and_many_threads_take_torchs_own(self, monkeypatch):
        module, maps = DepthwiseConv2d(4, 5), random(1, 4, 6, 6)
        own = "ConvolutionBackward0"
        assert type(copy.deepcopy(module).double()(maps.double()).grad_fn).__name__ == own
        assert type(DepthwiseConv2d(4, 7)(maps).grad_fn).__name__ == own
        monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
        assert type(module(maps).grad_fn).__name__ == own


class TestPointwise:
    @pytest.mark.parametrize("shape", [(2, 3, 7, 5), (3, 16, 1, 1), (1, 1, 4, 6), (2, 8, 33, 16)])
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_values_and_gradients_are_those_of_torch(self, shape, layout):
        module = PointwiseConv2d(shape[1], 6)
        maps = random(*shape).contiguous(memory_format=layout).requires_grad_()
        expected, result = nn.Conv2d.forward(module, maps), module(maps)
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
        change = random(*result.shape, seed=1)
        got = torch.autograd.grad(result, (maps, *module.parameters()), change)
        wanted = torch.autograd.grad(expected, (maps, *module.parameters()), change)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)

    def test_channels_stay_last_without_a_copy(self):
        maps = random(2, 8, 6, 4).contiguous(memory_format=torch.channels_last)
        result = PointwiseConv2d(8, 5)(maps)
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert type(result.grad_fn).__name__ == "PermuteBackward0"

    def test_parameters_are_those_of_a_convolution(self):
        module, own = PointwiseConv2d(8, 5), nn.Conv2d(8, 5, 1)
        own.load_state_dict(module.state_dict())
        maps = random(2, 8, 6, 4, seed=3)
        assert torch.equal(module(maps), own(maps))  # channels first: torch's own
        assert module.to("meta")(maps.to("meta")).shape == (2, 5, 6, 4)
