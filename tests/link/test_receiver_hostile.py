"""Dropped, broken and foreign samples: no crash, no false packet, no lost follower."""

import pytest
import torch
from frame_signals import DIGEST, error_power, frames, noisy, receive, receiver, spaced, turned, waveform

from sdrjscc.errors import SignalError

WAVE = waveform(8)
FRAMES, PAYLOAD = frames(WAVE, 3)
STREAM = noisy(turned(FRAMES.flatten()[None], 0.01), 20.0)
LENGTH = WAVE.frame_samples


def by_packet(packets):
    return {p.header.packet: p for p in packets}


def test_a_short_gap_costs_the_symbols_it_hit():
    rx = receiver(WAVE)
    at = LENGTH + 3600
    packets = by_packet(rx.push(STREAM[:, :at]) + rx.push(STREAM[:, at + 100 :], dropped=100) + rx.flush())
    assert sorted(packets) == [0, 1, 2] and rx.counters.dropped == 100
    lost = torch.isinf(packets[1].noise_var)
    assert 200 <= int(lost.sum()) <= 400
    error = (packets[1].symbols - PAYLOAD[1]).abs().square()
    assert float(error[~lost].mean()) < 0.02
    assert error_power(packets[2], PAYLOAD) < 0.02


def test_a_long_gap_keeps_absolute_positions():
    rx = receiver(WAVE)
    gap = 10**12
    packets = rx.push(STREAM[:, :LENGTH]) + rx.push(STREAM[:, LENGTH:], dropped=gap) + rx.flush()
    assert [round(p.start_sample) for p in packets] == [0, LENGTH + gap, 2 * LENGTH + gap]


def test_samples_that_are_no_numbers_are_counted_and_lost():
    stream = STREAM.clone()
    stream[:, LENGTH + 3000] = float("nan")
    stream[:, LENGTH + 3900 : LENGTH + 3910] = complex(float("inf"), 0)
    stream[:, LENGTH + 4200] = 1e30
    rx = receiver(WAVE)
    packets = by_packet(rx.push(stream) + rx.flush())
    assert sorted(packets) == [0, 1, 2] and rx.counters.refused == 12
    lost = torch.isinf(packets[1].noise_var)
    assert 400 <= int(lost.sum()) <= 800
    assert float((packets[1].symbols - PAYLOAD[1]).abs().square()[~lost].mean()) < 0.02
    assert bool(torch.isfinite(packets[2].symbols).all())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1.0, 1e30, 1e-30, -1j])
def test_constant_streams_give_nothing(value):
    rx = receiver(WAVE)
    assert rx.push(torch.full((1, 40_000), value, dtype=torch.complex64)) + rx.flush() == []
    assert rx.counters.preambles == 0


@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_level_does_not_matter(scale):
    packets = receive(WAVE, STREAM * scale)
    assert len(packets) == 3 and all(error_power(p, PAYLOAD) < 0.02 for p in packets)


def test_gain_step_spoils_no_other_frame():
    stream = STREAM.clone()
    stream[:, LENGTH + 3500 :] *= 0.2
    packets = by_packet(receive(WAVE, stream))
    assert sorted(packets) == [0, 1, 2]
    assert error_power(packets[0], PAYLOAD) < 0.02 and error_power(packets[2], PAYLOAD) < 0.02


@pytest.mark.parametrize("gap", [0, 40, 700])
@pytest.mark.parametrize("step_db", [1, 20, 40, 60])
def test_frames_of_other_power_next_to_each_other(step_db, gap):
    """Every second transmitter is stronger; the weaker ones have 15 dB."""
    wave = waveform(4)
    parts, _ = frames(wave, 8, seed=20)
    strong = torch.where(torch.arange(8) % 2 == 0, 10 ** (step_db / 20), 1.0)
    stream = noisy(turned(spaced(parts * strong[:, None], gap, lead=700), 0.02), 15.0, seed=21)
    assert [packet.header.packet for packet in receive(wave, stream)] == list(range(8))


@pytest.mark.parametrize("offset", [600, 1500, 2700, 5000])
def test_of_two_transmitters_at_once_the_stronger_is_received(offset):
    """The other one's frame begins within the first; it is 10 dB stronger."""
    wave = waveform(20)
    parts, _ = frames(wave, 3, seed=22)
    first, third = (turned(spaced(parts[i : i + 1], 700), 0.01) for i in (0, 2))
    second = torch.nn.functional.pad(turned(spaced(parts[1:2], 700), -0.02), (offset, 0))
    length = second.shape[-1]
    stream = torch.nn.functional.pad(first, (0, length - first.shape[-1])) + 10**0.5 * second
    packets = receive(wave, noisy(torch.cat([stream, third], dim=-1), 20.0, seed=23))
    assert {1, 2} <= {packet.header.packet for packet in packets}


def test_mirrored_and_reversed_spectra_are_not_frames():
    assert receive(WAVE, STREAM.conj().resolve_conj()) == []
    assert receive(WAVE, STREAM.flip(-1)) == []


def test_an_unreadable_header_is_named():
    stream = STREAM.clone()[:, :LENGTH]
    generator = torch.Generator().manual_seed(0)
    stream[:, 1056:2416] = torch.randn(1, 1360, dtype=torch.complex64, generator=generator)
    rx = receiver(WAVE)
    assert rx.push(stream) + rx.flush() == []
    assert list(rx.refusals) == ["preamble seen, header undecodable"]
    assert rx.counters.header_failures == 1


def test_a_foreign_configuration_is_named_and_told():
    told = []
    rx = receiver(WAVE, digest=0x0001, on_foreign=lambda header, start: told.append((header.digest, start)))
    assert rx.push(STREAM) + rx.flush() == []
    assert rx.refusals[0] == "unknown configuration 0x3fa1"
    assert [digest for digest, _ in told] == [DIGEST] * 3
    assert rx.counters.headers == 3 and rx.counters.foreign == 3
    assert len(receive(WAVE, STREAM, digest=DIGEST)) == 3


def test_another_payload_numerology_is_read_up_to_its_header():
    told = []
    rx = receiver(waveform(30), digest=0x0001, on_foreign=lambda header, _: told.append(header.packet))
    assert rx.push(STREAM) + rx.flush() == []
    assert told == [0, 1, 2]


@pytest.mark.parametrize("shape", [(2, 100), (1, 2, 3), ()])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(SignalError, match=r"samples must be complex of shape \[1, n\]"):
        receiver(WAVE).push(torch.zeros(shape, dtype=torch.complex64))


def test_wrong_types_and_counts_are_refused():
    with pytest.raises(SignalError, match="samples must be complex"):
        receiver(WAVE).push(torch.zeros(100))
    with pytest.raises(SignalError, match="dropped must not be negative"):
        receiver(WAVE).push(torch.zeros(10, dtype=torch.complex64), dropped=-1)
    with pytest.raises(SignalError, match="antennas must be at least 1"):
        receiver(WAVE, antennas=0)


def test_two_plutos_at_1_msps_are_refused_in_a_sentence():
    with pytest.raises(SignalError, match="sample rate must be at least 1280000 Hz"):
        receiver(WAVE, clock_ppm=25.0)
    receiver(WAVE, clock_ppm=25.0, sample_rate_hz=2e6)


def test_noise_gives_no_preamble():
    generator = torch.Generator().manual_seed(2)
    for antennas in (1, 2):
        rx = receiver(WAVE, antennas=antennas)
        for step in range(2):
            noise = torch.randn(antennas, 1 << 19, dtype=torch.complex64, generator=generator)
            if step:
                bursts = 1 + 30 * (torch.arange(1 << 19) % 9000 < 700).float()
                noise = turned(noise * bursts + 2, 0.013)
            assert rx.push(noise) == []
        # A false alarm in 1e8 samples: in 1e6 the chance of two is 5e-5.
        assert rx.counters.triggers <= 1 and rx.counters.preambles == 0


def test_common_payload_on_two_antennas_triggers_once_a_frame():
    stream = torch.cat([STREAM, 0.1j * STREAM])
    rx = receiver(WAVE, antennas=2)
    assert len(rx.push(stream) + rx.flush()) == 3
    assert rx.counters.triggers == 3


def test_a_dead_antenna_does_no_harm():
    stream = torch.cat([STREAM, torch.zeros_like(STREAM)])
    packets = receive(WAVE, stream, antennas=2)
    assert len(packets) == 3 and all(error_power(p, PAYLOAD) < 0.02 for p in packets)


def test_silence_around_frames_without_noise():
    rx = receiver(WAVE)
    packets = rx.push(spaced(FRAMES, 3000)) + rx.flush()
    assert len(packets) == 3 and rx.counters.triggers == 3
    assert all(error_power(p, PAYLOAD) < 1e-3 for p in packets)


@pytest.mark.parametrize("level_db", [20, 60])
def test_an_antenna_of_mere_noise_takes_no_frame_from_the_other(level_db):
    sent, _ = frames(WAVE, 10)
    heard = noisy(turned(spaced(sent, 700), 0.01, 0.3), 5.0, seed=1)
    deaf = noisy(0 * heard, 0.0, seed=5) * 10 ** (level_db / 20)
    assert len(receive(WAVE, torch.cat([heard, deaf]), antennas=2)) == 10
