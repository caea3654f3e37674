import json
from pathlib import Path

import pytest
import torch

from sdrjscc.coding.lfsr import gold_sequence, qpsk_sequence, sign_sequence

GOLDEN = json.loads((Path(__file__).parent / "golden" / "sequences.json").read_text())["gold"]


def written_out(c_init, length):
    """The standard's recurrences (TS 38.211, clause 5.2.1), bit by bit."""
    first = [1] + [0] * 30
    second = [c_init >> i & 1 for i in range(31)]
    for n in range(1600 + length):
        first.append(first[n + 3] ^ first[n])
        second.append(second[n + 3] ^ second[n + 2] ^ second[n + 1] ^ second[n])
    return [first[n + 1600] ^ second[n + 1600] for n in range(length)]


@pytest.mark.parametrize("c_init", GOLDEN)
def test_gold_sequence_equals_sionna(c_init):
    expected = [int(bit) for bit in GOLDEN[c_init]]
    assert gold_sequence(int(c_init), len(expected)).tolist() == expected


@pytest.mark.parametrize("length", [0, 1, 30, 31, 32, 1000, 12345])
def test_gold_sequence_equals_the_recurrence_written_out(length):
    bits = gold_sequence(0x1234567, length)
    assert bits.dtype == torch.uint8
    assert bits.tolist() == written_out(0x1234567, length)


def test_longer_sequence_begins_with_the_shorter():
    assert torch.equal(gold_sequence(77, 5000)[:70], gold_sequence(77, 70))


def test_signs_and_qpsk_follow_the_bits():
    bits = gold_sequence(9, 200).to(torch.float32)
    assert torch.equal(sign_sequence(9, 200), 1 - 2 * bits)
    symbols = qpsk_sequence(9, 100)
    assert symbols.dtype == torch.complex64
    torch.testing.assert_close(symbols.abs(), torch.ones(100))
    assert torch.equal(symbols.real < 0, bits[0::2] == 1)
    assert torch.equal(symbols.imag < 0, bits[1::2] == 1)


def test_sequences_of_different_seeds_are_nearly_orthogonal():
    n = 4096
    a, b = sign_sequence(0x3A51, n), sign_sequence(0x5D0D, n)
    # A mean of n independent signs has standard deviation n ** -0.5.
    assert abs((a * b).mean()) < 5 * n**-0.5
    assert abs(a.mean()) < 5 * n**-0.5


@pytest.mark.parametrize(("c_init", "length"), [(-1, 5), (2**31, 5), (0, -1)])
def test_refuses_arguments_out_of_range(c_init, length):
    with pytest.raises(ValueError, match=r"must be .* \(got"):
        gold_sequence(c_init, length)
