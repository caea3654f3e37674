"""Pictures over two sockets: codec, OFDM, the driver, pyadi-iio, libiio, and a channel behind the server."""

import pytest
import torch
from iiod import Iiod
from iiod_air import Air

from sdrjscc.channel.chain import Config as ChainConfig
from sdrjscc.channel.chain import build as build_chain
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivingEnd
from sdrjscc.link.session import Link
from sdrjscc.link.transmitter import Transmitter
from sdrjscc.linkfile import parse_link
from sdrjscc.radio.base import build_radio
from sdrjscc.waveform.ofdm import Config as OfdmConfig
from sdrjscc.waveform.ofdm import Ofdm

pytest.importorskip("adi", exc_type=Exception)

SNR_DB, CFO_HZ, RATE_HZ = 20.0, 30e3, 2e6
IMPAIRMENTS = {
    "cfo_hz": CFO_HZ,
    "sco_ppm": 12.0,
    "phase_range_rad": 3.1415927,
    "phase_noise_linewidth_hz": 1.0,
    "delay_samples": 0.5,
    "delay_range_samples": 0.5,
}
# Unit power leaves at -12 dB of half the converter's full scale; the gains of 40 and -40 dB cancel.
POWER = 10 ** (-12 / 10) / 4


@pytest.fixture(scope="module")
def picture():
    return read_sample("astronaut").pixels[:, 100:164, 200:264].contiguous()


@pytest.fixture
def server():
    """Time goes by at a quarter of its speed, and waits for whoever is slow: a slow host loses nothing."""
    share = Ofdm(OfdmConfig()).occupied_bandwidth_hz(1.0)
    air = Air(
        channel=build_chain(ChainConfig(**IMPAIRMENTS)),
        noise_var=POWER / share / 10 ** (SNR_DB / 10),
        share=share,
        speed=0.25,
    )
    with Iiod(air) as server:
        yield server


def config(radio, **tables):
    return parse_link(
        {
            "codec": {"name": "dsc_jscc", "variant": "60-E2D2"},
            "mapping": {"name": "analog"},
            "waveform": {"name": "ofdm"},
            "radios": {"tx": radio},
            **tables,
        }
    )


def pluto_table(server):
    return {
        "name": "pluto",
        "uri": server.uri,
        "center_frequency_hz": 2.45e9,
        "sample_rate_hz": RATE_HZ,
        "rx_gain_db": 40.0,
        "rx_buffer_samples": 16_384,
    }


@pytest.fixture(scope="module")
def expected(picture):
    """The same picture over the same channel, without a PlutoSDR."""
    channel = {
        "name": "chain",
        "snr_db": SNR_DB,
        "lead_samples": 512,
        "tail_samples": 512,
        **IMPAIRMENTS,
    }
    radio = {"name": "loopback", "sample_rate_hz": RATE_HZ, "clock_ppm": 25.0}
    with Link(config(radio, channel=channel)) as link:
        return link.send(picture)


def test_a_picture_is_streamed_through_a_pluto(server, picture, expected, monkeypatch):
    monkeypatch.setattr("sdrjscc.radio.pluto._LONGEST_TX_BUFFER", 4096)
    with Link(config(pluto_table(server))) as link:
        result = link.send(picture)
        status = link.tx_radio.status()
    assert len([entry for entry in server.log if entry[0] == "open"]) == 2
    assert server.air.sent > 2 * 4096  # several buffers, one transmission
    assert server.air.realised == 1
    assert result.packets_received == result.packets_sent
    # some thousand symbols: 0.1 dB rms; the rest is the channel estimate's own noise
    assert result.quality.snr_db == pytest.approx(SNR_DB, abs=0.6)
    assert result.quality.snr_db == pytest.approx(expected.quality.snr_db, abs=0.4)
    assert result.psnr_db.value == pytest.approx(expected.psnr_db.value, abs=0.3)
    assert result.mean("cfo_hz") == pytest.approx(CFO_HZ, abs=20)
    assert (status.clipped, status.saturated, status.overflows) == (0, 0, 0)


def test_a_picture_is_repeated_by_a_pluto(server, picture, expected):
    link = config(pluto_table(server))
    parts = build_parts(link)
    sender = Transmitter(
        parts.codec, parts.mapper, parts.waveform, digest=parts.digest, nonce=7, mode=0, device=parts.device
    )
    sent = sender.transmit(picture)
    share = parts.waveform.occupied_bandwidth_hz(1.0)
    pictures, receptions = [], 0
    with build_radio(link.radios.tx, "radios.tx", channel=None, occupied_share=share) as pluto:
        end = ReceivingEnd(parts, pluto, pluto.clock_ppm)
        pluto.repeat(sent.samples)
        while end.receiver.counters.headers < 3 * sent.packets and receptions < 200:
            reception = pluto.receive()
            pictures += end.push(reception.samples, dropped=reception.dropped)
            receptions += 1
        pictures += end.flush()
    assert end.receiver.counters.headers >= 3 * sent.packets
    assert server.air.realised >= 3
    assert (pictures[0].assembled.header.nonce, pictures[0].assembled.header.transmission) == (7, sent.id)
    error = (pictures[0].assembled.symbols - sent.symbols).abs().square().mean()
    assert 10 * torch.log10(1 / error) > SNR_DB - 0.6
    got = psnr_db(pictures[0].pixels, picture)
    assert got.value > expected.psnr_db.value - 0.3
