"""The contract of the family, for every plug-in that is there and for a user's own."""

import copy
import sys
import types

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdrjscc import plugins
from sdrjscc.codecs.base import Codec, LatentCodec, build_codec, load_codec
from sdrjscc.errors import ConfigError, PluginError, Undecodable
from sdrjscc.payload import PayloadKind, Plan

OWN = "plain_autoencoder:build"
NAMES = [*plugins.available("codecs"), OWN]
OPTIONS = {"separation": {"rho": 8.0}}  # its smallest pictures must fit in its slowest mode
TILED = [*plugins.available("codecs")]  # a user's own without a halo is never cut into tiles


def untrained(name, **options):
    untrained = {} if ":" in name else {"weights": "untrained"}
    return load_codec(name, **{**untrained, **OPTIONS.get(name, {}), **options})


NETWORKS = [name for name in NAMES if isinstance(untrained(name), nn.Module)]


def pictures(batch, height, width, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def encode(codec, images, mode=0):
    return codec.encode(images, codec.plan(images.shape[-1], images.shape[-2], mode))


def modes(codec):
    return getattr(codec, "modes", 1)


def clean(plan, batch=1):
    return torch.zeros(batch, plan.symbols)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_codec(name):
    codec = untrained(name)
    assert isinstance(codec, Codec)
    assert codec.multiple >= 1
    assert isinstance(codec.fingerprint, str)
    assert not isinstance(codec, nn.Module) or not codec.training


@pytest.mark.parametrize("name", NAMES)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 2))
@settings(max_examples=8)
def test_payload_and_picture_have_the_planned_shapes(name, rows, columns, batch):
    codec = untrained(name)
    height, width = rows * codec.multiple, columns * codec.multiple
    plan = codec.plan(width, height)
    assert (plan.width, plan.height, plan.mode, plan.prefix) == (width, height, 0, 0)
    assert plan.symbols >= 1
    with torch.inference_mode():
        payload = encode(codec, pictures(batch, height, width))
        decoded = codec.decode(payload, clean(plan, batch), plan)
    _check_payload(payload, plan, batch)
    assert decoded.shape == (batch, 3, height, width)
    assert decoded.dtype == torch.float32


def _check_payload(payload, plan, batch):
    if plan.kind is PayloadKind.LATENT:
        assert payload.shape[:2] == (batch, plan.symbols)
        assert payload.shape[2] >= 1
        assert payload.dtype == torch.float32
    elif plan.kind is PayloadKind.INDICES:
        assert payload.shape == (batch, plan.symbols)
        assert not payload.is_floating_point()
    else:
        assert payload.ndim == 2
        assert payload.dtype == torch.uint8
        assert payload.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_mode_has_the_planned_shapes(name):
    codec, images = untrained(name), pictures(2, 32, 48)
    for mode in range(modes(codec)):
        plan = codec.plan(48, 32, mode)
        assert plan.mode == mode
        with torch.inference_mode():
            payload = codec.encode(images, plan)
            decoded = codec.decode(payload, clean(plan, 2), plan)
        _check_payload(payload, plan, 2)
        assert decoded.shape == images.shape


@pytest.mark.parametrize("name", NAMES)
def test_mode_and_prefix_are_kept_in_the_plan(name):
    assert untrained(name).plan(64, 64, 0, 0) == untrained(name).plan(64, 64)


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_of_a_batch_is_coded_by_itself(name):
    codec, images = untrained(name), pictures(3, 32, 48)
    plan = codec.plan(48, 32)
    with torch.inference_mode():
        payload = encode(codec, images)
        decoded = codec.decode(payload, clean(plan, 3), plan)
        one = encode(codec, images[1:2])
        torch.testing.assert_close(one, payload[1:2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(codec.decode(one, clean(plan), plan), decoded[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_of_another_size_is_undecodable(name):
    codec = untrained(name)
    payload = encode(codec, pictures(1, 32, 32))
    other = codec.plan(64, 32)
    with pytest.raises(Undecodable, match="must have"):
        codec.decode(payload, clean(other), other)


@pytest.mark.parametrize("name", NAMES)
def test_global_randomness_is_left_alone(name):
    before = torch.random.get_rng_state()
    codec = untrained(name)
    plan = codec.plan(32, 32)
    codec.decode(encode(codec, pictures(1, 32, 32)), clean(plan), plan)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_untrained_weights_are_the_same_every_time(name):
    torch.rand(3)
    first, second = untrained(name), untrained(name)
    images = pictures(1, 32, 32)
    assert torch.equal(encode(first, images), encode(second, images))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_runs_on_the_meta_device(name):
    codec = untrained(name)
    meta = copy.deepcopy(codec).to("meta")
    plan = meta.plan(64, 48)
    payload = encode(meta, torch.empty(2, 3, 48, 64, device="meta"))
    decoded = meta.decode(payload, torch.empty(2, plan.symbols, device="meta"), plan)
    assert payload.device.type == decoded.device.type == "meta"
    assert decoded.shape == (2, 3, 48, 64)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_parameter(name):
    codec = untrained(name)
    for mode in range(modes(codec)):
        plan = codec.plan(32, 32, mode)
        codec.decode(encode(codec, pictures(1, 32, 32), mode), clean(plan), plan).square().sum().backward()
    mappers = {id(table) for table in getattr(codec, "mapper_tables", {}).values()}
    own = [p for p in codec.parameters() if id(p) not in mappers]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own)


@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize(("height_px", "width_px"), [(60, 1100), (1100, 60)])
def test_tiles_give_the_whole_picture(name, height_px, width_px):
    codec = untrained(name)
    height, width = (-(-side // codec.multiple) * codec.multiple for side in (height_px, width_px))
    images, plan = pictures(1, height, width), codec.plan(width, height)
    with torch.inference_mode():
        tiled = encode(codec, images)
        restored = codec.decode(tiled, clean(plan), plan)
    with torch.enable_grad():  # while gradients are recorded nothing is cut
        whole = encode(codec, images).detach()
        expected = codec.decode(tiled.clone(), clean(plan), plan).detach()
    # float32 sums in another order, nothing at the seams (at 1024 px) beyond it
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(restored, expected, rtol=1e-4, atol=1e-5)


class TestLatentCodec:
    """The adapter, by what it does to a network that shows where values go."""

    def codec(self):
        """Stride 2, 12 channels that are the pixels themselves."""
        return LatentCodec(nn.PixelUnshuffle(2), nn.PixelShuffle(2), channels=12, stride=2)

    def test_channels_2i_and_2i_plus_1_are_one_symbol(self):
        images = pictures(1, 4, 6)
        latent, payload = nn.PixelUnshuffle(2)(images), encode(self.codec(), images)
        assert payload.shape == (1, 6 * 2 * 3, 2)
        for pair in range(6):
            rows = payload[0, pair * 6 : (pair + 1) * 6]
            assert torch.equal(rows[:, 0], latent[0, 2 * pair].flatten())
            assert torch.equal(rows[:, 1], latent[0, 2 * pair + 1].flatten())

    def test_decode_undoes_encode(self):
        codec, images = self.codec(), pictures(2, 4, 6)
        plan = codec.plan(6, 4)
        assert torch.equal(codec.decode(encode(codec, images), clean(plan, 2), plan), images)

    @pytest.mark.parametrize("channels", [0, 1, 7, -2])
    def test_channels_must_pair(self, channels):
        with pytest.raises(ConfigError, match=rf"positive multiple of 2 \(got {channels}\)"):
            LatentCodec(nn.Identity(), nn.Identity(), channels=channels, stride=1)


def test_a_users_options_reach_the_builder():
    images = pictures(1, 16, 16)
    default, other = load_codec(OWN), load_codec(OWN, seed=1)
    assert not torch.equal(encode(default, images), encode(other, images))


def test_a_users_own_that_is_no_codec_is_refused():
    with pytest.raises(ConfigError, match="'plain_autoencoder:build_no_codec' must have plan, encode"):
        load_codec("plain_autoencoder:build_no_codec")


def test_unknown_codecs_variants_and_options():
    with pytest.raises(PluginError, match="codecs has no plug-in 'jpeg'"):
        load_codec("jpeg")
    with pytest.raises(ConfigError, match=r"codec\.variant: .* \(got '60'\)"):
        load_codec("dsc_jscc", "60", weights="untrained")
    with pytest.raises(ConfigError, match=r"codec\.depth is not a known key"):
        load_codec("dsc_jscc", weights="untrained", depth=3)
    with pytest.raises(ConfigError, match=r"codec\.name is required"):
        build_codec({})


def test_dsc_jscc_ends_linear_or_in_a_sigmoid():
    plan = Plan(16, 16, 64, PayloadKind.LATENT)
    loud = 1e4 * torch.randn(1, 64, 2, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        bounded = untrained("dsc_jscc", output="sigmoid").decode(loud, clean(plan), plan)
        free = untrained("dsc_jscc").decode(loud, clean(plan), plan)
    assert 0.0 <= bounded.min() <= bounded.max() <= 1.0
    assert free.min() < 0.0 or free.max() > 1.0


def test_a_users_network_is_identified_by_its_weights(monkeypatch):
    def build(options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options["seed"])
            return LatentCodec(nn.Conv2d(3, 2, 2, 2), nn.ConvTranspose2d(2, 3, 2, 2), channels=2, stride=2)

    module = types.ModuleType("seeded_codec")
    module.build = build
    monkeypatch.setitem(sys.modules, "seeded_codec", module)
    first, again, other = (load_codec("seeded_codec:build", seed=seed).fingerprint for seed in (1, 1, 2))
    assert first == again
    assert first != other
