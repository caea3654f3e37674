import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.coding.crc import crc16, crc24a

GOLDEN = json.loads((Path(__file__).parent / "golden" / "sequences.json").read_text())


def bits_of(text):
    return torch.tensor([int(character) for character in text], dtype=torch.uint8)


def value_of(bits):
    return int("".join(map(str, bits.tolist())), 2)


@pytest.mark.parametrize(("function", "check"), [(crc16, 0x31C3), (crc24a, 0xCDE703)])
def test_check_value_of_the_catalogue(function, check):
    """CRC-16/XMODEM and CRC-24/LTE-A of the digits 1 to 9 in ASCII."""
    message = bits_of("".join(f"{byte:08b}" for byte in b"123456789"))
    assert value_of(function(message)) == check


@pytest.mark.parametrize(("function", "name"), [(crc16, "CRC16"), (crc24a, "CRC24A")])
def test_equals_sionna(function, name):
    assert torch.equal(function(bits_of(GOLDEN["message"])), bits_of(GOLDEN[name]))


@pytest.mark.parametrize("function", [crc16, crc24a])
@given(st.lists(st.integers(0, 1), min_size=1, max_size=90))
def test_checksum_of_a_message_with_its_checksum_is_zero(function, message):
    bits = torch.tensor(message, dtype=torch.uint8)
    assert not function(torch.cat([bits, function(bits)])).any()


def test_keeps_batch_dimensions_and_handles_long_and_empty_messages():
    bits = torch.randint(0, 2, (3, 2, 9000), generator=torch.Generator().manual_seed(1))
    checksums = crc16(bits)
    assert checksums.shape == (3, 2, 16)
    assert checksums.dtype == torch.uint8
    assert torch.equal(checksums[1, 1], crc16(bits[1, 1]))
    assert not crc24a(torch.zeros(0, dtype=torch.uint8)).any()
