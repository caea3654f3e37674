"""SoftCast against what theory says of it: error by SNR, dropped chunks, power, losses."""

import math
from itertools import pairwise

import pytest
import scipy.fft
import torch
from torch import Tensor

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.codecs.base import Codec, load_codec
from sdrjscc.codecs.softcast import VARIANTS
from sdrjscc.errors import ConfigError, Undecodable
from sdrjscc.images.io import to_float
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link, parse_link
from sdrjscc.mapping.base import build_mapper
from sdrjscc.payload import Plan

SIDE_PX, CHUNK, CHUNKS = 64, 16, 16  # of luma in the variant "equal" at this size
STEP_DB = 4.5


def photo(side_px: int = 128) -> Tensor:
    return to_float(read_sample("astronaut", max_side=side_px).pixels).unsqueeze(0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def spectrum_of(images: Tensor) -> Tensor:
    """Over rows, columns and colours, by scipy."""
    return torch.from_numpy(scipy.fft.dctn(images[0].double().numpy(), norm="ortho"))


def stepped_variances() -> list[float]:
    """Of luma's chunks: the strongest first, down by 27 dB in steps of 4.5 dB, and of a little."""
    levels_db = [-STEP_DB * round(6 * index / (CHUNKS - 1)) - 0.01 * index for index in range(CHUNKS)]
    return [10 ** (level_db / 10) for level_db in levels_db]


def stepped_picture() -> Tensor:
    """Grey on average, all else in luma, each chunk of exactly its variance."""
    spectrum = torch.zeros(3, SIDE_PX, SIDE_PX, dtype=torch.float64)
    for index, variance in enumerate(stepped_variances()):
        chunk = noise(CHUNK, CHUNK, seed=index).double()
        chunk[0, 0] = 0.0 if index == 0 else chunk[0, 0]
        top, left = CHUNK * (index // 4), CHUNK * (index % 4)
        scaled = chunk * (variance / chunk.square().mean()).sqrt()
        spectrum[0, top : top + CHUNK, left : left + CHUNK] = scaled
    spectrum[0, 0, 0] = 0.5 * SIDE_PX
    return torch.from_numpy(scipy.fft.idctn(spectrum.numpy(), norm="ortho")).float().unsqueeze(0)


def header_symbols(width: int, height: int, **options: object) -> int:
    """What is left of k when next to nothing is asked for."""
    return load_codec("softcast", rho=1e-9, **options).plan(width, height).symbols - 1


def codec_for(values: int, **options: object) -> Codec:
    """A codec that sends so many values of a picture of 64 x 64."""
    symbols = values // 2 + header_symbols(SIDE_PX, SIDE_PX, **options)
    return load_codec("softcast", rho=symbols / (3 * SIDE_PX**2), **options)


def plan_of(codec: Codec, images: Tensor) -> Plan:
    return codec.plan(images.shape[-1], images.shape[-2])


def send(codec: Codec, images: Tensor, snr_db: float, seed: int = 0, lost: float = 0.0) -> Tensor:
    """Over white noise, with a share of the symbols lost."""
    plan, mapper = plan_of(codec, images), build_mapper({"name": "analog"})
    generator = torch.Generator().manual_seed(seed)
    symbols = mapper.map(codec.encode(images, plan))
    received, noise_var = Awgn(AwgnConfig()).apply(symbols, snr_db, generator)
    noise_var = torch.where(torch.rand(noise_var.shape, generator=generator) < lost, math.inf, noise_var)
    return codec.decode(mapper.demap(received, noise_var), noise_var.expand(symbols.shape), plan)


def psnr_db(images: Tensor, decoded: Tensor) -> float:
    return -10 * math.log10(float((images - decoded.clamp(0, 1)).square().mean()))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (3, 300), (37, 41), (64, 64)])
@pytest.mark.parametrize("rho", [1.0, 2.5])
def test_without_noise_at_full_rate_the_picture_is_exact(
    variant: str, width: int, height: int, rho: float
) -> None:
    codec, images = load_codec("softcast", variant, rho=rho), noise(1, 3, height, width).sigmoid()
    plan = plan_of(codec, images)
    decoded = codec.decode(codec.encode(images, plan), torch.zeros(1, plan.symbols), plan)
    torch.testing.assert_close(decoded, images, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (301, 200), (768, 512), (4095, 4095)])
def test_k_is_rho_of_the_source(width: int, height: int) -> None:
    assert load_codec("softcast").plan(width, height).symbols == round(width * height / 4)
    assert load_codec("softcast", rho=1.0).plan(width, height).symbols == 3 * width * height


def test_a_small_picture_gets_the_symbols_that_its_header_needs() -> None:
    header = header_symbols(32, 32)
    assert load_codec("softcast").plan(32, 32).symbols == header + 32 * 32 / 4 / 2 > 256


def test_one_rate_and_what_is_no_rate() -> None:
    with pytest.raises(ConfigError, match=r"prefix must be 0 .* \(got 1\)"):
        load_codec("softcast").plan(64, 64, 0, 1)
    with pytest.raises(ConfigError, match=r"codec\.rho"):
        load_codec("softcast", rho=0.0)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["photo", "noise", "grey", "black", "white", "one bright pixel"])
def test_unit_power(variant: str, kind: str) -> None:
    images = {
        "photo": photo(64)[..., :48, :64],
        "noise": noise(1, 3, 48, 64).sigmoid(),
        "grey": torch.full((1, 3, 48, 64), 0.3),
        "black": torch.zeros(1, 3, 48, 64),
        "white": torch.ones(1, 3, 48, 64),
        "one bright pixel": torch.zeros(1, 3, 48, 64).index_fill(3, torch.tensor([5]), 1.0),
    }[kind]
    codec = load_codec("softcast", variant)
    plan = plan_of(codec, images)
    payload = codec.encode(images, plan)
    # sums of k float32 values, each rounded by 2**-24 at most
    assert float(payload.double().square().sum()) == pytest.approx(plan.symbols, rel=2**-23)
    decoded = codec.decode(payload, torch.zeros(1, plan.symbols), plan)
    if kind in ("grey", "black", "white"):
        torch.testing.assert_close(decoded, images, rtol=0, atol=2e-3)


@pytest.mark.parametrize("dropped", [0, 300, 1000])
def test_without_noise_the_error_is_the_energy_of_what_was_dropped(dropped: int) -> None:
    """Chunks in falling order, so that the last of luma are the weakest, the last one cut."""
    images = stepped_picture()
    codec = codec_for(CHUNKS * CHUNK**2 - dropped, variant="equal")
    plan = plan_of(codec, images)
    decoded = codec.decode(codec.encode(images, plan), torch.zeros(1, plan.symbols), plan)
    luma = spectrum_of(images)[0].reshape(4, CHUNK, 4, CHUNK).transpose(1, 2).reshape(-1)
    expected = float(luma[len(luma) - dropped :].square().sum())
    # the two other planes are not sent: their means are rounded to 1.5e-3 at most
    assert float((decoded - images).double().square().sum()) == pytest.approx(expected, rel=1e-4, abs=0.02)


def test_of_a_photo_the_weakest_chunks_are_dropped_and_no_other() -> None:
    images, codec = photo(64), load_codec("softcast", "equal", rho=0.4)
    plan = plan_of(codec, images)
    decoded = codec.decode(codec.encode(images, plan), torch.zeros(1, plan.symbols), plan)
    before, after = spectrum_of(images), spectrum_of(decoded)
    kept = (before - after).abs() < 1e-3
    values = 2 * (plan.symbols - header_symbols(64, 64, variant="equal"))
    # some coefficients are near 0 by themselves
    assert values <= int(kept.sum()) < 1.1 * values
    luma = [kept[0, t : t + 16, x : x + 16] for t in range(0, 64, 16) for x in range(0, 64, 16)]
    chroma = [kept[p, t : t + 32, x : x + 32] for p in (1, 2) for t in (0, 32) for x in (0, 32)]
    whole = [bool(chunk.all()) for chunk in luma + chroma]
    cut = [0.2 < float(chunk.float().mean()) < 1 for chunk in luma + chroma]
    assert whole[0]
    assert whole[16]
    assert 0 < sum(whole) < len(whole)
    assert sum(cut) <= 1


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 20.0])
def test_the_error_over_white_noise_is_the_papers(snr_db: float) -> None:
    """Gains C λ^(-1/4) at the mean power of 1/2 a value, error of the linear MMSE estimate."""
    images, codec = stepped_picture(), codec_for(CHUNKS * CHUNK**2, variant="equal")
    variances = torch.tensor(stepped_variances())
    squared_gains = 0.5 / variances.sqrt().mean() / variances.sqrt()
    noise_var = 10 ** (-snr_db / 10) / 2
    errors = variances * noise_var / (squared_gains * variances + noise_var)
    runs = 16
    measured = [float((send(codec, images, snr_db, seed) - images).square().sum()) for seed in range(runs)]
    # of sums of squares of Gaussian values; 0.5 % for variances that are sent rounded
    deviation = math.sqrt(2 * float(errors.square().sum()) / (runs * CHUNK**2)) / float(errors.sum())
    assert sum(measured) / runs == pytest.approx(CHUNK**2 * float(errors.sum()), rel=4 * deviation + 0.005)


@pytest.mark.parametrize("variant", VARIANTS)
def test_quality_follows_the_snr_without_a_cliff(variant: str) -> None:
    images, codec = photo(), load_codec("softcast", variant)
    levels = [psnr_db(images, send(codec, images, float(snr_db))) for snr_db in range(-5, 26, 5)]
    gains = [better - worse for worse, better in pairwise(levels)]
    assert all(0.0 < gain < 5.0 for gain in gains)  # never more than the SNR itself
    one_colour = images.mean((2, 3), keepdim=True).expand_as(images)
    assert levels[0] > psnr_db(images, one_colour) + 2.0


def test_graded_chunks_are_better_than_equal_ones() -> None:
    images = photo()
    for snr_db in (0.0, 10.0, 20.0):
        levels = {
            name: psnr_db(images, send(load_codec("softcast", name), images, snr_db)) for name in VARIANTS
        }
        assert levels["graded"] > levels["equal"] + 0.5


def test_lost_symbols_cost_quality_not_the_picture() -> None:
    images, codec = photo(), load_codec("softcast")
    levels = [psnr_db(images, send(codec, images, 15.0, lost=share)) for share in (0.0, 0.1, 0.3, 0.6)]
    assert all(more > less + 1.0 for more, less in pairwise(levels))
    assert levels[-1] > 12.0


def test_lost_coefficients_are_their_mean() -> None:
    """The picture of a header alone is one colour."""
    images, codec = photo(64), load_codec("softcast")
    plan = plan_of(codec, images)
    noise_var = torch.zeros(1, plan.symbols)
    noise_var[:, header_symbols(64, 64) :] = math.inf
    decoded = codec.decode(codec.encode(images, plan), noise_var, plan)
    mean = images.mean((2, 3), keepdim=True)
    torch.testing.assert_close(decoded, mean.expand_as(decoded), rtol=0, atol=2e-3)


@pytest.mark.parametrize(("snr_db", "read"), [(-5.0, 40), (-12.0, 0)])
def test_how_far_down_the_header_is_read(snr_db: float, read: int) -> None:
    images, codec = photo(64), load_codec("softcast")
    decoded = 0
    for seed in range(40):
        try:
            decoded += bool(send(codec, images, snr_db, seed).isfinite().all())
        except Undecodable as error:
            assert "must pass its CRC" in str(error)
    assert decoded == read


HOSTILE = {
    "nan": lambda shape: torch.full(shape, math.nan),
    "inf": lambda shape: torch.full(shape, math.inf),
    "huge": lambda shape: torch.full(shape, -3e38),
    "zero": torch.zeros,
    "carrier": torch.ones,
    "random": lambda shape: noise(*shape, seed=3),
}


@pytest.mark.parametrize("noise_var", [0.0, 0.1, 1e30, math.inf, math.nan, -1.0])
@pytest.mark.parametrize("what", HOSTILE)
def test_what_was_never_sent_is_undecodable(what: str, noise_var: float) -> None:
    codec = load_codec("softcast")
    plan = codec.plan(40, 24)
    with pytest.raises(Undecodable, match="must pass its CRC"):
        codec.decode(HOSTILE[what]((1, plan.symbols, 2)), torch.full((1, plan.symbols), noise_var), plan)


@pytest.mark.parametrize("noise_var", [0.0, 0.1, 1e30, math.inf, math.nan])
@pytest.mark.parametrize("what", HOSTILE)
def test_behind_a_good_header_every_picture_is_finite(what: str, noise_var: float) -> None:
    codec, images = load_codec("softcast"), photo(64)
    plan, header = plan_of(codec, images), header_symbols(64, 64)
    payload, variance = codec.encode(images, plan), torch.zeros(1, plan.symbols)
    payload[:, header:] = HOSTILE[what]((1, plan.symbols - header, 2))
    variance[:, header:] = noise_var
    assert codec.decode(payload, variance, plan).isfinite().all()


def test_over_the_whole_link() -> None:
    table = load_link("loopback-hard").model_dump(exclude_none=True)
    table["radios"]["tx"]["seed"] = 1
    with Link(parse_link({**table, "codec": {"name": "softcast"}})) as link:
        result = link.send(read_sample("astronaut", max_side=128))
    assert result.packets_received == result.sent.packets
    assert result.quality is not None
    at_symbol_level = psnr_db(photo(), send(load_codec("softcast"), photo(), 10.0))
    sent, received = result.picture.pixels.float() / 255, result.pixels.float() / 255
    # of two echoes and an estimated channel; fading makes the SNR of the picture its own
    assert psnr_db(sent, received) > at_symbol_level - 3.0
