"""The impairment channel: bursts as the loopback radio gives them, and knobs that turn while it runs."""

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
import torch
from gnuradio import blocks, gr
from gr_rig import Rig, post, run_to_end, until

from sdrjscc.channel.chain import Chain, Config, scenario
from sdrjscc.config import validate
from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.frame_transmitter import FrameTransmitter
from sdrjscc.grblocks.impairment_channel import ImpairmentChannel
from sdrjscc.grblocks.link_variable import open_link
from sdrjscc.link.receiver import Receiver
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.radio.loopback import Config as RadioConfig
from sdrjscc.radio.loopback import Loopback

RATE_HZ = 1e6
LENGTHS = (5000, 1, 7001, 3000)


def bursts(lengths=LENGTHS, seed=1):
    draws = np.random.default_rng(seed)
    made = [draws.normal(size=(n, 2)).astype(np.float32).view(np.complex64)[:, 0] for n in lengths]
    made[0][2000:2900] = 0  # what a burst may have in it
    return made


def tag(offset, value, key="packet_len"):
    made = gr.tag_t()
    made.offset, made.key, made.value = offset, pmt.intern(key), pmt.to_pmt(value)
    return made


def through(block, samples, tags=(), chunk=100_000, antennas=1):
    """What comes out of a channel's outputs, ``[antennas, n]``, and the tags there."""
    graph = gr.top_block()
    source = blocks.vector_source_c(samples.tolist(), False, 1, list(tags))
    sinks = [blocks.vector_sink_c() for _ in range(antennas)]
    graph.connect(source, block)
    for antenna, sink in enumerate(sinks):
        graph.connect((block, antenna), sink)
    run_to_end(graph, chunk)
    return np.array([sink.data() for sink in sinks], np.complex64), sinks[0].tags()


def by_loopback(made, config, *, seed, antennas):
    """What the loopback radio gives of bursts, each ``[antennas, n]``."""
    share = open_link("loopback").waveform.occupied_bandwidth_hz(1.0)
    settings = RadioConfig(sample_rate_hz=RATE_HZ, seed=seed, antennas=antennas, chunk_samples=1 << 24)
    radio = Loopback(settings, Chain(config), share)
    received = []
    for burst in made:
        radio.transmit(torch.from_numpy(burst))
        received.append(radio.receive().samples.numpy())
    return received


@pytest.mark.parametrize("chunk", [97, 100_000])
@pytest.mark.parametrize(("name", "antennas"), [("link", 1), ("full", 2)])
def test_a_burst_gets_what_the_loopback_radio_gives_it(name, antennas, chunk):
    made = bursts()
    starts = np.cumsum([0, *LENGTHS])
    block = ImpairmentChannel("loopback", RATE_HZ, scenario=name, snr_db=12.0, antennas=antennas, seed=5)
    tags = [tag(int(start), length) for start, length in zip(starts, LENGTHS, strict=False)]
    received, left = through(block, np.concatenate(made), tags, chunk, antennas)
    table = {**open_link("loopback").config.channel} if name == "link" else scenario(name).model_dump()
    table.pop("name", None)
    config = validate(Config, {**table, "snr_db": 12.0, "antennas": antennas}, "")
    expected = np.concatenate(by_loopback(made, config, seed=5, antennas=antennas), axis=1)
    np.testing.assert_array_equal(received, expected)
    assert list(left) == []  # lengths are others now


@pytest.mark.parametrize("chunk", [211, 100_000])
def test_between_bursts_there_is_noise_of_the_same_density(chunk):
    made = [burst / np.sqrt(np.mean(np.abs(burst[burst != 0]) ** 2)) for burst in bursts((4000, 4000))]
    quiet = np.zeros(20_000, np.complex64)
    samples = np.concatenate([quiet, made[0], quiet, made[1], quiet])
    tags = [tag(20_000, 4000), tag(44_000, 4000)]
    block = ImpairmentChannel("loopback", RATE_HZ, scenario="none", snr_db=10.0)
    received, _ = through(block, samples, tags, chunk)
    assert received.shape[1] == len(samples)
    occupied_hz = open_link("loopback").waveform.occupied_bandwidth_hz(RATE_HZ)
    density = 0.1 * RATE_HZ / occupied_hz
    for start in (0, 24_000, 48_000):
        power = np.mean(np.abs(received[0, start : start + 20_000]) ** 2)
        assert power == pytest.approx(density, rel=5 / np.sqrt(20_000))
    error = received[0, 20_000:24_000] - made[0]
    assert np.mean(np.abs(error) ** 2) == pytest.approx(density, rel=5 / np.sqrt(4000))


def test_without_tags_silence_ends_a_burst():
    made = bursts((4000, 3000))
    quiet = np.zeros(3000, np.complex64)
    block = ImpairmentChannel("loopback", RATE_HZ, scenario="awgn", snr_db=20.0, seed=3)
    received, _ = through(block, np.concatenate([made[0], quiet, made[1], quiet]), [tag(0, "no number")])
    first, second = by_loopback(made, scenario("awgn", 20.0), seed=3, antennas=1)
    np.testing.assert_array_equal(received[:, : first.shape[1]], first)
    rest = received[:, first.shape[1] :]
    starts = [at for at in range(3000, 3400) if np.array_equal(rest[:, at : at + 50], second[:, :50])]
    assert len(starts) <= 1
    assert received.shape[1] == first.shape[1] + second.shape[1] + 6000


def test_another_length_tag_and_a_burst_that_the_next_one_cuts():
    made = bursts((4000, 3000))
    block = ImpairmentChannel("loopback", RATE_HZ, scenario="none", snr_db=30.0, length_tag="burst")
    tags = [tag(0, 9000, "burst"), tag(4000, 3000, "burst"), tag(100, 5, "packet_len")]
    received, _ = through(block, np.concatenate(made), tags)
    expected = by_loopback(made, Config(snr_db=30.0), seed=0, antennas=1)
    np.testing.assert_array_equal(received, np.concatenate(expected, axis=1))


def test_a_new_start_begins_with_the_seed():
    made = bursts((3000,))[0]
    block = ImpairmentChannel("loopback", RATE_HZ, scenario="awgn", seed=8)
    graph, sink = gr.top_block(), blocks.vector_sink_c()
    graph.connect(blocks.vector_source_c(made.tolist(), False, 1, [tag(0, 3000)]), block, sink)
    run_to_end(graph)
    first = sink.data()
    block.start()
    assert block._bursts.stream.transmissions == 0
    (expected,) = by_loopback([made], scenario("awgn", 10.0), seed=8, antennas=1)
    np.testing.assert_array_equal(np.array([first], np.complex64), expected)


class Running:
    """A transmitter into a channel of noise only: the bursts that went in and what came out."""

    def __init__(self, **knobs):
        self.parts = open_link("loopback")
        self.transmitter = FrameTransmitter(self.parts, nonce=1)
        self.channel = ImpairmentChannel(self.parts, RATE_HZ, **{"scenario": "none", "snr_db": 60.0, **knobs})
        self.sent, self.received = blocks.vector_sink_c(), blocks.vector_sink_c()
        graph = gr.top_block()
        graph.connect(self.transmitter, self.channel, self.received)
        graph.connect(self.transmitter, self.sent)
        self.rig = Rig(self.transmitter, graph=graph)
        self.seen = 0

    def burst(self, longer=0):
        """One picture's frame as it went in and came out, which is so many samples longer."""
        symbols = torch.randn(2000, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
        meta = {"width": 100, "height": 100, "transmission": 0}
        post(self.transmitter, "symbols", meta, symbols.numpy())
        frame = self.parts.waveform.frame_samples
        until(lambda: len(self.received.data()) == self.seen + frame + longer + SETTLING_SAMPLES)
        sent = np.array(self.sent.data(), np.complex64)[-(frame + SETTLING_SAMPLES) :][:frame]
        received = np.array(self.received.data(), np.complex64)[self.seen :][: frame + 512]
        self.seen = len(self.received.data())
        return sent, received


def test_knobs_turn_while_it_runs():
    running = Running()
    with running.rig:
        sent, received = running.burst()
        assert relative_db(received[: len(sent)], sent) < -50
        running.channel.set_snr_db(5.0)
        sent, received = running.burst()
        excess = 10 * np.log10(RATE_HZ / running.parts.waveform.occupied_bandwidth_hz(RATE_HZ))
        assert relative_db(received[: len(sent)], sent) == pytest.approx(-5.0 + excess, abs=0.3)
        running.channel.set_snr_db(60.0)
        running.channel.set_cfo_hz(1234.0)
        sent, received = running.burst()
        assert measured_cfo_hz(running.parts, received) == pytest.approx(1234.0, abs=2.0)
        running.channel.set_cfo_hz(0.0)
        running.channel.set_echo_delay(7.0)
        running.channel.set_echo_db(-3.0)
        sent, received = running.burst(longer=7)
        echo = 10 ** (-3 / 20)
        expected = (sent + echo * np.concatenate([np.zeros(7), sent[:-7]])) / np.hypot(1, echo)
        assert relative_db(received[: len(sent)], expected) < -50
        running.channel.set_echo_db(-60.0)
        sent, received = running.burst()
        assert relative_db(received[: len(sent)], sent) < -50


def relative_db(received, expected):
    """Power of the difference relative to that expected."""
    return 10 * np.log10(np.mean(np.abs(received - expected) ** 2) / np.mean(np.abs(expected) ** 2))


def measured_cfo_hz(parts, samples):
    receiver = Receiver(
        parts.waveform, sample_rate_hz=RATE_HZ, clock_ppm=10, center_frequency_hz=2.4e9, digest=parts.digest
    )
    (packet,) = receiver.push(torch.from_numpy(samples)) + receiver.flush()
    return packet.cfo_hz


BAD = [
    ({"samp_rate": 0.0}, r"samp_rate must be positive, seed at least 0 \(got 0.0 and 0\)"),
    ({"seed": -1}, r"seed at least 0 \(got 1000000.0 and -1\)"),
    ({"antennas": 0}, r"antennas: input should be greater than or equal to 1 \(got 0\)"),
    ({"antennas": 99}, r"antennas: input should be less than or equal to 16 \(got 99\)"),
    ({"scenario": "storm"}, r"scenario must be one of link, none, awgn.*\(got 'storm'\)"),
    ({"snr_db": 999.0}, r"snr_db: input should be less than or equal to 200 \(got 999"),
    ({"cfo_hz": 6e5}, r"carrier offsets must stay within half the sample rate"),
    ({"echo_db": 0.0, "echo_delay": -1.0}, r"echo.delay_samples: input should be greater than or equal to 0"),
    ({"echo_db": 300.0}, r"echo.power_db: input should be less than or equal to 200"),
    (
        {"link": "pluto-pair"},
        r"scenario link must be of a link whose \[channel\] is 'chain' \(this one's is none\)",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_parameters(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ImpairmentChannel(**{"link": "loopback", "samp_rate": RATE_HZ, **change})


def test_what_a_setter_refuses_leaves_all_as_it_was():
    block = ImpairmentChannel("loopback", RATE_HZ, scenario="none", snr_db=7.0)
    for setter, value in ((block.set_snr_db, 999.0), (block.set_cfo_hz, 6e5), (block.set_echo_db, 300.0)):
        with pytest.raises(ConfigError, match=r"must|should"):
            setter(value)
    assert block._bursts.stream.channel.config == Config(snr_db=7.0)
    block.set_cfo_hz(10.0)
    assert block._bursts.stream.channel.config == Config(snr_db=7.0, cfo_hz=10.0)
