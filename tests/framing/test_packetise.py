import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sdrjscc.coding.lfsr import sign_sequence
from sdrjscc.coding.permutation import Permutation
from sdrjscc.errors import FramingError
from sdrjscc.framing.packetise import depacketise, packet_count, packetise

SIZES = st.integers(1, 3000)
PAYLOADS = st.integers(1, 700)
GOLDEN_SLOTS = [[-2.0, -3.0, -8.0, -1.0, 6.0], [-5.0, -2.0, -4.0, -1.0, 7.0]]


def complex_noise(*shape, seed=1):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def all_packets(packets, noise_var=1.0):
    return {i: (packet, torch.full(packet.shape, noise_var)) for i, packet in enumerate(packets)}


@pytest.mark.parametrize(
    ("symbols", "payload", "packets"),
    [(1, 1, 1), (1, 4000, 1), (4000, 4000, 1), (4001, 4000, 2), (8191, 1, 8191)],
)
def test_packet_count(symbols, payload, packets):
    assert packet_count(symbols, payload) == packets


@pytest.mark.parametrize(
    ("symbols", "payload", "message"),
    [
        (0, 10, r"at least 1 \(got 0 and 10\)"),
        (10, 0, r"at least 1 \(got 10 and 0\)"),
        (8192, 1, r"fit in 8191 packets \(got 8192: 8192 symbols, 1 a packet\)"),
    ],
)
def test_packet_count_refuses_in_a_sentence(symbols, payload, message):
    with pytest.raises(FramingError, match=message):
        packet_count(symbols, payload)


def test_golden_slots():
    """Slot s carries symbol permutation(s) mod k with the sign of its place: for ever."""
    packets = packetise(torch.arange(1.0, 9.0).to(torch.complex64), 5)
    assert packets.real.tolist() == GOLDEN_SLOTS
    assert not packets.imag.any()


@given(SIZES, PAYLOADS)
def test_slots_follow_the_formula(k, payload):
    symbols = complex_noise(k)
    packets = packetise(symbols, payload)
    count = packet_count(k, payload)
    assert packets.shape == (count, payload)
    source = Permutation(count * payload, 0x5D15C).forward(torch.arange(count * payload)) % k
    expected = symbols[source].reshape(count, payload) * sign_sequence(0x3A51, payload)
    assert torch.equal(packets, expected)


@given(SIZES, PAYLOADS)
def test_everything_comes_back(k, payload):
    symbols = complex_noise(k)
    packets = packetise(symbols, payload)
    restored, noise_var = depacketise(all_packets(packets, 0.5), len(packets), k)
    assert restored.dtype == torch.complex64
    assert noise_var.dtype == torch.float32
    torch.testing.assert_close(restored, symbols)
    copies = 0.5 / noise_var
    torch.testing.assert_close(copies, copies.round())
    assert int(copies.round().sum()) == packets.numel()


@given(SIZES, PAYLOADS, st.data())
def test_lost_packets_cost_only_their_symbols(k, payload, data):
    symbols = complex_noise(k)
    packets = packetise(symbols, payload)
    arrived = data.draw(st.sets(st.integers(0, len(packets) - 1)))
    received = {i: pair for i, pair in all_packets(packets).items() if i in arrived}
    restored, noise_var = depacketise(received, len(packets), k)
    known = torch.isfinite(noise_var)
    torch.testing.assert_close(restored[known], symbols[known])
    assert not restored[~known].any()
    assert (noise_var[~known] == torch.inf).all()
    assert int(known.sum()) <= payload * len(arrived)
    assert int(known.sum()) >= k - payload * (len(packets) - len(arrived))


def test_a_lost_packet_is_spread_over_the_transmission():
    k, payload = 16384, 1024
    packets = packetise(complex_noise(k), payload)
    received = all_packets(packets)
    del received[3]
    _, noise_var = depacketise(received, len(packets), k)
    lost = torch.isinf(noise_var).reshape(64, 256).sum(1)
    # 64 stretches of 256 symbols lose 16 each, with a deviation below 4.
    assert int(lost.sum()) == payload
    assert 0 < int(lost.min()) <= int(lost.max()) < 16 + 5 * 4


def test_copies_are_combined_by_inverse_noise_variance():
    """One symbol in four slots: known values and variances, by hand."""
    signs = sign_sequence(0x3A51, 4)
    values = torch.tensor([1.0, 2.0, 4.0, 100.0], dtype=torch.complex64)
    noise_var = torch.tensor([1.0, 0.5, 0.25, torch.inf])
    restored, combined = depacketise({0: (values * signs, noise_var)}, 1, 1)
    torch.testing.assert_close(restored, torch.tensor([(1 + 4 + 16) / 7 + 0j]))
    torch.testing.assert_close(combined, torch.tensor([1 / 7]))


@pytest.mark.parametrize("spoilt", [complex("nan"), complex("inf"), complex(0, float("nan"))])
def test_what_is_no_number_counts_as_lost(spoilt):
    packets = packetise(complex_noise(10), 10)
    noise_var = torch.ones(10)
    packets[0, 4] = spoilt
    noise_var[7] = torch.nan
    restored, combined = depacketise({0: (packets[0], noise_var)}, 1, 10)
    assert torch.isfinite(torch.view_as_real(restored)).all()
    assert int(torch.isinf(combined).sum()) == 2


def test_no_noise_at_all_is_exact():
    symbols = complex_noise(50)
    restored, noise_var = depacketise(all_packets(packetise(symbols, 40), 0.0), 2, 50)
    torch.testing.assert_close(restored, symbols)
    assert (noise_var <= 1e-15).all()


def test_nothing_arrived():
    restored, noise_var = depacketise({}, 3, 7)
    assert restored.tolist() == [0j] * 7
    assert noise_var.tolist() == [torch.inf] * 7


def test_order_of_arrival_is_immaterial():
    packets = packetise(complex_noise(100), 30)
    received = all_packets(packets)
    backwards = dict(reversed(received.items()))
    torch.testing.assert_close(depacketise(received, 4, 100), depacketise(backwards, 4, 100))


def test_work_is_proportional_to_what_arrived():
    """One packet of the largest transmission: no table of all its slots."""
    k, payload = 400_000, 65_536
    index = packet_count(k, payload) - 1
    _, noise_var = depacketise({index: (complex_noise(payload), torch.ones(payload))}, index + 1, k)
    assert 0 < int(torch.isfinite(noise_var).sum()) <= payload


@settings(max_examples=20)
@given(SIZES, PAYLOADS)
def test_signs_whiten_constant_symbols(k, payload):
    assume(payload >= 100)
    mean = packetise(torch.ones(k, dtype=torch.complex64), payload).mean(1).abs()
    # A mean of independent signs has standard deviation payload ** -0.5.
    assert (mean < 5 * payload**-0.5).all()


def test_is_differentiable_both_ways():
    symbols = complex_noise(20).requires_grad_()
    packets = packetise(symbols, 15)
    restored, _ = depacketise(all_packets(packets), 2, 20)
    restored.real.sum().backward()
    torch.testing.assert_close(symbols.grad, torch.ones(20, dtype=torch.complex64))


@pytest.mark.parametrize(
    ("received", "packets", "k", "message"),
    [
        ({2: 10}, 2, 20, r"packet indices must be 0\.\.1 \(got \[2\]\)"),
        ({-1: 10}, 2, 20, r"packet indices must be 0\.\.1 \(got \[-1\]\)"),
        ({0: 10, 1: 11}, 2, 20, r"one length \(got shapes"),
        ({0: 10}, 3, 20, r"must be 2 packets \(got 3\)"),
        ({0: 0}, 1, 20, r"at least 1"),
    ],
)
def test_refuses_what_does_not_fit(received, packets, k, message):
    pairs = {i: (complex_noise(length), torch.ones(length)) for i, length in received.items()}
    with pytest.raises(FramingError, match=message):
        depacketise(pairs, packets, k)


def test_what_a_receiver_asked_for_first_can_be_trained_through():
    payload = 97  # in no other test: its tables are made here
    with torch.inference_mode():
        packetise(torch.ones(payload, dtype=torch.complex64), payload)
    symbols = torch.ones(payload, dtype=torch.complex64, requires_grad=True)
    packetise(symbols, payload).real.sum().backward()
    assert symbols.grad is not None


def test_kept_permutations_are_those_computed_anew(monkeypatch):
    symbols = complex_noise(1000)
    kept = packetise(symbols, 96)
    monkeypatch.setattr("sdrjscc.framing.packetise._KEPT_SLOTS", 0)
    assert torch.equal(packetise(symbols, 96), kept)
