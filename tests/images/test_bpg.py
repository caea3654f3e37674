"""BPG's programs are in no registry: these stand in for them and check how they are called.

The stand-in for the encoder writes a true BPG header (magic, flags, sizes of 7 bits a byte) and the
picture as a PNG behind it, the one for the decoder takes that apart again.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import ConfigError, ImageError
from sdrjscc.images.bpg import decode_bpg, encode_bpg

ENCODER = """
import sys, struct
q, quality, f, chroma, o, target, source = sys.argv[1:]
assert (q, f, chroma, o) == ("-q", "-f", "444", "-o") and 0 <= int(quality) <= 51
png = open(source, "rb").read()
def number(value):
    return bytes([0x80 | value >> 7, value & 127]) if value > 127 else bytes([value])
head = b"BPG\\xfb" + bytes([0x60, 0]) + b"".join(number(side) for side in struct.unpack_from(">II", png, 16))
open(target, "wb").write(head + bytes([int(quality)]) + png)
"""
DECODER = """
import sys
o, target, source = sys.argv[1:]
data = open(source, "rb").read()
at = data.find(b"\\x89PNG")
if o != "-o" or at < 0:
    sys.exit("no picture")
open(target, "wb").write(data[at:])
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("bpgenc", ENCODER), ("bpgdec", DECODER)):
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def picture(width: int = 300, height: int = 20) -> torch.Tensor:
    return (torch.arange(3 * height * width) % 251).to(torch.uint8).reshape(3, height, width)


def test_there_and_back(programs: Path) -> None:
    payload = encode_bpg(picture(), 10)
    assert payload[9] == 41  # quantiser parameter 51 - 10
    assert torch.equal(decode_bpg(payload, 300, 20), picture())


def test_through_the_codec(programs: Path) -> None:
    codec = load_codec("separation", "bpg", rho=8.0)
    images = picture(32, 32).unsqueeze(0) / 255
    plan = codec.plan(32, 32, 6)
    assert torch.equal(codec.decode(codec.encode(images, plan), torch.zeros(1), plan), images)


def test_another_size_is_refused_before_the_program_runs(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = encode_bpg(picture(), 10)
    (programs / "bpgdec").write_text("#!/bin/sh\nexit 77\n")
    with pytest.raises(ImageError, match=r"of 20x300 px \(got 300x20\)"):
        decode_bpg(payload, 20, 300)
    with pytest.raises(ImageError, match=r"must take the picture \(it returned 77 and said: nothing\)"):
        decode_bpg(payload, 300, 20)


@pytest.mark.parametrize("payload", [b"", b"BPG", b"BPG\xfb", b"BPG\xfb\0\0" + b"\xff" * 20, b"PNG" * 10])
def test_what_is_no_bpg_is_refused(programs: Path, payload: bytes) -> None:
    with pytest.raises(ImageError, match="BPG file"):
        decode_bpg(payload, 300, 20)


def test_damaged_files_are_refused_in_the_programs_words(programs: Path) -> None:
    with pytest.raises(ImageError, match=r"bpgdec must take .* said: no picture"):
        decode_bpg(encode_bpg(picture(), 3)[:11], 300, 20)


def test_without_the_programs(no_programs: None) -> None:
    with pytest.raises(ConfigError, match="bpgenc must be on the PATH"):
        load_codec("separation", "bpg")
    with pytest.raises(ImageError, match="bpgenc must be on the PATH"):
        encode_bpg(picture(), 3)
