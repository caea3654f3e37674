"""Loss, noise variance and offsets against the truth, in channels written here."""

import math

import pytest
import torch
from frame_signals import frames, noisy, receive, spaced, turned, waveform

from sdrjscc.waveform.base import phasor
from sdrjscc.waveform.ofdm import Config, build

COUNT = 12


def statistics(packets, payload):
    error = torch.stack([(p.symbols - payload[p.header.packet]).abs().square() for p in packets])
    reported = torch.stack([p.noise_var for p in packets])
    return float(error.mean()), 10 * math.log10(float((error / reported).mean()))


def shifted(stream, delay):
    """The stream delayed by a fraction of a sample, through its spectrum."""
    n = stream.shape[-1]
    frequency = torch.fft.fftfreq(n, dtype=torch.float64)
    return torch.fft.ifft(torch.fft.fft(stream) * phasor(-frequency * delay))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 25.0])
def test_awgn_with_carrier_and_fractional_delay(snr_db):
    wave = waveform(20)
    parts, payload = frames(wave, COUNT, seed=3)
    stream = noisy(turned(shifted(spaced(parts, 1500), 0.37), 0.031), snr_db, seed=4)
    packets = receive(wave, stream)
    assert [p.header.packet for p in packets] == list(range(COUNT))
    power, calibration_db = statistics(packets, payload)
    loss_db = 10 * math.log10(power) + snr_db
    # 48,000 exponential errors: 0.02 dB standard deviation; the goal is 0.1 dB.
    assert -0.06 < loss_db < 0.16
    assert abs(calibration_db) < 0.3
    for packet in packets:
        assert packet.pilot_snr_db == pytest.approx(snr_db, abs=1.0)
        assert packet.start_sample % 1 == pytest.approx(0.37, abs=0.3 if snr_db < 5 else 0.05)
        assert packet.cfo_hz == pytest.approx(31_000, abs=30 if snr_db < 5 else 3)


def test_sampling_clock_offset_is_found_and_signed_as_transmitter_minus_receiver():
    wave = waveform(40)
    parts, payload = frames(wave, 4, seed=5)
    ppm = 18.0
    stream = spaced(parts, 1500)
    # A fast transmitter's frame is shorter: sample n of the receiver lies at n (1 + ppm) of its clock.
    n = stream.shape[-1]
    spectrum = torch.fft.fft(stream)[0].to(torch.complex128)
    size = round(n / (1 + ppm * 1e-6))
    position = torch.arange(size, dtype=torch.float64) * (1 + ppm * 1e-6)
    whole = position.floor().long().clamp(max=n - 2)
    fraction = (position - whole).float()
    steps = 64
    bank = torch.stack(
        [
            torch.fft.ifft(spectrum * torch.exp(2j * math.pi * torch.fft.fftfreq(n).double() * i / steps))
            for i in range(steps + 1)
        ]
    )
    low = (fraction * steps).floor().long().clamp(max=steps - 1)
    weight = fraction * steps - low
    resampled = (1 - weight) * bank[low, whole] + weight * bank[low + 1, whole]
    packets = receive(wave, noisy(resampled[None].to(torch.complex64), 20.0))
    assert len(packets) == 4
    for packet in packets:
        assert packet.sco_ppm == pytest.approx(ppm, abs=2.0)
    power, calibration_db = statistics(packets, payload)
    assert 10 * math.log10(power) < -19.7 and abs(calibration_db) < 0.3


def test_multipath_gives_each_carrier_its_own_noise_variance():
    wave = waveform(20)
    parts, payload = frames(wave, COUNT, seed=6)
    clean = spaced(parts, 1500)
    echo = torch.nn.functional.pad(clean, (5, 0))[:, :-5]
    packets = receive(wave, noisy(turned(clean + 0.7j * echo, -0.04), 15.0, seed=7))
    error = torch.stack([(p.symbols - payload[p.header.packet]).abs().square() for p in packets])
    reported = torch.stack([p.noise_var for p in packets])
    assert float(reported[0].max() / reported[0].min()) > 10
    order = reported.flatten().argsort()
    for part in order.chunk(5):
        ratio = float(error.flatten()[part].mean() / reported.flatten()[part].mean())
        assert 10 * math.log10(ratio) == pytest.approx(0, abs=0.3)
    taps = packets[0].impulse_response[0].abs()
    assert float(taps[13] / taps[8]) == pytest.approx(0.7, abs=0.05)


def test_two_antennas_gain_three_decibels():
    wave = waveform(20)
    parts, payload = frames(wave, COUNT, seed=8)
    clean = spaced(parts, 1500)
    packets = receive(wave, noisy(torch.cat([clean, 1j * clean]), 5.0, seed=9), antennas=2)
    power, calibration_db = statistics(packets, payload)
    assert 10 * math.log10(power) == pytest.approx(-8.0, abs=0.2)
    assert abs(calibration_db) < 0.3


def test_phase_noise_is_followed_and_accounted_for():
    wave = waveform(40)
    parts, payload = frames(wave, COUNT, seed=10)
    stream = spaced(parts, 1500)
    generator = torch.Generator().manual_seed(11)
    steps = torch.randn(stream.shape[-1], generator=generator, dtype=torch.float64) * math.sqrt(
        2 * math.pi * 5e-6
    )
    packets = receive(wave, noisy(stream * phasor(steps.cumsum(0) / (2 * math.pi)), 25.0, seed=12))
    assert len(packets) == COUNT
    power, calibration_db = statistics(packets, payload)
    # 5 Hz at 1 MS/s: inter-carrier interference alone is 2 pi 5e-6 256 / 6 = -28.7 dB.
    assert 10 * math.log10(power) < -21.5
    assert abs(calibration_db) < 0.3


def test_headers_at_minus_5_decibels():
    wave = waveform(1)
    parts, _ = frames(wave, 60, seed=13)
    packets = receive(wave, noisy(turned(spaced(parts, 800), 0.045), -5.0, seed=14))
    assert len(packets) == 60


@pytest.mark.parametrize("boost_db", [0.0, 5.0])
def test_a_header_is_read_whatever_the_preamble_boost(boost_db):
    sender = build(Config(payload_ofdm_symbols=8, preamble_boost_db=5.0))
    own = build(Config(payload_ofdm_symbols=8, preamble_boost_db=boost_db))
    parts, payload = frames(sender, 6, seed=15)
    packets = receive(own, noisy(turned(spaced(parts, 900), 0.02), 8.0, seed=16))
    assert len(packets) == 6
    if boost_db == 5.0:
        power, calibration_db = statistics(packets, payload)
        assert 10 * math.log10(power) == pytest.approx(-8.0, abs=0.2)
        assert abs(calibration_db) < 0.3


@pytest.mark.parametrize(
    "numerology",
    [
        {"fft_size": 1024, "cyclic_prefix": 64, "active_carriers": 416, "payload_ofdm_symbols": 6},
        {
            "fft_size": 512,
            "cyclic_prefix": 16,
            "active_carriers": 208,
            "pilot_spacing": 13,
            "payload_ofdm_symbols": 5,
        },
        {
            "fft_size": 128,
            "cyclic_prefix": 16,
            "active_carriers": 52,
            "pilot_spacing": 13,
            "payload_ofdm_symbols": 30,
        },
        {"payload_ofdm_symbols": 1},
    ],
)
def test_payload_numerology_is_free(numerology):
    wave = build(Config(**numerology))
    parts, payload = frames(wave, 4, seed=17)
    packets = receive(wave, noisy(turned(shifted(spaced(parts, 900), 0.4), -0.03), 15.0, seed=18))
    assert len(packets) == 4
    power, calibration_db = statistics(packets, payload)
    assert 10 * math.log10(power) == pytest.approx(-15.0, abs=0.3)
    assert abs(calibration_db) < 0.4


def test_two_plutos_120_khz_apart():
    wave = waveform(8)
    parts, _ = frames(wave, 4, seed=19)
    for cfo in (-0.06, 0.06):
        stream = noisy(turned(spaced(parts, 900), cfo), 0.0, seed=20)
        packets = receive(wave, stream, clock_ppm=25.0, sample_rate_hz=2e6)
        assert len(packets) == 4
        assert packets[0].cfo_hz == pytest.approx(cfo * 2e6, abs=40)


def test_carrier_offset_is_estimated_as_well_as_the_frame_allows():
    """16 k payload at 10 dB: the Cramer-Rao bound of what is known in a frame is 0.11 Hz at 1 MS/s."""
    wave = waveform(82)
    parts, _ = frames(wave, 30, seed=30)
    packets = receive(wave, noisy(turned(shifted(spaced(parts, 700), 0.21), 0.0173), 10.0, seed=31))
    assert len(packets) == 30
    assert torch.tensor([p.cfo_hz - 17_300 for p in packets]).square().mean().sqrt() < 0.16


@pytest.mark.parametrize("symbols", [20, 40])
def test_noise_variance_counts_what_the_transmitter_clips(symbols):
    """At 30 dB, with 30 dB of signal to distortion: without the distortion it is 1.2 dB too small."""
    wave = build(Config(payload_ofdm_symbols=symbols, clip_db=6.0))
    parts, payload = frames(wave, COUNT, seed=12)
    packets = receive(wave, noisy(turned(spaced(parts, 1500), 0.01), 30.0, seed=13))
    power, calibration_db = statistics(packets, payload)
    assert 10 * math.log10(power) > -27.5
    # The headers are alike and so is their distortion, some tenths of a decibel off the payload's.
    assert abs(calibration_db) < 0.4
