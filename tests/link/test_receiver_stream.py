"""What must hold however the samples arrive."""

import pytest
import torch
from frame_signals import error_power, frames, noisy, receive, receiver, spaced, turned, waveform
from hypothesis import given, settings
from hypothesis import strategies as st

WAVE = waveform(4)
FRAMES, PAYLOAD = frames(WAVE, 3)
STREAM = noisy(turned(spaced(FRAMES, 2500), 0.02), 12.0)
WHOLE = receive(WAVE, STREAM)


@pytest.mark.parametrize("cfo", [-0.047, -0.03, 0.03, 0.047])
@pytest.mark.parametrize("lead", [0, 2, 17])
def test_a_frame_at_the_very_start_is_found_at_any_carrier_offset(cfo, lead):
    packets = receive(WAVE, noisy(turned(spaced(FRAMES[:1], 600, lead=lead), cfo), 12.0))
    assert [p.header.packet for p in packets] == [0]


def assert_same(packets, expected):
    assert [p.header for p in packets] == [p.header for p in expected]
    for got, want in zip(packets, expected, strict=True):
        scale = float(want.symbols.abs().square().mean().sqrt())
        assert float((got.symbols - want.symbols).abs().max()) < 1e-4 * scale
        assert torch.allclose(got.noise_var, want.noise_var, rtol=1e-3)
        assert got.start_sample == pytest.approx(want.start_sample, abs=1e-3)


def test_whole_stream_gives_every_packet():
    assert [p.header.packet for p in WHOLE] == [0, 1, 2]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 50), st.integers(100, 20_000)), min_size=1, max_size=25))
def test_output_does_not_depend_on_chunks(sizes):
    rx, packets, at = receiver(WAVE), [], 0
    for size in sizes:
        packets += rx.push(STREAM[:, at : at + size])
        at += size
    packets += rx.push(STREAM[:, at:])
    assert_same(packets + rx.flush(), WHOLE)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 9000), st.floats(-3.1, 3.1), st.floats(-0.047, 0.047))
def test_delay_phase_and_carrier_do_not_matter(delay, phase, cfo):
    stream = spaced(FRAMES[:1], 600, lead=delay)
    packets = receive(WAVE, noisy(turned(stream, cfo, phase), 12.0))
    assert [p.header.packet for p in packets] == [0]
    assert packets[0].start_sample == pytest.approx(delay, abs=0.2)
    assert packets[0].cfo_hz == pytest.approx(cfo * 1e6, abs=10)
    assert error_power(packets[0], PAYLOAD) == pytest.approx(10**-1.2, rel=0.25)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2**31))
def test_frames_back_to_back(count, seed):
    parts, payload = frames(WAVE, count, seed=seed)
    packets = receive(WAVE, noisy(parts.flatten()[None], 20.0))
    assert [p.header.packet for p in packets] == list(range(count))
    assert all(error_power(p, payload) < 0.02 for p in packets)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 2 * WAVE.frame_samples))
def test_a_cut_frame_never_costs_the_next(cut):
    stream = noisy(FRAMES.flatten()[None], 20.0)[:, cut:]
    packets = receive(WAVE, stream)
    whole = {i for i in range(3) if cut <= i * WAVE.frame_samples}
    assert whole <= {p.header.packet for p in packets}
    assert all(error_power(p, PAYLOAD) < 0.02 for p in packets if p.header.packet in whole)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3 * WAVE.frame_samples))
def test_the_end_of_the_stream_loses_only_what_lies_behind_it(kept):
    packets = receive(WAVE, noisy(FRAMES.flatten()[None, :kept], 20.0))
    ends = {p.header.packet: p for p in packets}
    for i in range(3):
        if kept >= (i + 1) * WAVE.frame_samples:
            assert not bool(torch.isinf(ends[i].noise_var).any())
    for packet in packets:
        lost = torch.isinf(packet.noise_var)
        assert bool((packet.symbols[lost] == 0).all())
        good = ~lost
        if bool(good.any()):
            error = (packet.symbols - PAYLOAD[packet.header.packet])[good].abs().square().mean()
            assert float(error) < 0.05


def test_a_second_stretch_follows_a_flush():
    rx = receiver(WAVE)
    first = rx.push(STREAM) + rx.flush()
    second = rx.push(STREAM) + rx.flush()
    assert [p.header for p in second] == [p.header for p in first]
    assert second[0].start_sample == pytest.approx(first[0].start_sample + STREAM.shape[-1], abs=0.1)


def test_memory_is_bounded():
    rx = receiver(WAVE)
    held = 0
    for _ in range(30):
        rx.push(STREAM)
        held = max(held, rx._stream.end - rx._stream.start)
    # A frame, a search block and a conditioning block, and their margins.
    assert held < WAVE.frame_samples + 2 * 8192 + STREAM.shape[-1] + 4096


def test_threads_and_random_state_are_left_as_they_were():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        receive(WAVE, STREAM)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(state, torch.random.get_rng_state())
