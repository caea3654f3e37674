"""The codec of the pruning paper: its tables, its sizes, and what it keeps of its latent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdrjscc.channel.fading import Config as FadingConfig
from sdrjscc.channel.fading import build as build_fading
from sdrjscc.codecs import base
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._weights import save_weights
from sdrjscc.codecs.base import load_codec
from sdrjscc.codecs.ren2026 import VARIANTS, Config, Ren2026, _CutLast
from sdrjscc.errors import ConfigError, WeightsError
from sdrjscc.linkfile import parse_link
from sdrjscc.mapping.base import bind, build_mapper
from sdrjscc.training.passes import symbol_level

# by hand: encoder 1,216 + 12,832 + 51,264 + 204,928 + 819,456 + 3,277,312, batch norm 1,024; decoder
# 1,179,904 + 524,416 + 131,136 + 32,800 + 8,208 + 1,731; a channel: 256 * 25 + 1 + 2 + 256 * 9
PARAMETERS = {
    "base": 6_246_227,
    "table1": 8_735_059,
    "gamma-0.2": 6_246_227 - 102 * 8_707,
    "gamma-0.5": 6_246_227 - 256 * 8_707,
    "gamma-0.7": 6_246_227 - 358 * 8_707,
    "gamma-0.9": 6_246_227 - 461 * 8_707,
    "reduced": 6_246_227 - 256 * 8_707,
}
TABLE_2_MILLIONS = {"base": 6.25, "gamma-0.2": 5.36, "gamma-0.5": 4.02, "gamma-0.7": 3.12, "gamma-0.9": 2.24}


def codec(variant="base", **options):
    return load_codec("ren2026", variant, weights="untrained", **options)


def narrow(channels=24, **options):
    return codec(latent_channels=channels, **options)


def pictures(batch, height, width, seed=0):
    """Random colours in 8x8 blocks."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.rand(batch, 3, height // 8, width // 8, generator=generator)
    return blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)


def encode(network, images):
    return network.encode(images, network.plan(images.shape[-1], images.shape[-2]))


def watched(network, batches=3):
    """The network after training mode has seen some batches, and all latents that it gave."""
    network.train()
    with torch.no_grad():
        seen = [encode(network, pictures(4, 64, 64, seed)) for seed in range(batches)]
    network.eval()
    return torch.cat(seen)


@pytest.mark.parametrize("variant", ["base", "table1", "reduced"])
def test_before_training_it_is_a_transform_coder(variant):
    """Smooth colours come through without noise; random weights would give one grey."""
    network = codec(variant)
    corners = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(4))
    images = nn.functional.interpolate(corners, size=(96, 96), mode="bilinear", align_corners=True)
    with torch.no_grad():
        plan = network.plan(96, 96)
        payload = network.encode(images, plan)
        decoded = network.decode(payload, torch.zeros(payload.shape[:2]), plan)
    error = (decoded - images)[..., 16:-16, 16:-16].square().mean()
    assert error < 0.1 * images.var()


def test_there_is_a_count_for_every_variant():
    assert set(PARAMETERS) == set(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_those_of_the_papers_tables(variant):
    """Table II rounds, and leaves open how the number of channels is rounded: one channel is 0.009."""
    count = codec_complexity(codec(variant), 512, 512).parameters
    assert count == PARAMETERS[variant]
    if variant in TABLE_2_MILLIONS:
        assert abs(count / 1e6 - TABLE_2_MILLIONS[variant]) < 0.005 + 0.009


def test_multiply_accumulates_at_512():
    """Counted by hand, a layer each: outputs of the encoder, inputs of the decoder."""
    encoder = [
        1_200 * 256**2,
        12_800 * 128**2,
        51_200 * 64**2,
        204_800 * 32**2,
        819_200 * 32**2,
        3_276_800 * 32**2,
    ]
    decoder = [1_179_648 * 32**2, 524_288 * 32**2, 131_072 * 32**2, 32_768 * 64**2, 8_192 * 128**2]
    decoder += [1_728 * 256**2]
    cost = codec_complexity(codec(), 512, 512)
    assert cost.macs == sum(encoder) + sum(decoder) == 7_162_822_656
    assert cost.macs_output_counted / 1e9 == pytest.approx(8.7, abs=0.05)


@pytest.mark.parametrize("variant", ["base", "table1", "gamma-0.9"])
@given(rows=st.integers(1, 5), columns=st.integers(1, 5))
@settings(max_examples=6, deadline=None)
def test_every_multiple_of_16_comes_back_in_its_size(variant, rows, columns):
    network = codec(variant)
    plan = network.plan(16 * columns, 16 * rows)
    assert plan.symbols == VARIANTS[variant].channels * rows * columns
    with torch.inference_mode():
        payload = encode(network, pictures(1, 16 * rows, 16 * columns))
        decoded = network.decode(payload, torch.zeros(1, plan.symbols), plan)
    assert payload.shape == (1, plan.symbols, 1)
    assert 0.0 < payload.min() <= payload.max() < 1.0
    assert decoded.shape == (1, 3, 16 * rows, 16 * columns)
    assert 0.0 <= decoded.min() <= decoded.max() <= 1.0


def test_the_cut_takes_the_last_row_and_column():
    layers = list(codec().decoder)
    place = next(index for index, layer in enumerate(layers) if isinstance(layer, _CutLast))
    transposed = layers[place - 1]
    assert (transposed.kernel_size, transposed.stride) == ((4, 4), (1, 1))
    whole = transposed(torch.rand(1, 256, 3, 5))
    assert whole.shape == (1, 128, 4, 6)
    assert torch.equal(layers[place](whole), whole[:, :, :3, :5])
    assert not any(isinstance(layer, _CutLast) for layer in codec("table1").decoder)


@pytest.mark.parametrize("variant", ["base", "table1"])
def test_the_halo_covers_the_receptive_field(variant, monkeypatch):
    """A tile sees no more than its halo: in float64 nothing but rounding differs."""
    monkeypatch.setattr(base, "_TILE_PX", 128)
    network, images = narrow(variant=variant).double(), pictures(1, 240, 144).double()
    plan = network.plan(144, 240)
    none = torch.zeros(1, plan.symbols)
    with torch.inference_mode():
        tiled = encode(network, images)
        restored = network.decode(tiled, none, plan)
    whole = encode(network, images).detach()
    expected = network.decode(tiled.clone(), none, plan).detach()
    torch.testing.assert_close(tiled, whole, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(restored, expected, rtol=1e-12, atol=1e-13)


def test_a_latent_channel_is_one_real_symbol_a_position():
    network, images = narrow(3), pictures(1, 32, 48)
    latent = network.encoder(images)
    assert torch.equal(encode(network, images).reshape(3, 2, 3), latent[0])


class TestLatentStatistics:
    """The histogram beside the weights, and the constants made of it."""

    def test_without_training_the_latent_counts_as_uniform(self):
        tables = narrow().mapper_tables
        assert tables["scale"].item() == pytest.approx(3**0.5)
        assert tables["mean"].item() == pytest.approx(0.5)
        assert torch.equal(tables["histogram"], torch.full((256,), 1 / 256))

    def test_the_first_batches_count_alike(self):
        network = narrow()
        latents = watched(network)
        counts = torch.histc(latents, 256, 0.0, 1.0)
        torch.testing.assert_close(network.mapper_tables["histogram"], counts / latents.numel())
        assert network.mapper_tables["mean"].item() == pytest.approx(latents.mean().item(), abs=1 / 512)

    def test_later_ones_a_hundredth_each(self):
        network = narrow()
        watched(network, 1)
        network.encoder.batches.fill_(5000)
        before = network.mapper_tables["histogram"].clone()
        network.train()
        latent = encode(network, pictures(4, 64, 64, 9)).detach()
        share = torch.histc(latent, 256, 0.0, 1.0) / latent.numel()
        torch.testing.assert_close(network.mapper_tables["histogram"], 0.99 * before + 0.01 * share)

    def test_evaluation_leaves_them_alone(self):
        network = narrow()
        watched(network)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        with torch.inference_mode():
            encode(network, pictures(1, 64, 64, 7))
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

    @pytest.mark.parametrize("half", [False, True])
    def test_analog_power_is_1_over_the_pictures_seen(self, half, tmp_path):
        """Exact but for the 256 cells, also from 16-bit weights: no factor has to be sent."""
        network = narrow()
        latents = watched(network)
        path = tmp_path / "weights.safetensors"
        architecture = Config(latent_channels=24).model_dump(exclude={"weights"})
        save_weights(network, path, "ren2026", architecture, half=half)
        stored = load_codec("ren2026", latent_channels=24, weights=str(path))
        symbols = bind(build_mapper({"name": "analog_real"}), stored).map(latents)
        assert symbols.abs().square().mean().item() == pytest.approx(1.0, abs=2e-3 if half else 1e-3)

    @pytest.mark.parametrize("mode", range(4))
    def test_qam_power_is_1_over_the_pictures_seen(self, mode):
        network = narrow()
        latents = watched(network)
        mapper = build_mapper({"name": "uniform_qam"})
        bound = bind(mapper, network)
        assert bound.map(latents, mode).abs().square().mean().item() == pytest.approx(1.0, abs=1e-4)
        if mode:
            assert mapper.map(latents, mode).abs().square().mean().item() < 0.9

    def test_it_is_part_of_what_both_ends_must_share(self, tmp_path):
        network, found = narrow(), []
        for number in range(2):
            watched(network, 1 + number)
            path = tmp_path / f"{number}.safetensors"
            save_weights(network, path, "ren2026", {"variant": "base", "latent_channels": 24})
            found.append(load_codec("ren2026", latent_channels=24, weights=str(path)).fingerprint)
        assert found[0] != found[1]

    def test_gradients_pass_beside_them(self):
        network = narrow().train()
        channel = build_fading(FadingConfig(least_gain=0.1))
        generator, images = torch.Generator().manual_seed(0), pictures(2, 32, 32)
        mapper = build_mapper({"name": "analog_real"})
        decoded = symbol_level(network, mapper, channel, images, torch.full((2,), 25.0), generator).images
        (decoded - images).square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_sparsity_is_the_sum_of_absolute_scale_factors():
    network = narrow()
    eta = network.encoder.norm.weight
    with torch.no_grad():
        eta.copy_(torch.linspace(-1.0, 2.0, 24))
    (term,) = network.loss_terms().values()
    term.backward()
    assert list(network.loss_terms()) == ["sparsity"]
    assert term.item() == pytest.approx(torch.linspace(-1.0, 2.0, 24).abs().sum().item())
    assert torch.equal(eta.grad, eta.sign())


def test_there_is_one_batch_norm():
    assert [type(m) for m in codec().modules() if isinstance(m, nn.BatchNorm2d)] == [nn.BatchNorm2d]


def test_a_variants_channels_are_filled_in():
    assert Config(variant="gamma-0.7").latent_channels == 154
    assert Config(variant="gamma-0.7", latent_channels=99).latent_channels == 99
    assert isinstance(narrow(7), Ren2026)
    assert narrow(7).plan(32, 32).symbols == 28
    with pytest.raises(ConfigError, match=r"codec\.latent_channels: .* \(got 0\)"):
        codec(latent_channels=0)
    with pytest.raises(ConfigError, match=r"codec\.variant: .* \(got 'gamma-0.3'\)"):
        codec("gamma-0.3")


def test_weights_of_another_width_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(narrow(), path, "ren2026", {"variant": "base", "latent_channels": 24})
    with pytest.raises(WeightsError, match=r"latent_channels = 512 \(got latent_channels = 24\)"):
        load_codec("ren2026", weights=str(path))


def test_a_link_sends_it_as_qam():
    link = parse_link({"codec": {"name": "ren2026", "variant": "gamma-0.5", "weights": "untrained"}})
    assert link.mapping["name"] == "uniform_qam"
    assert link.codec["latent_channels"] == 256
