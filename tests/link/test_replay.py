"""Receiving from a recording: the same as live, another decoder, and configurations that do not fit."""

import pytest
import torch
from reception_example import Given, config, picture, pieces, sent_signal

from sdrjscc.capture.sigmf import Header, Recorder, open_capture
from sdrjscc.codecs._weights import save_weights
from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.evaluation.golden import receive_all
from sdrjscc.evaluation.reception import record_reception
from sdrjscc.images.io import Picture
from sdrjscc.images.metrics import psnr_db
from sdrjscc.link.listening import Listener
from sdrjscc.link.log import References, Source
from sdrjscc.link.parts import build_parts
from sdrjscc.link.replay import Replay, recorded_lines, recorded_link
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link, to_toml, with_codec

FLOATS = {"name": "chain", "snr_db": 12.0, "cfo_hz": 500.0, "lead_samples": 700, "tail_samples": 900}
CODES = {**FLOATS, "adc_bits": 12, "rx_level_dbfs": -15.0}


@pytest.fixture
def weights(tmp_path):
    """Two files of weights of one architecture."""
    architecture = {"variant": "60-E2D2", "latent_channels": 8, "output": "linear"}
    paths = []
    for number in range(2):
        codec = load_codec("dsc_jscc", weights="untrained")
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        paths.append(tmp_path / f"{number}.safetensors")
        save_weights(codec, paths[-1], "dsc_jscc", architecture)
    return paths


@pytest.fixture
def recorded(tmp_path):
    def make(link_config, pixels):
        with Link(link_config, record=tmp_path / "r") as link:
            result = link.send(Picture(pixels, "sent.png", ()))
        return result, open_capture(tmp_path / "r")

    return make


def replayed(capture, link, *, own=True):
    replay = Replay(capture, link, own=own)
    return replay, [one for _, found in replay.pictures() for one in found]


def empty_recording(path, **extra):
    own = {f"sdrjscc:{key}": value for key, value in extra.items()}
    header = Header(sample_rate_hz=1e6, center_frequency_hz=2.4e9, extra=own)
    with Recorder(path, header) as recorder:
        recorder.write(0.01 * torch.ones(1, 5000, dtype=torch.complex64))
    return open_capture(path)


@pytest.mark.parametrize("channel", [FLOATS, CODES], ids=["floats", "12 bits"])
def test_a_replay_in_the_same_pieces_is_exactly_the_live_reception(recorded, channel):
    live, capture = recorded(config(channel=channel), picture())
    replay, (again,) = replayed(capture, recorded_link(capture))
    assert torch.equal(again.assembled.symbols, live.received.assembled.symbols)
    assert torch.equal(again.assembled.noise_var, live.received.assembled.noise_var)
    assert torch.equal(again.pixels, live.pixels)
    assert [one.header for one in replay.packets] == [one.packet.header for one in live.packets]
    assert replay.packets[0].cfo_hz == live.packets[0].packet.cfo_hz == pytest.approx(500.0, abs=30.0)


def test_a_replay_of_a_stream_in_other_pieces_and_with_a_gap_is_equal_to_rounding(tmp_path):
    link, pixels = config(), [picture(seed=seed) for seed in range(2)]
    sources = [Source(Picture(one, "p", ())) for one in pixels]
    signal, starts = sent_signal(link, sources)
    listener = Listener(
        build_parts(link), Given(pieces(signal, 1700, [(starts[1] + 3000, 400)])), record=tmp_path / "r"
    )
    with listener:
        live = [one for _, found in listener.pictures() for one in found] + listener.rest()
    capture = open_capture(tmp_path / "r")
    replay, again = replayed(capture, recorded_link(capture))
    assert len(live) == len(again) == 2
    assert replay.receiving.receiver.counters.dropped == 400
    for one, other, sent in zip(live, again, pixels, strict=True):
        assert one.assembled.header == other.assembled.header
        there = psnr_db(sent, one.pixels).value
        assert psnr_db(sent, other.pixels).value == pytest.approx(there, abs=0.02)
        lost = torch.isinf(one.assembled.noise_var)
        assert torch.equal(lost, torch.isinf(other.assembled.noise_var))
        torch.testing.assert_close(other.assembled.symbols, one.assembled.symbols, atol=1e-3, rtol=1e-3)


def test_another_decoder_reads_what_was_sent_with_the_recorded_one(recorded, weights):
    sender = config({"name": "dsc_jscc", "weights": str(weights[0])}, channel=CODES)
    pixels = picture()
    live, capture = recorded(sender, pixels)
    own = recorded_link(capture)
    other = with_codec(own, weights=str(weights[1]))
    replay, (again,) = replayed(capture, other)
    assert replay.parts.digest != capture.header.extra["sdrjscc:digest"]
    assert torch.equal(again.assembled.symbols, live.received.assembled.symbols)
    assert not torch.equal(again.pixels, live.pixels)
    references = Known(pixels)
    record = record_reception(
        again,
        torch.zeros(1, 0, dtype=torch.complex64),
        parts=replay.parts,
        encoder=build_parts(own),
        references=references,
        sample_rate_hz=1e6,
    ).row()
    assert record["snr_db"] == pytest.approx(live.quality.snr_db, abs=1e-4)
    assert record["psnr_db"] == psnr_db(pixels, again.pixels).value


class Known(References):
    def __init__(self, pixels):
        super().__init__()
        self._pixels = pixels

    def match(self, header, pixels):
        return Picture(self._pixels, "known.png", ())


def test_a_link_that_is_not_the_recordings_refuses_it(recorded):
    live, capture = recorded(config(channel=CODES), picture())
    other = config({"name": "dsc_jscc", "variant": "60-E1D1", "weights": "untrained"})
    replay, found = replayed(capture, other, own=False)
    assert found == []
    digest = capture.header.extra["sdrjscc:digest"]
    (reason,) = replay.receiving.refusals
    assert reason == f"unknown configuration 0x{digest:04x}"
    assert replay.receiving.receiver.counters.foreign == live.packets_received


def test_the_preset_that_was_sent_with_is_named(recorded):
    live, capture = recorded(load_link("loopback"), picture())
    assert live.pixels is not None
    replay, found = replayed(capture, with_codec(load_link("loopback"), weights="untrained"), own=False)
    assert found == []
    (reason,) = replay.receiving.refusals
    assert reason.startswith("sender has another configuration than this receiver: preset loopback")


def test_a_recording_without_a_configuration_has_none(tmp_path):
    capture = empty_recording(tmp_path / "r")
    assert recorded_link(capture) is None
    assert recorded_lines(capture) == []
    assert recorded_link(empty_recording(tmp_path / "s", link=5)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("codec = [", "got: "),
        ('[codec]\nname = "no_such"', "no_such"),
        ('[codec]\nname = "dsc_jscc"\ncolour = 3', "codec.colour is not a known key"),
        ("", "codec"),
        ("a = " + "[" * 5000, "got: "),
    ],
)
def test_a_broken_configuration_is_one_sentence(tmp_path, text, says):
    capture = empty_recording(tmp_path / "r", link=text)
    with pytest.raises(
        CaptureError, match=r"must be one that this version knows .*give another with -c"
    ) as got:
        recorded_link(capture)
    assert says in str(got.value)
    assert str(capture.path) in str(got.value)


@pytest.mark.parametrize(
    "table",
    [
        '[codec]\nname = "subprocess:check_output"\ntouch = 1',
        '[codec]\nname = "dsc_jscc"\n[radios.tx]\nname = "os:system"',
        '[codec]\nname = "dsc_jscc"\n[channel]\nname = "antigravity:build"',
    ],
)
def test_a_recording_cannot_name_code_to_run(tmp_path, table, monkeypatch):
    """Whoever made a recording decides what is in it."""
    loaded = []
    monkeypatch.setattr("sdrjscc.plugins._load_foreign", lambda *names: loaded.append(names))
    capture = empty_recording(tmp_path / "r", link=table)
    with pytest.raises(CaptureError, match="cannot name code from outside the package"):
        recorded_link(capture)
    assert loaded == []


def test_lines_of_what_was_sent_are_checked(tmp_path):
    with pytest.raises(ConfigError, match=r"sdrjscc:transmissions.*nonce"):
        recorded_lines(empty_recording(tmp_path / "r", transmissions=[{"nonce": "x"}]))
    assert recorded_lines(empty_recording(tmp_path / "s", transmissions="x")) == []


@pytest.mark.parametrize("extra", [{}, {"clock_ppm": "x", "radio": "y", "digest": "z"}, {"digest": 10**9}])
def test_fields_that_are_missing_or_wrong_do_not_matter_to_noise(tmp_path, extra):
    capture = empty_recording(tmp_path / "r", link=to_toml(config()), **extra)
    replay, found = replayed(capture, recorded_link(capture))
    assert found == [] and len(replay.receiving.refusals) == 0
    assert receive_all(Replay(capture, recorded_link(capture), own=True), References()) == []


@pytest.mark.parametrize(
    ("extra", "ppm"),
    [
        ({"clock_ppm": 1.0, "radio": {"name": "x", "clock_ppm": 2.0}}, 1.5),
        ({"clock_ppm": 1.0}, 5.5),
        ({}, 10.0),
    ],
)
def test_the_clocks_are_the_recordings_or_else_the_links(tmp_path, extra, ppm):
    replay = Replay(empty_recording(tmp_path / "r", **extra), config(), own=False)
    assert replay.receiving.receiver._sco_max == pytest.approx(2e-6 * ppm)
