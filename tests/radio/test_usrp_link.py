"""A picture through the stand-in USRP and our own channel, with samples lost on the way."""

import pytest
from usrp_example import plugged_usrp, table  # noqa: F401 (a fixture among them)

from sdrjscc.channel.chain import Config as ChainConfig
from sdrjscc.channel.chain import build as build_chain
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivingEnd
from sdrjscc.link.transmitter import Transmitter
from sdrjscc.linkfile import load_link
from sdrjscc.radio.base import build_radio

IMPAIRED = ChainConfig(
    antennas=2,
    snr_db=20.0,
    cfo_hz=4_000.0,
    sco_ppm=3.0,
    phase_rad=1.0,
    taps=({"delay_samples": 0.0}, {"delay_samples": 3.0, "power_db": -9.0}),
    adc_bits=12,
)


@pytest.fixture(scope="module")
def parts():
    return build_parts(load_link("loopback"))


@pytest.fixture(scope="module")
def pixels():
    return read_sample("astronaut", max_side=384).pixels


def sent_and_received(parts, pixels, device_habits, plug):
    plug(channel=build_chain(IMPAIRED), noise_power=1e-7, **device_habits)
    usrp = build_radio(
        table(antennas=2, rx_buffer_samples=16_384),
        "radios.tx",
        channel=None,
        occupied_share=parts.waveform.occupied_bandwidth_hz(1.0),
    )
    receiving = ReceivingEnd(parts, usrp, usrp.clock_ppm)
    sender = Transmitter(parts.codec, parts.mapper, parts.waveform, digest=parts.digest, nonce=3)
    sent = sender.transmit(pixels)
    pictures = []
    with usrp:
        usrp.transmit(sent.samples)
        heard = 0
        while not pictures and heard < len(sent.samples) + 400_000:
            reception = usrp.receive()
            heard += reception.samples.shape[-1] + reception.dropped
            pictures += receiving.push(reception.samples, dropped=reception.dropped)
        pictures += receiving.flush()
        status = usrp.status()
    (picture,) = pictures
    return sent, picture, status, receiving


def test_a_picture_crosses_two_antennas_whole(parts, pixels, plug_in):
    sent, picture, status, _ = sent_and_received(parts, pixels, {}, plug_in)
    assert picture.assembled.received == sent.packets
    assert (status.overflows, status.late, status.underflows, status.saturated) == (0, 0, 0, 0)
    assert picture.assembled.packets[0].cfo_hz == pytest.approx(4_000, abs=20)
    assert psnr_db(pixels, picture.pixels).value > 27


@pytest.mark.parametrize(("frames", "lost", "received"), [(1.5, 10_000, 3), (0.9, 10_000, 2)])
def test_an_overflow_in_the_middle_costs_symbols_or_a_packet_not_the_picture(
    parts, pixels, plug_in, frames, lost, received
):
    frame = parts.waveform.frame_samples
    # within the second frame of three, or across its preamble: reception and burst begin together
    gaps = [(round(frames * frame), lost)]
    sent, picture, status, receiving = sent_and_received(parts, pixels, {"gaps": gaps}, plug_in)
    assert sent.packets == 3
    assert status.overflows == 1
    assert receiving.receiver.counters.dropped == lost
    assert picture.assembled.received == received
    share = picture.assembled.noise_var.isinf().float().mean()
    assert 0.8 * lost / (3 * frame) < share < 0.5
    assert psnr_db(pixels, picture.pixels).value > 18
