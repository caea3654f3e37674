"""The receiving end: what comes over the air and is not a picture is refused in words, once."""

import logging
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from sdrjscc.errors import WeightsError
from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.framing.packetise import packet_count
from sdrjscc.link import parts as parts_module
from sdrjscc.link.parts import Parts, build_parts, presets_with
from sdrjscc.link.receiving import ReceivedPicture, ReceivingEnd
from sdrjscc.link.refusals import Refusals
from sdrjscc.link.transmitter import Transmission, Transmitter
from sdrjscc.linkfile import LinkConfig, parse_link
from sdrjscc.radio.base import Radio, build_radio

GAP = 2000


def config(fingerprint: str = "plain", **tables: dict) -> LinkConfig:
    table = {
        "codec": {"name": "plain_codec:build", "fingerprint": fingerprint},
        "waveform": {"name": "ofdm", "payload_ofdm_symbols": 8},
        "radios": {"tx": {"name": "loopback"}},
    }
    return parse_link({**table, **tables})


def radio_of(link: LinkConfig) -> Radio:
    return build_radio(link.radios.tx, "radios.tx", channel=None, occupied_share=0.8)


def end_of(parts: Parts) -> ReceivingEnd:
    return ReceivingEnd(parts, radio_of(parts.config), sender_clock_ppm=10.0)


def sent_by(parts: Parts, side: int = 40, digest: int | None = None) -> Transmission:
    sender = Transmitter(
        parts.codec, parts.mapper, parts.waveform, digest=parts.digest if digest is None else digest, nonce=9
    )
    generator = torch.Generator().manual_seed(0)
    return sender.transmit(torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator))


def noisy(samples: Tensor, seed: int = 0) -> Tensor:
    """Samples between stretches of noise, at 30 dB: complex64 ``[1, n]``."""
    silence = torch.zeros(GAP, dtype=torch.complex64)
    stream = torch.cat([silence, samples, silence])[None]
    generator = torch.Generator().manual_seed(seed)
    return stream + 0.03 * torch.randn(stream.shape, dtype=torch.complex64, generator=generator)


def received(end: ReceivingEnd, stream: Tensor, chunk: int = 10_000) -> list[ReceivedPicture]:
    pictures = [one for part in stream.split(chunk, dim=-1) for one in end.push(part)]
    return pictures + end.flush()


@pytest.fixture
def presets(monkeypatch: pytest.MonkeyPatch):
    """Presets of these names and configurations instead of the package's."""

    def install(**links: LinkConfig | Exception) -> None:
        def load(name: str) -> LinkConfig:
            if isinstance(links[name], Exception):
                raise links[name]
            return links[name]

        parts_module._preset_digest.cache_clear()
        monkeypatch.setattr(parts_module, "preset_names", lambda: sorted(links))
        monkeypatch.setattr(parts_module, "load_link", load)

    yield install
    parts_module._preset_digest.cache_clear()


def test_another_configuration_is_named_by_its_preset(presets, caplog) -> None:
    """Three transmissions of several frames: one line in the log, every frame counted."""
    theirs = build_parts(config("theirs"))
    presets(one=config("theirs"), two=config("theirs", receiver={"timeout_s": 3.0}), other=config("others"))
    sent = sent_by(theirs)
    end = end_of(build_parts(config("mine")))
    sentence = (
        f"sender has another configuration than this receiver: preset one or two (0x{theirs.digest:04x})"
    )
    with caplog.at_level(logging.WARNING, "sdrjscc.link"):
        for _ in range(3):
            assert received(end, noisy(sent.samples)) == []
    assert list(end.refusals) == [sentence]
    assert end.refusals.count(sentence) == 3 * sent.packets
    assert [record.getMessage() for record in caplog.records] == [sentence]


def test_an_unknown_configuration_is_named_by_its_digest(presets) -> None:
    presets(one=config("theirs"))
    mine = build_parts(config())
    end = end_of(mine)
    for digest in (0x3FA1, 0x0002):
        assert received(end, noisy(sent_by(mine, 8, digest=digest).samples)) == []
    assert list(end.refusals) == ["unknown configuration 0x3fa1", "unknown configuration 0x0002"]


def test_presets_that_cannot_be_built_here_are_left_out(presets) -> None:
    presets(one=config("theirs"), broken=WeightsError("weights must be there (got none)"))
    assert presets_with(build_parts(config("theirs")).digest) == ["one"]


def test_the_packages_own_presets_have_digests_or_are_left_out() -> None:
    """No preset of the package makes the search for a digest fail."""
    assert presets_with(-1) == []


def test_an_undecodable_header_is_told_once(caplog) -> None:
    parts = build_parts(config())
    wave = parts.waveform
    generator = torch.Generator().manual_seed(1)
    header = torch.exp(2j * torch.pi * torch.rand(3, 1000, generator=generator)).to(torch.complex64)
    payload = torch.randn(3, wave.payload_symbols, dtype=torch.complex64, generator=generator)
    end = end_of(parts)
    with caplog.at_level(logging.WARNING, "sdrjscc.link"):
        assert received(end, noisy(wave.modulate(header, payload).flatten())) == []
    assert list(end.refusals) == ["preamble seen, header undecodable"]
    assert end.refusals.total == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_samples_that_are_no_numbers_cost_only_themselves(value: float) -> None:
    parts = build_parts(config())
    sent = sent_by(parts)
    stream = noisy(sent.samples)
    middle = GAP + parts.waveform.frame_samples - 700
    stream[0, middle : middle + 3] = complex(value, 0.0)
    end = end_of(parts)
    (picture,) = received(end, stream)
    assert picture.assembled.received == sent.packets
    assert 0 < int(torch.isinf(picture.assembled.noise_var).sum()) < parts.waveform.payload_symbols
    assert list(end.refusals) == [
        "samples must be finite and at most a million times full scale (others count as lost)"
    ]
    assert end.refusals.total == 3


def test_nothing_but_nan_gives_nothing() -> None:
    end = end_of(build_parts(config()))
    assert received(end, torch.full((1, 60_000), complex("nan"))) == []
    assert end.refusals.total == 60_000


def test_a_frame_that_claims_a_huge_picture_is_refused() -> None:
    """One claim that no number of packets can hold, and one that is never made good."""
    parts = build_parts(config())
    wave = parts.waveform
    packets = packet_count(parts.codec.plan(640, 640).symbols, wave.payload_symbols)
    claims = [
        Header(parts.digest, 5, 1, 0, 8191, 0, 0, False, 4095, 4095),
        Header(parts.digest, 5, 2, 0, packets, 0, 0, False, 640, 640),
    ]
    generator = torch.Generator().manual_seed(1)
    payload = torch.randn(2, wave.payload_symbols, dtype=torch.complex64, generator=generator)
    end = end_of(parts)
    assert received(end, noisy(wave.modulate(encode_headers(claims), payload).flatten())) == []
    first, second = end.refusals
    assert first.startswith("a transmission must fit in 8191 packets (got ")
    assert second == f"at least 10% of a picture's packets must arrive (got 1 of {packets})"


@pytest.mark.parametrize("chunk", [5_000, 1 << 30])
def test_silence_ends_a_picture_however_samples_are_cut(chunk: int) -> None:
    """The second half comes after 0.3 s of silence, the time-out is 0.2 s."""
    parts = build_parts(config(receiver={"timeout_s": 0.2}))
    sent, frame = sent_by(parts, 64), parts.waveform.frame_samples
    half = sent.packets // 2
    silence = torch.zeros(300_000, dtype=torch.complex64)
    stream = torch.cat([sent.samples[: half * frame], silence, sent.samples[half * frame :]])
    end = end_of(parts)
    (picture,) = received(end, noisy(stream), chunk)
    assert picture.assembled.received == half
    assert end.assembler.duplicates == sent.packets - half


def test_frames_longer_than_the_timeout_are_no_silence() -> None:
    """At 50 kS/s a frame takes longer than the time-out of 0.09 s."""
    slow = {"tx": {"name": "loopback", "sample_rate_hz": 5e4, "center_frequency_hz": 0.0}}
    parts = build_parts(config(radios=slow, receiver={"timeout_s": 0.09}))
    sent = sent_by(parts, 64)
    assert parts.waveform.frame_samples > 0.09 * 5e4
    (picture,) = received(end_of(parts), noisy(sent.samples), 1000)
    assert picture.assembled.received == sent.packets


def test_refusals_log_the_first_hundred_kinds_only(caplog) -> None:
    refusals = Refusals()
    with caplog.at_level(logging.WARNING, "sdrjscc.link"):
        for number in range(1000):
            refusals.add(f"reason {number}")
            refusals.add("reason 0", 2)
    assert len(refusals) == len(caplog.records) == 101
    assert list(refusals)[-1] == "further kinds of packets were refused"
    assert refusals.count("reason 0") == 2001
    assert refusals.count("never") == 0
    assert refusals.total == 3000


MEMORY = """
import resource, torch
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivingEnd
from sdrjscc.link.transmitter import Transmitter
from sdrjscc.linkfile import parse_link
from sdrjscc.radio.base import build_radio

torch.set_num_threads(1)
link = parse_link({"codec": {"name": "dsc_jscc", "weights": "untrained"}})
parts, radio = build_parts(link), build_radio(link.radios.tx, "tx", channel=None, occupied_share=0.8)
sender = Transmitter(parts.codec, parts.mapper, parts.waveform, digest=parts.digest, nonce=1)
end = ReceivingEnd(parts, radio, 10.0)
pixels = torch.arange(256, dtype=torch.uint8).repeat(3, 4095, 16)[:, :, :4095].contiguous()
radio.transmit(sender.transmit(pixels).samples)
pictures = []
while (reception := radio.receive()) is not None:
    pictures += end.push(reception.samples)
pictures += end.flush()
shapes = [tuple(one.pixels.shape) for one in pictures]
print(shapes == [(3, 4095, 4095)], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_largest_picture_takes_less_than_2_gib() -> None:
    """4095 x 4095 from pixels to samples and back, both ends in one process."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    there, peak_kib = done.stdout.split()
    assert there == "True"
    assert int(peak_kib) < 2 * 1024 * 1024
