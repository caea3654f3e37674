"""uJSCC and its benchmark schemes: what the orders share, and what each has of its own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sdrjscc import plugins
from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.codecs import base, ujscc
from sdrjscc.codecs._complexity import codec_complexity
from sdrjscc.codecs._switchable import BatchNorm, FirstFilters, FirstInputs
from sdrjscc.codecs._weights import save_weights
from sdrjscc.codecs.base import load_codec
from sdrjscc.codecs.ujscc import ORDERS, VARIANTS
from sdrjscc.errors import ConfigError
from sdrjscc.link.session import Link
from sdrjscc.linkfile import parse_link
from sdrjscc.mapping.base import bind, build_mapper, modulation_orders, transmit

MODES = range(5)
INCREASING, COMMON, PAIRS = (2, 4, 8, 12, 16), (16,) * 5, (2,) * 5
DIMENSIONS = {
    "ujscc": INCREASING,
    "ujscc-shared-bn": INCREASING,
    "me1": COMMON,
    "me2": COMMON,
    "te": INCREASING,
    "deepjscc-q-te": PAIRS,
    "deepjscc-q-me1": PAIRS,
    "deepjscc-q-sbn": PAIRS,
}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def untrained(variant="ujscc", **options):
    return load_codec("ujscc", variant, weights="untrained", **options)


def pictures(batch=2, height=16, width=24, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def there_and_back(codec, images, mode):
    """Without mapper and channel."""
    plan = codec.plan(images.shape[-1], images.shape[-2], mode)
    payload = codec.encode(images, plan)
    return payload, codec.decode(payload, torch.zeros(len(images), plan.symbols), plan)


def over_the_air(codec, images, mode, snr_db=30.0):
    """As in training: mean squared error and the mapper's terms."""
    generator, channel = torch.Generator().manual_seed(0), Awgn(AwgnConfig())
    mapper = build_mapper({"name": mapping_of(codec)})
    plan = codec.plan(images.shape[-1], images.shape[-2], mode)
    passed = transmit(
        bind(mapper, codec), codec.encode(images, plan), lambda s: channel.apply(s, snr_db, generator), mode
    )
    decoded = codec.decode(passed.payload_hat, passed.noise_var, plan)
    return F.mse_loss(decoded, images) + 0.1 * sum(passed.terms.values())


def mapping_of(codec):
    return "vq" if codec.mapper_tables else "learned"


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def changed(module, before):
    return {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])}


@every_variant
def test_every_mode_has_its_dimensions_and_the_same_symbols(variant):
    codec, images = untrained(variant), pictures()
    assert codec.dimensions == DIMENSIONS[variant]
    for mode, values in zip(MODES, DIMENSIONS[variant], strict=True):
        with torch.inference_mode():
            payload, decoded = there_and_back(codec, images, mode)
        assert payload.shape == (2, 8 * 12, values)
        assert decoded.shape == images.shape
        assert 0.0 <= decoded.min() <= decoded.max() <= 1.0


@every_variant
def test_mapper_and_codebooks_fit_the_variant(variant):
    codec = untrained(variant)
    mapping = plugins.load("codecs", "ujscc").default_mapping(ujscc.Config(variant=variant))
    assert mapping == mapping_of(codec)
    assert modulation_orders(build_mapper({"name": mapping}), codec) == ORDERS
    sizes = [] if mapping == "learned" else list(zip(ORDERS, DIMENSIONS[variant], strict=True))
    assert [tuple(table.shape) for table in codec.mapper_tables.values()] == sizes
    assert all(table.abs().max() < 1.0 for table in codec.mapper_tables.values())


@pytest.mark.parametrize(
    ("symbols", "multiple", "count"), [("more", 1, 1024), ("basic", 2, 256), ("fewer", 4, 64)]
)
def test_symbols_of_a_cifar_picture(symbols, multiple, count):
    codec = untrained(symbols=symbols)
    assert codec.multiple == multiple
    payload, decoded = there_and_back(codec, pictures(1, 32, 32), 1)
    assert payload.shape == (1, count, 4)
    assert decoded.shape == (1, 3, 32, 32)


@pytest.mark.parametrize("symbols", ujscc.SYMBOLS)
def test_tiles_give_the_whole_picture(symbols, monkeypatch):
    monkeypatch.setattr(base, "_TILE_PX", 48)
    codec, images = untrained(symbols=symbols), pictures(1, 136, 100)
    with torch.inference_mode():
        tiled = there_and_back(codec, images, 3)
    with torch.enable_grad():
        whole = there_and_back(codec, images, 3)
    for cut, uncut in zip(tiled, whole, strict=True):
        torch.testing.assert_close(cut, uncut.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mode", "prefix"), [(-1, 0), (5, 0), (0, 1)])
def test_unknown_modes_and_prefixes(mode, prefix):
    with pytest.raises(ConfigError, match=rf"mode must be 0 to 4 and prefix 0 .*\(got {mode}, {prefix}\)"):
        untrained().plan(32, 32, mode, prefix)


class TestFirstChannels:
    """Only what an order needs is computed, and it is what slicing the whole would give."""

    def test_first_filters(self):
        layer, inputs = FirstFilters(6, 16, 3, 1, 1, bias=False), torch.randn(2, 6, 5, 7)
        whole = nn.Conv2d.forward(layer, inputs)
        for filters in (1, 4, 16):
            torch.testing.assert_close(layer(inputs, filters), whole[:, :filters])

    def test_first_inputs(self):
        layer, latent = FirstInputs(16, 6, 3, 1, 1, bias=False), torch.randn(2, 16, 5, 7)
        for channels in (1, 4, 16):
            padded = torch.zeros_like(latent)
            padded[:, :channels] = latent[:, :channels]
            torch.testing.assert_close(layer(latent[:, :channels]), nn.ConvTranspose2d.forward(layer, padded))

    def test_a_network_with_one_norm_gives_the_first_channels_of_its_widest_path(self):
        codec, images = untrained("ujscc-shared-bn"), pictures()
        widest = there_and_back(codec, images, 4)[0]
        for mode, values in zip(MODES, INCREASING, strict=True):
            torch.testing.assert_close(there_and_back(codec, images, mode)[0], widest[..., :values])

    def test_multiply_accumulates_of_the_inner_layers(self):
        """3x3, 32 channels on one side, D_p on the other, at 16x16 positions, twice."""
        macs = [codec_complexity(untrained(), 32, 32, mode).macs for mode in MODES]
        assert [count - macs[0] for count in macs] == [2 * 9 * 32 * (d - 2) * 16 * 16 for d in INCREASING]


class TestBatchNorm:
    def norms(self, codec):
        """Running means by the index of their norm among those of one layer."""
        found = {}
        for name, module in codec.named_modules():
            if isinstance(module, BatchNorm):
                found.setdefault(int(name.rpartition(".")[2]), []).append(module)
        return found

    def test_there_is_one_after_every_convolution(self):
        convolutions = [m for m in untrained().modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert {index: len(norms) for index, norms in self.norms(untrained()).items()} == dict.fromkeys(
            MODES, len(convolutions)
        )
        assert set(self.norms(untrained("ujscc-shared-bn"))) == {0}

    def test_switchable_statistics_are_those_of_one_mode(self):
        codec = untrained().train()
        before = state(codec)
        there_and_back(codec, pictures(), 2)
        moved = changed(codec, before)
        assert moved
        assert all(".2.running_" in key for key in moved)

    def test_shared_statistics_move_in_every_mode(self):
        codec = untrained("me1").train()
        moved = []
        for mode in (0, 4):
            before = state(codec)
            there_and_back(codec, pictures(), mode)
            moved.append(changed(codec, before))
        assert moved[0] == moved[1] == {key for key in codec.state_dict() if ".running_" in key}

    def test_shared_statistics_of_channels_that_did_not_run_stay(self):
        codec = untrained("ujscc-shared-bn").train()
        norm = codec.networks[0].encoder.norm[0]
        there_and_back(codec, pictures(), 1)
        assert (norm.running_mean[:4] != 0).all()
        assert torch.equal(norm.running_mean[4:], torch.zeros(12))

    def test_it_is_torchs(self):
        own, torchs = BatchNorm(3), nn.BatchNorm2d(3)
        for training in (True, False):
            own.train(training), torchs.train(training)
            inputs = 2.0 + 3.0 * pictures()
            torch.testing.assert_close(own(inputs), torchs(inputs))
        torch.testing.assert_close(own.running_var, torchs.running_var)


def test_models_of_te_are_independent():
    codec = untrained("te").train()
    optimizer = torch.optim.Adam(codec.parameters(), 1e-3)
    for mode in (3, 1):  # with moments of the first step in the optimiser
        before = state(codec)
        optimizer.zero_grad()
        over_the_air(codec, pictures(), mode).backward()
        optimizer.step()
        moved = changed(codec, before)
        assert f"codebooks.{mode}" in moved
        assert {key.rsplit(".")[1] for key in moved} == {str(mode)}


@every_variant
def test_gradients_reach_what_the_mode_uses(variant):
    codec = untrained(variant).train()
    each = VARIANTS[variant].networks == "each"
    for mode in (0, 2, 4):
        codec.zero_grad()
        over_the_air(codec, pictures(4), mode).backward()
        reached = {name for name, p in codec.named_parameters() if p.grad is not None and p.grad.any()}
        network = mode if each else 0
        for part in ("encoder.inner", "encoder.outer.0.convolution", "decoder.layers.0", "decoder.layers.5"):
            assert any(name.startswith(f"networks.{network}.{part}") for name in reached), (mode, part)
        codebooks = {name for name in reached if name.startswith("codebooks")}
        assert codebooks == ({f"codebooks.{mode}"} if codec.mapper_tables else set())
        assert {name.split(".")[1] for name in reached - codebooks} == {str(network)}


class TestParameters:
    """The paper's widths; what is counted, and the ratios of its Table IV."""

    def counts(self, variant):
        """(all values of the state, those of BatchNorm, those of codebooks)."""
        codec = untrained(variant, size="paper")
        norms = [m for m in codec.modules() if isinstance(m, BatchNorm)]
        total, norm, codebooks = (
            sum(value.numel() for value in values)
            for values in (
                codec.state_dict().values(),
                (value for module in norms for value in module.state_dict().values()),
                codec.mapper_tables.values(),
            )
        )
        return total, norm, codebooks

    def test_by_hand(self):
        # outer: 3-64 k5, 64-128 k4, five of 128-128 k3; inner 128-16 k3; and their mirror
        convolutions = 2 * (3 * 64 * 25 + 64 * 128 * 16 + 5 * 128 * 128 * 9 + 128 * 16 * 9)
        # channels after them, of one order; the last layer of the encoder has D_p
        outer, inner, last = 2 * (64 + 6 * 128) - 128, 128 + 3, sum(INCREASING)
        norms = 4 * (5 * (outer + inner) + last)
        codebooks = 2 * 2 + 4 * 4 + 16 * 8 + 64 * 12 + 256 * 16
        assert self.counts("ujscc") == (convolutions + norms + codebooks, norms, codebooks)

    def test_batch_norm_is_1_8_percent(self):
        total, norms, _ = self.counts("ujscc")
        assert norms / total == pytest.approx(0.018, abs=0.0005)

    def test_one_norm_leaves_98_to_99_percent(self):
        assert 0.98 <= self.counts("me1")[0] / self.counts("ujscc")[0] <= 0.99

    def test_te_is_nearly_fivefold(self):
        """4.87; five networks of the widest latent, which is not the paper's TE, would be 4.92."""
        (whole, _, books), (te, norms, _) = self.counts("ujscc"), self.counts("te")
        assert te / whole == pytest.approx(4.87, abs=0.005)
        narrower = sum(2 * 9 * 128 * (16 - d) for d in INCREASING)
        assert (te + narrower) / whole == pytest.approx(4.915, abs=0.005)
        assert norms == self.counts("ujscc")[1]
        assert books == 5012

    def test_large_doubles_widths_and_dimensions(self):
        assert untrained("te", size="large").dimensions == (4, 8, 16, 24, 32)
        assert untrained("me2", size="large").dimensions == (32,) * 5
        assert untrained("deepjscc-q-me1", size="large").dimensions == PAIRS
        assert untrained(size="large").networks[0].encoder.inner.weight.shape == (32, 256, 3, 3)


@pytest.mark.parametrize("variant", ["ujscc", "deepjscc-q-sbn"])
def test_half_precision_storage_keeps_everything(variant, tmp_path):
    codec, path = untrained(variant).train(), tmp_path / "half.safetensors"
    for seed in range(3):
        for mode in MODES:
            there_and_back(codec, pictures(seed=seed), mode)
    save_weights(
        codec, path, "ujscc", {"variant": variant, "size": "comparison", "symbols": "basic"}, half=True
    )
    codec.eval()
    loaded = load_codec("ujscc", variant, weights=str(path))
    with torch.inference_mode():
        for mode in MODES:
            expected = there_and_back(codec, pictures(), mode)[1]
            torch.testing.assert_close(
                there_and_back(loaded, pictures(), mode)[1], expected, rtol=0, atol=0.01
            )


@pytest.mark.parametrize("variant", ["deepjscc-q-me1", "deepjscc-q-te"])
def test_deepjscc_q_reaches_every_point(variant):
    """Latents reach beyond the corner of the largest constellation, which has 1.15 an axis."""
    codec = untrained(variant)
    corner = max(float(build_mapper({"name": "learned"}).points(mode).real.max()) for mode in MODES)
    with torch.inference_mode():
        for network in codec.networks:
            for norm in network.encoder.norm:
                norm.weight.fill_(50.0)
        payload = there_and_back(codec, pictures(), 4)[0]
    assert payload.max() > corner > 1.0


@pytest.mark.parametrize("variant", ["ujscc", "deepjscc-q-te"])
@pytest.mark.parametrize("mode", [0, 3])
def test_a_whole_link_in_a_mode(variant, mode):
    config = {
        "codec": {"name": "ujscc", "variant": variant, "weights": "untrained"},
        "waveform": {"name": "ofdm", "payload_ofdm_symbols": 8},
        "radios": {"tx": {"name": "loopback", "sample_rate_hz": 1e6}},
        "mode": mode,
    }
    pixels = (255 * pictures(1, 30, 41)[0]).to(torch.uint8)
    with Link(parse_link(config)) as link:
        result = link.send(pixels)
        assert result.received is not None
        codec, mapper = link.parts.codec, link.parts.mapper
        padded = F.pad(pixels[None] / 255.0, (0, 1, 0, 0), mode="replicate")
        with torch.inference_mode():
            plan = codec.plan(42, 30, mode)
            symbols = mapper.map(codec.encode(padded, plan), mode)
            noise_var = torch.zeros(symbols.shape)
            expected = codec.decode(mapper.demap(symbols, noise_var, mode), noise_var, plan)[0, ..., :41]
    received = result.received.pixels / 255
    torch.testing.assert_close(received, expected, rtol=0, atol=0.01)
