"""A picture over the whole link: what comes back, when waiting ends, what is measured."""

import math
import threading
import time

import pytest
import torch
from torch import Tensor

from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.images.io import to_float, to_uint8
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.link import sending, session
from sdrjscc.link.result import symbol_quality
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link
from sdrjscc.radio.base import Reception, Status

PLAIN = {"name": "plain_codec:build"}
UNTRAINED = {"name": "dsc_jscc", "weights": "untrained"}


@pytest.fixture(autouse=True)
def one_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nonce is drawn by every link; its header changes the receiver's small errors."""
    monkeypatch.setattr(sending.secrets, "randbelow", lambda below: 7)


def config(codec: dict = PLAIN, **tables: dict) -> LinkConfig:
    """A loopback without a channel; frames of 8 OFDM symbols."""
    waveform = {"name": "ofdm", "payload_ofdm_symbols": 8}
    radio = {"name": "loopback", "sample_rate_hz": 1e6}
    return parse_link({"codec": codec, "waveform": waveform, "radios": {"tx": radio}, **tables})


def picture(width: int, height: int, seed: int = 0) -> Tensor:
    """Smooth colours with some noise."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.arange(width) / max(width, 2), torch.arange(height).unsqueeze(1) / max(height, 2)
    smooth = torch.stack([x.expand(height, width), y.expand(height, width), (x + y) / 2])
    return to_uint8(smooth + 0.05 * torch.randn(3, height, width, generator=generator))


def symbol_level(link: Link, pixels: Tensor) -> Tensor:
    """The codec's own noiseless round trip."""
    codec, mapper = link.parts.codec, link.parts.mapper
    images = pad_to_multiple(to_float(pixels)[None], codec.multiple)
    with torch.inference_mode():
        plan = codec.plan(images.shape[-1], images.shape[-2])
        symbols = mapper.map(codec.encode(images, plan))
        noise_var = torch.zeros(symbols.shape)
        decoded = codec.decode(mapper.demap(symbols, noise_var), noise_var, plan)
    return to_uint8(crop(decoded, pixels.shape[2], pixels.shape[1]))[0]


@pytest.mark.parametrize("codec", [PLAIN, UNTRAINED], ids=["plain", "untrained"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 500), (37, 41), (96, 64)])
def test_without_a_channel_the_link_is_the_codec(codec: dict, width: int, height: int) -> None:
    pixels = picture(width, height)
    with Link(config(codec)) as link:
        result = link.send(pixels)
        expected = symbol_level(link, pixels)
    assert result.pixels is not None
    assert result.packets_received == result.sent.packets
    assert (result.pixels.int() - expected.int()).abs().max() <= 2
    assert result.quality is not None
    assert result.quality.snr_db > 40.0


def test_preset_loopback_gives_the_snr_that_its_channel_has() -> None:
    table = load_table("loopback")
    with Link(parse_link(table)) as link:
        result = link.send(picture(256, 256))
        level = symbol_level(link, result.picture.pixels)
    assert (result.packets_received, result.sent.packets) == (1, 1)
    assert result.quality is not None
    assert result.quality.snr_db == pytest.approx(10.0, abs=0.3)
    assert result.quality.evm_db == pytest.approx(-10.0, abs=0.3)
    assert result.mean("cfo_hz") == pytest.approx(0.0, abs=1e3)
    assert psnr_db(level, result.pixels).value > 30.0
    assert list(link.receiving.refusals) == []


def load_table(preset: str) -> dict:
    table = load_link(preset).model_dump(exclude_none=True)
    return {**table, "codec": {**table["codec"], "weights": "untrained"}}


def test_lost_packets_cost_quality_not_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = picture(128, 96)
    with Link(config()) as link:
        silence_frames(link, monkeypatch, 1, 3)
        result = link.send(pixels)
        expected = symbol_level(link, pixels)
    assert result.sent.packets - result.packets_received == 2
    assert result.received is not None and result.pixels is not None
    assembled = result.received.assembled
    lost = torch.isinf(assembled.noise_var)
    share = 2 / result.sent.packets
    assert float(lost.float().mean()) == pytest.approx(share, rel=0.15)
    assert (assembled.symbols[lost] == 0).all()
    wrong = (result.pixels.int() - expected.int()).abs() > 2
    assert 0.5 * share < float(wrong.float().mean()) < 1.1 * share
    assert result.quality is not None
    assert result.quality.snr_db > 40.0


def silence_frames(link: Link, monkeypatch: pytest.MonkeyPatch, *lost: int) -> None:
    frame, transmit = link.parts.waveform.frame_samples, link.tx_radio.transmit

    def without(samples: Tensor) -> None:
        kept = samples.clone()
        for index in lost:
            kept[index * frame : (index + 1) * frame] = 0
        transmit(kept)

    monkeypatch.setattr(link.tx_radio, "transmit", without)


def test_nothing_received_is_a_result_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    with Link(config()) as link:
        silence_frames(link, monkeypatch, 0)
        result = link.send(picture(24, 24))
    assert result.received is None and result.pixels is None and result.quality is None
    assert (result.packets_received, result.packets) == (0, ())
    assert result.psnr_db.value is None
    assert result.psnr_db.reason == "no picture could be decoded"
    assert result.mean("cfo_hz") is None


def test_what_a_codec_cannot_decode_has_a_reason() -> None:
    with Link(config({"name": "plain_codec:build_hopeless"})) as link:
        result = link.send(picture(24, 24))
    assert result.received is not None and result.pixels is None
    assert result.received.reason == "bits must pass their check (got none that do)"
    assert list(link.receiving.refusals) == [result.received.reason]
    assert result.quality is not None


def test_measures_of_the_spent_channel() -> None:
    """rho_on_air counts preamble, header, pilots and prefix of all frames in the occupied band."""
    with Link(config()) as link:
        result = link.send(picture(60, 40))
        wave, bandwidth_hz = link.parts.waveform, link.occupied_bandwidth_hz
    k = 6 * 30 * 20
    assert result.sent.symbols.shape == (k,)
    assert float(result.sent.symbols.abs().square().mean()) == pytest.approx(1.0, rel=1e-5)
    packets = math.ceil(k / wave.payload_symbols)
    assert result.sent.packets == packets == result.packets_received
    assert result.rho == pytest.approx(k / (3 * 60 * 40))
    assert result.airtime_s == pytest.approx(packets * wave.frame_samples / 1e6)
    assert result.sent.samples.shape == (packets * wave.frame_samples,)
    assert result.rho_on_air == pytest.approx(result.airtime_s * bandwidth_hz / (3 * 60 * 40))
    assert result.rho_on_air > result.rho
    assert result.codec == "plain_codec:build"
    assert result.receive_ms > 0
    assert result.sent.encode_ms > 0


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
def test_data_aided_snr_of_a_known_channel(snr_db: float) -> None:
    n, noise_var = 40_000, 10 ** (-snr_db / 10)
    generator = torch.Generator().manual_seed(1)
    sent = torch.randn(n, dtype=torch.complex64, generator=generator)
    received = sent + noise_var**0.5 * torch.randn(n, dtype=torch.complex64, generator=generator)
    variances = torch.full((n,), noise_var)
    variances[::7], received[::7] = math.inf, 0
    quality = symbol_quality(received, variances, sent)
    assert quality is not None
    # the mean of n exponential variables deviates by 1/sqrt(n) of itself: 4 sigma are 0.1 dB
    assert quality.snr_db == pytest.approx(snr_db, abs=0.12)
    assert quality.evm_db == pytest.approx(-snr_db, abs=0.12)


def test_quality_of_nothing_is_none() -> None:
    zeros = torch.zeros(3, dtype=torch.complex64)
    assert symbol_quality(zeros, torch.full((3,), math.inf), zeros) is None


class Endless:
    """A live radio: noise for ever, and what was transmitted 30,000 samples later, if at all."""

    sample_rate_hz, center_frequency_hz, clock_ppm, antennas, live = 1e6, 0.0, 10.0, 1, True

    def __init__(self, heard: bool) -> None:
        self.heard, self.received, self.generator = heard, 0, torch.Generator().manual_seed(0)
        self.air, self.lock = torch.zeros(0, dtype=torch.complex64), threading.Lock()

    def status(self) -> Status:
        return Status()

    def __enter__(self) -> "Endless":
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def transmit(self, samples: Tensor) -> None:
        if self.heard:
            with self.lock:
                self.air = torch.cat([self.air, torch.zeros(30_000, dtype=torch.complex64), samples])

    def receive(self) -> Reception:
        n = 20_000
        self.received += n
        time.sleep(2e-3)
        noise = 0.01 * torch.randn(1, n, dtype=torch.complex64, generator=self.generator)
        with self.lock:
            now, self.air = self.air[:n], self.air[n:]
        noise[0, : len(now)] += now
        return Reception(noise, dropped=5 if self.received == n else 0)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch):
    def make(heard: bool) -> Link:
        radio = Endless(heard)
        monkeypatch.setattr(session, "make_radio", lambda parts, end: radio)
        return Link(config(receiver={"timeout_s": 0.2}))

    return make


def test_a_live_radio_is_read_until_the_picture_is_there(live) -> None:
    with live(heard=True) as link:
        for count in (1, 2):
            result = link.send(picture(64, 64, seed=count))
            assert result.packets_received == result.sent.packets
            assert result.sent.id == count - 1
            assert 0 < result.samples.shape[-1] <= 65_536
            assert link.receiving.receiver.counters.dropped >= 5


def test_a_live_radio_is_not_waited_for_in_vain(live) -> None:
    with live(heard=False) as link:
        result = link.send(picture(64, 64))
        first = link.receiving.receiver.counters.dropped
        read = link.receiving.receiver.position - first
    assert result.received is None
    budget = result.sent.samples.numel() + 200_000
    assert budget - first <= read <= budget + 20_000


def test_a_live_radio_that_ends_early_gives_the_part_that_came(live) -> None:
    """Of the last frames nothing is heard: the picture comes out after the silence."""
    with live(heard=True) as link:
        radio, transmit = link.rx_radio, link.tx_radio.transmit
        radio.transmit = lambda samples: transmit(samples[: samples.numel() * 2 // 3])
        result = link.send(picture(96, 96))
    assert result.pixels is not None
    assert 0.5 < result.packets_received / result.sent.packets < 0.75


def test_pictures_of_another_sender_are_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same configuration, same transmission number, same size: only the nonce tells."""
    ours, theirs = picture(40, 40, seed=1), picture(40, 40, seed=2)
    with Link(config(), nonce=7) as link, Link(config(), nonce=8) as other:
        transmit = link.tx_radio.transmit
        foreign: list[Tensor] = []
        monkeypatch.setattr(other.tx_radio, "transmit", foreign.append)
        other.send(theirs)
        monkeypatch.setattr(link.tx_radio, "transmit", lambda s: transmit(torch.cat([foreign[0], s])))
        result = link.send(ours)
        expected = symbol_level(link, ours)
    assert result.pixels is not None
    assert (result.pixels.int() - expected.int()).abs().max() <= 1


def test_links_leave_the_global_random_state_alone() -> None:
    state = torch.get_rng_state()
    with Link(parse_link(load_table("loopback-hard"))) as link:
        link.send(picture(64, 64))
    assert torch.equal(torch.get_rng_state(), state)


def test_two_runs_of_one_link_are_equal() -> None:
    results = []
    for _ in range(2):
        with Link(parse_link(load_table("loopback-hard")), nonce=3) as link:
            results.append([link.send(picture(64, 64)) for _ in range(2)])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert one.quality == other.quality
    first, second = results[0]
    assert first.quality != second.quality  # every transmission has a channel of its own


def test_the_codec_gets_tensors_on_its_device() -> None:
    """The meta device stands for any other than the CPU."""
    with Link(config({"name": "plain_codec:build_on_meta"}), device="meta") as link:
        result = link.send(picture(8, 8))
    assert link.parts.codec.seen == ["meta", "meta"]
    assert result.sent.symbols.device.type == "cpu"
    assert result.pixels is not None
    assert result.pixels.device.type == "cpu"


def test_pictures_that_cannot_be_sent_are_refused() -> None:
    with Link(config()) as link:
        with pytest.raises(ImageError, match=r"at most 4095 pixels \(got 4096x2\)"):
            link.send(torch.zeros(3, 2, 4096, dtype=torch.uint8))
        for wrong in (
            torch.zeros(3, 8, 8),
            torch.zeros(1, 8, 8, dtype=torch.uint8),
            torch.zeros(3, 0, 8).byte(),
        ):
            with pytest.raises(ImageError, match=r"a picture must be a uint8 tensor \[3, height, width\]"):
                link.send(wrong)
        assert link.send(picture(8, 8)).sent.id == 0


def test_a_closed_link_does_not_send() -> None:
    link = Link(config())
    with pytest.raises(ConfigError, match="must be opened with 'with'"):
        link.send(picture(8, 8))
    with link:
        link.send(picture(8, 8))
    with pytest.raises(ConfigError, match="must be opened with 'with'"):
        link.send(picture(8, 8))


def test_a_codec_that_breaks_its_plan_is_told() -> None:
    with (
        Link(config({"name": "plain_codec:build_miscounting"})) as link,
        pytest.raises(ConfigError, match=r"must give the 96 symbols that it planned \(got 95\)"),
    ):
        link.send(picture(8, 8))


def test_radios_of_different_rates_are_refused() -> None:
    slow = {"name": "loopback", "sample_rate_hz": 5e5}
    radios = {"tx": {"name": "loopback", "sample_rate_hz": 1e6}, "rx": slow}
    with pytest.raises(ConfigError, match=r"one sample rate \(got 1e\+06 and 500000 Hz\)"):
        Link(config(radios=radios))
