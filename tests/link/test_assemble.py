"""The reassembler: every way a transmission ends, and what it makes of hostile headers."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.errors import ConfigError
from sdrjscc.framing.header import Header
from sdrjscc.framing.packetise import packet_count, packetise
from sdrjscc.link.assemble import Assembler, Limits, combine
from sdrjscc.link.receiver import Packet
from sdrjscc.payload import PayloadKind, Plan

P = 50
FRAME = 1000


def plan(header: Header) -> Plan:
    """A codec of a quarter symbol a pixel that knows mode 0 only."""
    if header.mode:
        raise ConfigError(f"mode must be 0 (got {header.mode})")
    return Plan(header.width, header.height, -(-header.width * header.height // 4), PayloadKind.LATENT)


def assembler(**limits: float) -> Assembler:
    settings_ = {"timeout_samples": 100 * FRAME, **limits}
    return Assembler(plan, P, Limits(**settings_))  # type: ignore[arg-type]


def packet_of(header: Header, symbols: torch.Tensor, noise_var: torch.Tensor, start: float = 0.0) -> Packet:
    nothing = torch.zeros(1, 25, dtype=torch.complex64)
    return Packet(header, symbols, noise_var, 0.0, 0.0, 10.0, start, nothing, 0.0, 1e-6)


def header_of(width: int = 40, height: int = 32, **fields: int) -> Header:
    k = -(-width * height // 4)
    values = {"nonce": 1, "transmission": 0, "packet": 0, "packets": packet_count(k, P), "mode": 0, **fields}
    return Header(digest=0x3FA1, prefix=0, more=False, width=width, height=height, **values)


def symbols_of(k: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(k, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def transmission(seed: int = 0, noise_var: float = 0.1, at: float = 0.0, **fields: int) -> list[Packet]:
    """All packets of one transmission without noise, in order, a frame apart."""
    header = header_of(**fields)
    k = -(-header.width * header.height // 4)
    return [
        packet_of(replace(header, packet=i), row, torch.full((P,), noise_var), at + i * FRAME)
        for i, row in enumerate(packetise(symbols_of(k, seed), P))
    ]


def push_all(one: Assembler, packets: list[Packet]) -> list:
    return [done for packet in packets for done in one.push(packet)]


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    shuffle=st.randoms(use_true_random=False),
    repeated=st.integers(0, 5),
)
def test_complete_in_any_order_with_duplicates(width, height, shuffle, repeated) -> None:
    packets = transmission(width=width, height=height)
    order = packets[:-1] + shuffle.sample(packets[:-1], min(repeated, len(packets) - 1))
    shuffle.shuffle(order)
    one = assembler(timeout_samples=10**9)
    assert push_all(one, order) == []
    (done,) = one.push(packets[-1])
    k = -(-width * height // 4)
    torch.testing.assert_close(done.symbols, symbols_of(k), rtol=1e-5, atol=1e-5)
    assert torch.isfinite(done.noise_var).all()
    assert done.received == len(packets)
    assert len(done.packets) == len(order) + 1
    assert len(one.refusals) == 0
    assert one.flush() == []


def test_lost_packets_are_zeros_of_infinite_variance() -> None:
    packets = transmission()
    one = assembler()
    push_all(one, packets[:3] + packets[4:])
    (done,) = one.flush()
    lost = torch.isinf(done.noise_var)
    assert done.received == len(packets) - 1
    assert 0 < int(lost.sum()) <= P
    assert (done.symbols[lost] == 0).all()
    torch.testing.assert_close(done.symbols[~lost], symbols_of(320)[~lost])


def test_newer_transmission_of_the_same_sender_ends_the_older() -> None:
    older, newer = transmission(), transmission(seed=1, transmission=1)
    one = assembler()
    push_all(one, older[:5])
    (ended,) = one.push(newer[0])
    assert (ended.header.transmission, ended.received) == (0, 5)
    assert push_all(one, older[5:]) == []
    assert one.duplicates == len(older) - 5
    (done,) = push_all(one, newer[1:])
    torch.testing.assert_close(done.symbols, symbols_of(320, 1))


def test_a_late_packet_of_an_older_transmission_does_not_end_the_newer() -> None:
    late, current = transmission(transmission=4), transmission(seed=1, transmission=5)
    one = assembler()
    push_all(one, current[:3])
    assert one.push(late[0]) == []
    older, newer = push_all(one, current[3:])
    assert (older.header.transmission, older.received) == (4, 1)
    assert (newer.header.transmission, newer.received) == (5, len(current))


def test_timeout_is_counted_in_samples_since_the_last_packet() -> None:
    packets = transmission()
    one = assembler(timeout_samples=100 * FRAME)
    push_all(one, packets[:2])
    push_all(one, [replace(packets[2], start_sample=90.0 * FRAME)])
    assert one.advance(190 * FRAME) == []
    (done,) = one.advance(190 * FRAME + 1)
    assert done.received == 3
    assert one.advance(10**9) == []
    assert one.flush() == []


def test_silence_before_a_packet_of_the_same_chunk_is_a_timeout_too() -> None:
    """A chunk of any length is pushed before time is told: the packets tell it themselves."""
    packets = transmission()
    one = assembler(timeout_samples=100 * FRAME)
    push_all(one, packets[:4])
    (done,) = one.push(replace(packets[4], start_sample=3 * FRAME + 100 * FRAME + 1))
    assert done.received == 4


def test_duplicates_combine_by_inverse_noise_variance() -> None:
    """Two cycles of a transmission without its last packet; noise as the variances say."""
    generator = torch.Generator().manual_seed(3)
    clean = transmission(width=200, height=200)
    one = assembler()
    for noise_var in (0.5, 0.125):
        for packet in clean[:-1]:
            noise = torch.randn(P, dtype=torch.complex64, generator=generator) * noise_var**0.5
            variances = torch.full((P,), noise_var)
            one.push(replace(packet, symbols=packet.symbols + noise, noise_var=variances, start_sample=0.0))
    (done,) = one.flush()
    arrived = torch.isfinite(done.noise_var)
    assert done.received == len(clean) - 1
    assert done.noise_var[arrived].median() == pytest.approx(0.1)
    single = torch.isclose(done.noise_var, torch.tensor(0.1))
    error = (done.symbols - symbols_of(10_000))[single].abs().square()
    # mean of n exponential variables: relative deviation 1/sqrt(n)
    assert float(error.mean()) == pytest.approx(0.1, rel=4 / math.sqrt(int(single.sum())))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=2), st.booleans(), st.booleans())
def test_combine_is_symmetric_and_takes_what_arrived(variances, first_lost, second_lost) -> None:
    values = [torch.tensor([2.0 + 1.0j]), torch.tensor([-1.0 + 0.5j])]
    lost = (first_lost, second_lost)
    pairs = [
        (torch.full((1,), complex("nan")), torch.tensor([math.inf])) if gone else (s, torch.tensor([v]))
        for s, v, gone in zip(values, variances, lost, strict=True)
    ]
    symbols, noise_var = combine(*pairs)
    swapped = combine(*pairs[::-1])
    torch.testing.assert_close((symbols, noise_var), swapped)
    if all(lost):
        assert symbols == 0 and torch.isinf(noise_var)
        return
    weights = [0.0 if gone else 1 / v for v, gone in zip(variances, lost, strict=True)]
    expected = sum(w * complex(s) for w, s in zip(weights, values, strict=True)) / sum(weights)
    assert complex(symbols) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert float(noise_var) == pytest.approx(1 / sum(weights), rel=1e-4)


def test_combining_noiseless_receptions_stays_finite() -> None:
    sent = symbols_of(4)
    symbols, noise_var = combine((sent, torch.zeros(4)), (sent, torch.zeros(4)))
    torch.testing.assert_close(symbols, sent)
    assert (noise_var < 1e-14).all()


def test_after_completion_a_cyclic_transmission_is_ignored() -> None:
    packets = transmission()
    one = assembler()
    assert len(push_all(one, packets)) == 1
    for cycle in range(1, 4):
        late = [replace(p, start_sample=p.start_sample + cycle * 10 * FRAME) for p in packets]
        assert push_all(one, late) == []
    assert one.duplicates == 3 * len(packets)
    assert one.flush() == []


@pytest.mark.parametrize("first", [0, 200])
def test_ids_unwrap_across_256(first: int) -> None:
    """300 transmissions of one packet that begin at ``first``: each comes out once, in order."""
    one = assembler()
    numbers = [(first + n) % 256 for n in range(300)]
    done = [
        each.header.transmission
        for n, number in enumerate(numbers)
        for each in push_all(one, transmission(width=8, height=8, transmission=number, at=n * FRAME))
    ]
    assert done == numbers
    assert one.duplicates == 0


def test_an_incomplete_transmission_is_ended_across_the_wrap() -> None:
    one = assembler()
    push_all(one, transmission(transmission=255)[:4])
    (ended,) = one.push(transmission(transmission=0)[0])
    assert ended.header.transmission == 255


def test_two_senders_are_kept_apart_by_nonce() -> None:
    mine, theirs = transmission(seed=1, nonce=10), transmission(seed=2, nonce=11)
    one = assembler()
    mixed = [packet for pair in zip(mine, theirs, strict=True) for packet in pair]
    first, second = push_all(one, mixed)
    assert (first.header.nonce, second.header.nonce) == (10, 11)
    torch.testing.assert_close(first.symbols, symbols_of(320, 1))
    torch.testing.assert_close(second.symbols, symbols_of(320, 2))


def test_at_most_four_are_open_and_the_one_longest_silent_makes_room() -> None:
    senders = [transmission(seed=n, nonce=n) for n in range(6)]
    one = assembler()
    ended = push_all(one, [senders[n][0] for n in range(4)])
    assert ended == []
    ended = push_all(one, [senders[0][1], senders[4][0]])
    assert [each.header.nonce for each in ended] == [1]
    ended = push_all(one, [senders[5][0]])
    assert [each.header.nonce for each in ended] == [2]
    assert [each.header.nonce for each in one.flush()] == [3, 0, 4, 5]


def test_byte_limit_counts_duplicates() -> None:
    """A cyclic transmission of which one packet never arrives must not grow for ever."""
    packets = transmission()[:-1]
    limit = 20 * P * 12
    one = assembler(max_bytes=limit, timeout_samples=10**9)
    ended = push_all(one, packets * 4)
    assert len(ended) == 1
    assert ended[0].received == len(packets)
    assert len(ended[0].packets) + len(packets) <= 21


def test_too_few_packets_are_refused_in_words() -> None:
    packets = transmission(width=200, height=200)
    assert len(packets) == 200
    one = assembler()
    push_all(one, packets[:19])
    assert one.flush() == []
    assert list(one.refusals) == ["at least 10% of a picture's packets must arrive (got 19 of 200)"]


HOSTILE = {
    "count": (header_of(packets=3), "a 40x32 picture must come in 7 packets (a header claims 3)"),
    "mode": (header_of(mode=9), "mode must be 0 (got 9)"),
    "side": (
        header_of(width=1001, height=2),
        "pictures must be at most 1000 px a side (a header claims 1001x2)",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_headers_that_are_not_believed_are_refused_in_words(name: str) -> None:
    header, sentence = HOSTILE[name]
    one = assembler(max_side=1000)
    for _ in range(3):
        assert one.push(packet_of(header, torch.zeros(P, dtype=torch.complex64), torch.ones(P))) == []
    assert list(one.refusals) == [sentence]
    assert one.refusals.count(sentence) == 3
    assert one.flush() == []


def test_a_picture_of_more_packets_than_a_header_counts_is_refused() -> None:
    """4095x4095 at 50 symbols a packet is 83,846 packets: no header could say so."""
    header = Header(0x3FA1, 1, 0, 0, 8191, 0, 0, False, 4095, 4095)
    one = assembler()
    assert one.push(packet_of(header, torch.zeros(P, dtype=torch.complex64), torch.ones(P))) == []
    (sentence,) = one.refusals
    assert sentence.startswith("a transmission must fit in 8191 packets (got 83846")


@pytest.mark.parametrize("change", [{"width": 41}, {"height": 31}, {"prefix": 1}, {"mode": 1}])
def test_packets_that_disagree_are_refused_and_the_rest_completes(change: dict) -> None:
    packets = transmission()
    one = assembler()
    one.push(packets[0])
    odd = replace(packets[1], header=replace(packets[1].header, **change))
    assert one.push(odd) == []
    assert list(one.refusals) == ["packets of transmission 0 must agree (got another size or mode)"]
    (done,) = push_all(one, packets[1:])
    torch.testing.assert_close(done.symbols, symbols_of(320))


def test_refusals_stay_few_whatever_comes() -> None:
    one = assembler()
    for width in range(1, 400):
        header = replace(header_of(width=40), width=width, height=4000, packets=8000)
        one.push(packet_of(header, torch.zeros(P, dtype=torch.complex64), torch.ones(P)))
    assert len(one.refusals) <= 101
    assert one.refusals.total == 399


MEMORY = """
import resource, torch
from sdrjscc.framing.header import Header
from sdrjscc.link.assemble import Assembler, Limits
from sdrjscc.link.receiver import Packet
from sdrjscc.payload import PayloadKind, Plan

P, K = 16_400, 4 * 1024 * 1024
one = Assembler(lambda header: Plan(4096, 4096, K, PayloadKind.LATENT), P, Limits(timeout_samples=1 << 40))
symbols, noise_var = torch.zeros(P, dtype=torch.complex64), torch.ones(P)
taps = torch.zeros(1, 25, dtype=torch.complex64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ended = []
for n in range(2000):
    header = Header(0x3FA1, n % 256, n // 256, n % 256, 256, 0, 0, False, 4095, 4095)
    measured = (0.0, 0.0, 10.0, float(n), taps, 0.0, 1e-6)
    ended += one.push(Packet(header, symbols.clone(), noise_var.clone(), *measured))
ended += one.flush()
print(len(ended), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, one.refusals.total)
"""


def test_one_packet_that_claims_a_huge_picture_takes_no_memory() -> None:
    """2,000 senders, one packet each of 4095x4095: peak memory of a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    ended, grown_kib, refused = map(int, done.stdout.split())
    assert (ended, refused) == (0, 2000)
    # four packets of 200 kB are open; each claim believed would be 50 MB of symbols
    assert grown_kib < 16 * 1024
