"""The preset with two PlutoSDRs: it loads, and its two ends understand each other."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_pluto import Device

from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.link.receiver import Receiver
from sdrjscc.linkfile import load_link, parse_link, preset_names, to_toml
from sdrjscc.radio.base import build_radio
from sdrjscc.waveform.ofdm import Config, Ofdm

HEADER = Header(
    digest=0x3FA1,
    nonce=7,
    transmission=3,
    packet=0,
    packets=1,
    mode=0,
    prefix=0,
    more=False,
    width=64,
    height=48,
)


def test_the_preset_is_the_loopback_presets_link_on_other_radios():
    assert "pluto-pair" in preset_names()
    pair, loopback = load_link("pluto-pair"), load_link("loopback")
    assert (pair.codec, pair.mapping, pair.waveform) == (loopback.codec, loopback.mapping, loopback.waveform)
    assert pair.channel is None
    assert (pair.radios.tx["end"], pair.radios.rx["end"]) == ("transmit", "receive")
    assert pair.radios.tx["uri"] != pair.radios.rx["uri"]
    assert pair.radios.tx["tx_gain_db"] <= -40


def test_the_preset_survives_toml():
    import tomllib

    pair = load_link("pluto-pair")
    assert parse_link(tomllib.loads(to_toml(pair))) == pair


@pytest.fixture
def pair(monkeypatch, clock):
    """Both ends of the preset; what the first sends, the second hears: 12 bits, 60 kHz off, noise."""
    sender = Device()
    stream = []

    def source(length):
        if not stream:
            sent = np.concatenate([np.zeros(5000), *sender.sent, np.zeros(40_000)])
            turns = np.exp(2j * np.pi * 60e3 / 2e6 * np.arange(len(sent)))
            random = np.random.default_rng(4)
            noise = random.normal(size=len(sent)) + 1j * random.normal(size=len(sent))
            heard = sent / 2**14 * 2**11 * turns + 5 * noise
            stream.extend(heard.real.round() + 1j * heard.imag.round())
        buffer = np.array(stream[:length])
        del stream[:length]
        return np.pad(buffer, (0, length - len(buffer)))

    receiver = Device(source=source)
    devices = {"ip:192.168.2.1": sender, "ip:192.168.3.1": receiver}
    monkeypatch.setitem(sys.modules, "adi", SimpleNamespace(Pluto=lambda uri: devices[uri].connect(uri)))
    radios = load_link("pluto-pair").radios
    waveform = Ofdm(Config())
    share = waveform.occupied_bandwidth_hz(1.0)
    tx = build_radio(radios.tx, "radios.tx", channel=None, occupied_share=share)
    rx = build_radio(radios.rx, "radios.rx", channel=None, occupied_share=share)
    return waveform, tx, rx


def test_a_frame_crosses_the_pair(pair):
    waveform, tx, rx = pair
    bits = torch.randint(0, 2, (waveform.payload_symbols, 2), generator=torch.Generator().manual_seed(2))
    payload = torch.view_as_complex(bits * 2.0 - 1.0) / 2**0.5
    receiver = Receiver(
        waveform,
        sample_rate_hz=rx.sample_rate_hz,
        clock_ppm=(tx.clock_ppm + rx.clock_ppm) / 2,
        center_frequency_hz=rx.center_frequency_hz,
        antennas=rx.antennas,
        digest=HEADER.digest,
    )
    with tx, rx:
        tx.transmit(waveform.modulate(encode_headers([HEADER]), payload[None])[0])
        packets = receiver.push(rx.receive().samples)
        packets += receiver.push(rx.receive().samples) + receiver.flush()
    assert tx.clipped == 0
    (packet,) = packets
    assert packet.header == HEADER
    assert packet.cfo_hz == pytest.approx(60e3, abs=20)
    # signal 2^(12-3) rms in 12-bit codes: 512 amplitude against 2 * 5^2 noise is 37 dB
    error = (packet.symbols - payload).abs().square().mean()
    assert float(error) < 1e-3
