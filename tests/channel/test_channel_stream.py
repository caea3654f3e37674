"""A sample channel on an endless stream: what a transmission is, and what lies in between."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.channel._stream import SILENCE_SAMPLES, ChannelStream
from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.chain import Chain, Config, scenario
from sdrjscc.errors import ConfigError
from sdrjscc.radio import loopback

RATE_HZ = 1e6


def stream(channel, **changes):
    options = {"antennas": 1, "sample_rate_hz": RATE_HZ, "occupied_bandwidth_hz": RATE_HZ, "seed": 5}
    return ChannelStream(channel, **{**options, **changes})


def burst(length, seed=0):
    return torch.randn(length, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def silence(length):
    return torch.zeros(length, dtype=torch.complex64)


def through(channel_stream, *pieces):
    arrived = [one for piece in pieces for one in channel_stream.push(piece)]
    return torch.cat(arrived, dim=-1) if arrived else torch.empty(channel_stream.antennas, 0)


def power(samples):
    return float(samples.abs().square().mean(dtype=torch.float64))


def floor_tolerance(samples):
    """Five standard deviations of the mean of so many exponentially distributed powers, relative."""
    return 5 / math.sqrt(samples.numel())


@pytest.mark.parametrize("channel", [None, Chain(Config())])
def test_a_channel_that_does_nothing_changes_nothing(channel):
    sent = torch.cat([silence(100), burst(5000), silence(3000), burst(700, 1), silence(SILENCE_SAMPLES)])
    assert torch.equal(through(stream(channel), sent)[0], sent)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9000), max_size=12))
def test_the_result_does_not_depend_on_how_the_stream_was_cut(cuts):
    sent = torch.cat(
        [
            burst(2000),
            silence(SILENCE_SAMPLES - 1),
            burst(500, 1),
            silence(4000),
            burst(300, 2),
            silence(2000),
        ]
    )
    whole, parts = (stream(Chain(Config(lead_samples=7, cfo_hz=500.0))) for _ in range(2))
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[first:last] for first, last in itertools.pairwise(edges)]
    assert torch.equal(through(parts, *pieces), through(whole, sent))
    assert parts.transmissions == whole.transmissions == 2


def test_a_transmission_ends_after_so_much_silence_and_then_arrives():
    channel_stream = stream(Chain(Config()))
    assert through(channel_stream, burst(1000), silence(SILENCE_SAMPLES - 1)).numel() == 0
    assert channel_stream.busy
    assert channel_stream.held == 1000
    assert through(channel_stream, silence(1)).shape == (1, 1000 + SILENCE_SAMPLES)
    assert not channel_stream.busy
    assert channel_stream.held == 0


def test_each_transmission_is_a_realisation_of_its_own_that_a_seed_repeats():
    sent = torch.cat([torch.ones(500, dtype=torch.complex64), silence(SILENCE_SAMPLES)])
    turned = Chain(Config(phase_range_rad=math.pi))
    first, again, other = stream(turned), stream(turned), stream(turned, seed=6)
    one, two = through(first, sent)[0, 0], through(first, sent)[0, 0]
    assert one != two
    assert through(again, sent)[0, 0] == one
    assert through(other, sent)[0, 0] != one


@pytest.mark.parametrize("channel", [Awgn(AwgnConfig(snr_db=10.0)), Chain(Config(snr_db=10.0))])
def test_the_noise_floor_is_that_of_unit_transmit_power_whatever_is_sent(channel):
    weak = 0.01 * burst(100_000)
    arrived = through(stream(channel), silence(100_000), weak, silence(100_000))[0]
    for part in (arrived[:100_000], arrived[100_000:200_000] - weak, arrived[200_000:]):
        assert power(part) == pytest.approx(0.1, rel=floor_tolerance(part))


def test_the_floor_has_the_receivers_level_but_none_of_the_mediums_delay():
    channel = Chain(Config(snr_db=0.0, rx_level_dbfs=-20.0, lead_samples=5000, sco_ppm=500.0, adc_bits=12))
    floor = stream(channel).silence(50_000)
    assert floor.shape == (1, 50_000)
    assert power(floor) == pytest.approx(0.01 / 2, rel=floor_tolerance(floor))


def test_samples_of_channels_without_memory_do_not_wait():
    for channel in (None, Awgn(AwgnConfig(snr_db=40.0))):
        channel_stream = stream(channel)
        assert through(channel_stream, burst(1000)).shape == (1, 1000)
        through(channel_stream, silence(SILENCE_SAMPLES - 1), burst(10), silence(SILENCE_SAMPLES))
        assert channel_stream.transmissions == 1
        through(channel_stream, burst(10))
        assert channel_stream.transmissions == 2


def test_what_is_too_long_is_cut_in_its_last_silence_and_nothing_is_lost():
    channel_stream = stream(Chain(Config()), longest_samples=10_000)
    sent = torch.cat([burst(7000), silence(200), burst(7000, 1), silence(SILENCE_SAMPLES)])
    first = through(channel_stream, sent[:10_000])
    assert first.shape == (1, 7100)
    assert channel_stream.cuts == 1
    rest = through(channel_stream, sent[10_000:])
    assert torch.equal(torch.cat([first, rest], dim=-1)[0], sent)
    assert channel_stream.transmissions == 1


def test_what_has_no_silence_is_cut_at_the_limit_and_memory_is_bounded():
    channel_stream = stream(Chain(Config()), longest_samples=4096)
    sent = burst(100_000)
    arrived = []
    for piece in sent.split(3000):
        arrived += channel_stream.push(piece)
        assert channel_stream.held < 4096
    arrived += channel_stream.end()
    assert [one.shape[-1] for one in arrived[:-1]] == [4096] * 24
    assert torch.equal(torch.cat(arrived, dim=-1)[0], sent)


def test_the_end_gives_what_is_held_with_its_silence():
    channel_stream = stream(Chain(Config()))
    sent = torch.cat([burst(100), silence(30)])
    channel_stream.push(sent)
    assert torch.equal(torch.cat(channel_stream.end(), dim=-1)[0], sent)
    assert not channel_stream.busy
    assert channel_stream.end() == []


def test_antennas_are_the_channels():
    channel_stream = stream(Awgn(AwgnConfig(snr_db=10.0, antennas=2)))
    assert channel_stream.antennas == 2
    noise = channel_stream.silence(10_000)
    correlation = (noise[0] * noise[1].conj()).mean().abs() / 0.1
    assert correlation < 5 / math.sqrt(10_000)
    assert through(stream(None, antennas=3), burst(10)).shape == (3, 10)


def test_a_channel_that_cannot_be_had_is_refused_at_once():
    with pytest.raises(ConfigError, match="within half the sample rate"):
        stream(Chain(scenario("pluto_pair")), sample_rate_hz=1e5, occupied_bandwidth_hz=1e5)
    with pytest.raises(ConfigError, match="snr_db is required"):
        stream(Awgn(AwgnConfig()))


def test_a_transmission_gets_what_the_loopback_radio_gives_it_however_the_stream_was_cut():
    channel = Chain(Config(snr_db=10.0, cfo_range_hz=1e3, delay_samples=5.0, delay_range_samples=2.0))
    bursts = [burst(3000, seed) for seed in (1, 2)]
    radio = loopback.build(loopback.Config(seed=7), channel=channel, occupied_share=0.4)
    for one in bursts:
        radio.transmit(one)
    expected = [radio.receive().samples, radio.receive().samples]
    options = {"purpose": "loopback", "signal_power": None, "seed": 7, "occupied_bandwidth_hz": 0.4 * RATE_HZ}
    for cut in (500, 4096):
        joined = stream(channel, **options)
        arrived = []
        for one in bursts:
            joined.push(silence(cut))
            for piece in one.split(cut):
                assert not joined.push(piece)
            arrived += joined.end()
        assert all(torch.equal(got, want) for got, want in zip(arrived, expected, strict=True))


def test_another_channel_holds_from_the_next_transmission():
    joined = stream(Chain(Config(snr_db=10.0)))
    joined.channel = Chain(Config(snr_db=60.0))
    assert not joined.push(burst(4000))
    received = joined.end()[0][0]
    assert power(received - burst(4000)) == pytest.approx(1e-6, rel=0.1)
