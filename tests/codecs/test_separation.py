"""The separation baseline as a codec: exact, or its mean colour, or nothing, and never a crash."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.codecs import _transport
from sdrjscc.codecs._mcs import SCHEMES
from sdrjscc.codecs._source_coders import CODERS, SourceCoder, encode_within
from sdrjscc.codecs._transport import PayloadHeader, layout
from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import ConfigError, ImageError, Undecodable
from sdrjscc.images.budget import SizeLaw
from sdrjscc.images.io import to_float
from sdrjscc.images.samples import read_sample
from sdrjscc.linkfile import default_mapping, load_link, with_codec
from sdrjscc.mapping.base import build_mapper

TABLE = {"name": "separation"}
MODES = range(len(SCHEMES))


def images(width: int, height: int, name: str = "coffee") -> torch.Tensor:
    """A photograph's piece, ``[1, 3, H, W]``."""
    pixels = read_sample(name).pixels
    return to_float(pixels[:, 100 : 100 + height, 200 : 200 + width]).unsqueeze(0)


def sent(codec, pictures: torch.Tensor, mode: int):
    """Plan, bits and clean ratios."""
    plan = codec.plan(pictures.shape[-1], pictures.shape[-2], mode)
    bits = codec.encode(pictures, plan)
    return plan, bits, 1.0 - 2.0 * bits.float()


def nothing(plan) -> torch.Tensor:
    return torch.zeros(1, plan.symbols)


def psnr_db(one: torch.Tensor, other: torch.Tensor) -> float:
    return -10 * math.log10(float((one - other).square().mean()))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(4, 12),
    st.integers(4, 12),
    st.floats(0.5, 4.0),
    st.sampled_from(MODES),
    st.sampled_from(["avif", "jpeg"]),
)
def test_without_noise_the_coded_picture_comes_back(
    columns: int, rows: int, rho: float, mode: int, coder: str
) -> None:
    codec = load_codec("separation", coder, rho=rho, speed=9)
    pictures = images(16 * columns, 16 * rows)
    try:
        plan, bits, llr = sent(codec, pictures, mode)
    except ImageError as error:
        assert "to send it" in str(error)
        return
    assert plan.symbols == math.floor(rho * pictures.numel())
    assert bits.shape == (1, plan.symbols * SCHEMES[mode].bits)
    header, data = _transport.decode(llr[0], layout(plan.symbols, SCHEMES[mode]))
    assert header is not None
    assert data is not None
    assert len(data) <= codec.capacity(plan)
    expected = to_float(CODERS[coder].decode(data, plan.width, plan.height))
    assert torch.equal(codec.decode(llr, nothing(plan), plan)[0], expected)
    assert torch.equal(codec.decode(bits, nothing(plan), plan)[0], expected)  # hard decisions as well


def test_through_mapper_and_noise_it_is_exact_above_the_threshold_and_lost_below() -> None:
    codec, mapper = load_codec("separation"), build_mapper(default_mapping(TABLE))
    pictures = images(256, 256)
    plan, bits, llr = sent(codec, pictures, 6)
    symbols = mapper.map(bits, 6)
    assert symbols.shape == (1, plan.symbols) == (1, 16384)
    noise = torch.randn(symbols.shape, dtype=symbols.dtype, generator=torch.Generator().manual_seed(3))
    clean = codec.decode(llr, nothing(plan), plan)
    for snr_db, held in ((7.5, True), (5.0, False)):
        noise_var = torch.full(symbols.shape, 10 ** (-snr_db / 10))
        received = mapper.demap(symbols + noise * noise_var.sqrt(), noise_var, 6)
        if held:
            assert torch.equal(codec.decode(received, noise_var, plan), clean)
        else:
            with pytest.raises(Undecodable, match="mean colour") as caught:
                codec.decode(received, noise_var, plan)
            mean = pictures.mean((2, 3), keepdim=True)
            assert (caught.value.fallback - mean).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(("speed", "fewest"), [(4, 1960), (6, 1880)])
def test_slow_speeds_fill_the_budget_with_parts_of_a_step(speed: int, fewest: int) -> None:
    asked = []

    def encode(pixels: torch.Tensor, step: float, speed: int) -> bytes:
        asked.append(step)
        return bytes(round(600 * math.exp(0.06 * step)))

    coder = SourceCoder(3, encode, CODERS["avif"].decode, 64, SizeLaw(6.4, 0.06), parts=4)
    pixels = torch.zeros(3, 256, 256, dtype=torch.uint8)
    budgets = range(1400, 2001, 100)
    filled = [len(encode_within(coder, pixels, budget, speed)) / budget for budget in budgets]
    assert min(filled) * 2000 >= fewest
    assert any(step != int(step) for step in asked) == (speed == 4)


def test_quality_rises_with_rho_and_mode() -> None:
    pictures = images(128, 128)
    for settings_of in ([(0.3, 6), (0.6, 6), (1.2, 6)], [(0.3, 2), (0.3, 6), (0.3, 13)]):
        found = []
        for rho, mode in settings_of:
            codec = load_codec("separation", rho=rho)
            plan, _, llr = sent(codec, pictures, mode)
            found.append(psnr_db(codec.decode(llr, nothing(plan), plan), pictures))
        assert found == sorted(found)
        assert found[-1] > found[0] + 3


def test_avif_is_better_than_jpeg() -> None:
    found = {}
    for coder in ("avif", "jpeg"):
        codec = load_codec("separation", coder)
        plan, _, llr = sent(codec, images(256, 256), 8)
        found[coder] = psnr_db(codec.decode(llr, nothing(plan), plan), images(256, 256))
    assert found["avif"] > found["jpeg"] + 2


@pytest.mark.parametrize("at", ["first", "last"])
def test_a_corrupted_segment_leaves_the_mean_colour(at: str) -> None:
    codec, pictures = load_codec("separation", rho=0.5), images(128, 128)
    plan, _, llr = sent(codec, pictures, 3)
    shared = layout(plan.symbols, SCHEMES[3])
    length = shared.segments[0]
    begin = shared.header_bits if at == "first" else shared.coded_bits - length
    llr[:, begin : begin + length] = 0.0
    with pytest.raises(Undecodable, match="coded picture lost") as caught:
        codec.decode(llr, nothing(plan), plan)
    fallback = caught.value.fallback
    assert fallback.shape == pictures.shape
    assert (fallback - pictures.mean((2, 3), keepdim=True)).abs().max() <= 0.5 / 255 + 1e-6


def test_without_its_header_there_is_nothing_to_show() -> None:
    codec = load_codec("separation", rho=0.5)
    plan, _, llr = sent(codec, images(128, 128), 3)
    llr[:, : layout(plan.symbols, SCHEMES[3]).header_bits] = 0.0
    with pytest.raises(Undecodable, match="payload header lost") as caught:
        codec.decode(llr, nothing(plan), plan)
    assert caught.value.fallback is None


def test_the_lost_one_of_a_batch_does_not_take_the_others_with_it() -> None:
    codec = load_codec("separation", rho=0.5)
    pictures = torch.cat([images(128, 128), images(128, 128, "astronaut")])
    plan, _, llr = sent(codec, pictures, 3)
    whole = codec.decode(llr, nothing(plan), plan)
    llr[1, -layout(plan.symbols, SCHEMES[3]).segments[-1] :] = 0.0
    with pytest.raises(Undecodable) as caught:
        codec.decode(llr, nothing(plan), plan)
    assert torch.equal(caught.value.fallback[0], whole[0])
    assert caught.value.fallback[1].std((1, 2)).max() < 1e-6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, 1e30])
@pytest.mark.parametrize("mode", [0, 2, 15])
def test_hostile_ratios_are_undecodable(value: float, mode: int) -> None:
    codec = load_codec("separation")
    plan = codec.plan(128, 128, mode)
    with pytest.raises(Undecodable):
        codec.decode(torch.full((1, plan.symbols * SCHEMES[mode].bits), value), nothing(plan), plan)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_what_passes_every_check_but_is_no_picture_is_undecodable(data: bytes, coder: int) -> None:
    """A hostile sender: correct code and checks around anything."""
    codec = load_codec("separation")
    plan = codec.plan(128, 128, 6)
    shared = layout(plan.symbols, SCHEMES[6])
    bits = _transport.encode(PayloadHeader(len(data), coder, (10, 20, 30)), data, shared)
    with pytest.raises(Undecodable, match="must") as caught:
        codec.decode(bits[None], nothing(plan), plan)
    assert caught.value.fallback[0, :, 0, 0].mul(255).round().tolist() == [10, 20, 30]


def test_a_picture_of_another_size_is_not_decoded() -> None:
    codec = load_codec("separation", rho=2.0)
    small, large = codec.plan(64, 64, 6), codec.plan(128, 128, 6)
    shared = layout(small.symbols, SCHEMES[6])
    for coder in ("avif", "jpeg"):
        data = CODERS[coder].encode((images(128, 128)[0] * 255).to(torch.uint8), 0, 9)
        header = PayloadHeader(len(data), CODERS[coder].number, (0, 0, 0))
        bits = _transport.encode(header, data, shared)
        with pytest.raises(Undecodable, match=r"must be a picture of 64x64 px \(got 128x128\)"):
            codec.decode(bits[None], nothing(small), small)
    assert large.symbols == 4 * small.symbols


@pytest.mark.parametrize(("width", "rho", "mode"), [(16, 1 / 12, 5), (64, 1 / 12, 0), (256, 1 / 100, 0)])
def test_pictures_too_small_for_their_symbols_cannot_be_sent(width: int, rho: float, mode: int) -> None:
    codec = load_codec("separation", rho=rho)
    pictures = images(width, width)
    with pytest.raises(ImageError, match=rf"picture of {width}x{width} px must be larger, rho .* higher"):
        sent(codec, pictures, mode)
    plan = codec.plan(width, width, mode)
    assert plan.symbols >= 1
    with pytest.raises(Undecodable):
        codec.decode(torch.zeros(1, plan.symbols * SCHEMES[mode].bits), nothing(plan), plan)


def test_k_is_rho_of_the_pictures_values() -> None:
    for rho, symbols in ((1 / 12, 16384), (1 / 16, 12288), (1 / 6, 32768), (0.1, 19660)):
        assert load_codec("separation", rho=rho).plan(256, 256).symbols == symbols


def test_modes_and_prefixes_that_are_not_there() -> None:
    codec = load_codec("separation")
    with pytest.raises(ConfigError, match=r"mode must be one of the 16 .* \(got 16\)"):
        codec.plan(64, 64, 16)
    with pytest.raises(ConfigError, match="prefix must be 0"):
        codec.plan(64, 64, 0, 1)


@pytest.mark.parametrize(("key", "value"), [("rho", 0.0), ("rho", 9.0), ("speed", 11), ("coder", "avif")])
def test_options_out_of_range(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"codec\.{key}"):
        load_codec("separation", **{key: value})


def test_the_mode_for_an_snr_leaves_a_margin() -> None:
    codec = load_codec("separation")
    for mode, scheme in enumerate(SCHEMES):
        assert codec.mode_at(scheme.snr_db) < max(mode, 1)
        assert codec.mode_at(scheme.snr_db + 2.1) >= mode
        assert load_codec("separation", margin_db=0.0).mode_at(scheme.snr_db) == mode
    assert [codec.mode_at(-math.inf), codec.mode_at(math.inf)] == [0, 15]


def test_its_mapping_is_qam_of_bits_with_an_order_a_mode() -> None:
    link = with_codec(load_link("loopback"), "separation")
    assert link.mapping["takes"] == "bits"
    assert link.mapping["orders"] == [scheme.order for scheme in SCHEMES]
    assert with_codec(link, mapping="qam").mapping == link.mapping
    assert with_codec(load_link("loopback"), "separation/jpeg").codec["variant"] == "jpeg"
