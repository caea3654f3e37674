"""AVIF without its container against the whole file, and what hostile bytes may do."""

import io
import struct

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdrjscc.errors import ImageError
from sdrjscc.images import avif
from sdrjscc.images.avif import PARTS, STEPS, decode_avif, encode_avif, strip_avif, wrap_avif
from sdrjscc.images.io import to_pillow
from sdrjscc.images.samples import read_sample


def picture(width: int, height: int, seed: int = 0) -> torch.Tensor:
    """A piece of a photograph."""
    pixels = read_sample("chelsea").pixels
    top, left = seed % (pixels.shape[1] - height), (7 * seed) % (pixels.shape[2] - width)
    return pixels[:, top : top + height, left : left + width].contiguous()


def whole_file(pixels: torch.Tensor, quality: int, speed: int = 8) -> bytes:
    """What Pillow writes, container and all."""
    file = io.BytesIO()
    options = {"quality": quality, "speed": speed, "subsampling": "4:4:4", "codec": "aom"}
    options |= {"max_threads": 1, "autotiling": False, "advanced": {"tune": "psnr", "enable-cdef": "1"}}
    to_pillow(pixels).save(file, "AVIF", **options)
    return file.getvalue()


def decoded_by_pillow(file: bytes) -> torch.Tensor:
    with Image.open(io.BytesIO(file)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 130), st.integers(1, 130), st.sampled_from([0, 20, 50, 90, 100]), st.integers(0, 99))
@example(300, 200, 40, 3)
def test_stripped_equals_unstripped(width: int, height: int, quality: int, seed: int) -> None:
    pixels = picture(width, height, seed)
    file = whole_file(pixels, quality)
    payload = strip_avif(file)
    assert len(payload) <= len(file) - 275  # the container that is not sent
    assert torch.equal(decode_avif(payload, width, height), decoded_by_pillow(file))


@pytest.mark.parametrize("step", [0, 31, STEPS - 1])
def test_encoder_is_pillows_at_the_steps_quality(step: int) -> None:
    pixels = picture(64, 48)
    assert encode_avif(pixels, step, 8) == strip_avif(whole_file(pixels, round(step * 100 / 63)))


def test_steps_are_64_different_qualities() -> None:
    """Each step is one of AV1's quantiser levels; libavif's formula from quality to level."""
    levels = [((100 - round(step * 100 / 63)) * 63 + 50) // 100 for step in range(STEPS)]
    assert levels == list(range(63, -1, -1))


def test_quality_rises_with_the_step() -> None:
    pixels = picture(128, 96)
    coded = [encode_avif(pixels, step, 8) for step in (0, 20, 40, 60)]
    errors = [(decode_avif(one, 128, 96).float() - pixels.float()).square().mean() for one in coded]
    assert sorted(map(len, coded)) == list(map(len, coded))
    assert sorted(errors, reverse=True) == errors


@pytest.mark.parametrize("step", [5, 25, 45])
def test_parts_of_a_step_lie_between_its_neighbours(step: int) -> None:
    """Size and quality; at the coarsest, so small a picture leaves rate control fewer than 256 levels."""
    pixels = picture(256, 192)
    coded = [encode_avif(pixels, step + part / PARTS, 8) for part in range(PARTS + 1)]
    sizes = [len(one) for one in coded]
    errors = [(decode_avif(one, 256, 192).float() - pixels.float()).square().mean() for one in coded]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) >= PARTS
    assert errors == sorted(errors, reverse=True)


def test_parts_of_a_step_beyond_rate_control_are_the_step_below() -> None:
    pixels = picture(256, 192).repeat(1, 4, 4)
    assert encode_avif(pixels, 60.5, 10) == encode_avif(pixels, 60, 10)


def test_the_wrapped_file_is_an_avif_of_that_size() -> None:
    payload = encode_avif(picture(40, 30), 20, 8)
    with Image.open(io.BytesIO(wrap_avif(payload, 40, 30))) as image:
        assert (image.format, image.size, image.mode) == ("AVIF", (40, 30), "RGB")


def test_another_size_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = encode_avif(picture(40, 30), 20, 8)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("must not be decoded")

    monkeypatch.setattr(avif.Image, "open", never)
    with pytest.raises(ImageError, match=r"must be a picture of 30x40 px \(got 40x30\)"):
        decode_avif(payload, 30, 40)


def test_a_sequence_header_of_65536_pixels_a_side_is_refused() -> None:
    """Profile 1, still, reduced, level 0, sides of 16 bits, all ones."""
    bits = "001" + "1" + "1" + "00000" + "1111" + "1111" + "1" * 32
    body = int(bits.ljust(56, "0"), 2).to_bytes(7, "big")
    payload = bytes([0x0A, len(body)]) + body + bytes([0x32, 1, 0])
    with pytest.raises(ImageError, match=r"\(got 65536x65536\)"):
        decode_avif(payload, 40, 30)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
@example(b"")
@example(b"\x0a")
@example(b"\x0a\xff\xff\xff\xff\xff\x0f")
@example(b"\x0a\x00\x32\x00")
@example(b"\x12\x00" * 30)
def test_any_bytes_are_refused_in_a_sentence(payload: bytes) -> None:
    with pytest.raises(ImageError, match="must"):
        decode_avif(payload, 40, 30)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_damaged_payloads_give_a_picture_of_that_size_or_a_sentence(at: int, value: int, cut: bool) -> None:
    good = _damaged()
    at %= len(good)
    payload = good[:at] if cut else good[:at] + bytes([value]) + good[at + 1 :]
    try:
        assert decode_avif(payload, 40, 30).shape == (3, 30, 40)
    except ImageError as error:
        assert "must" in str(error)


def _damaged(cache: list[bytes] = []) -> bytes:
    if not cache:
        cache.append(encode_avif(picture(40, 30), 30, 8))
    return cache[0]


def test_files_of_another_make_are_refused() -> None:
    with pytest.raises(ImageError, match=r"must have an mdat box"):
        strip_avif(b"")
    with pytest.raises(ImageError, match=r"must have an mdat box"):
        strip_avif(struct.pack(">I4s", 0, b"ftyp") + bytes(30))
    twice = io.BytesIO()
    to_pillow(picture(40, 30)).save(twice, "AVIF", subsampling="4:2:0")
    with pytest.raises(ImageError, match="4:4:4 still picture"):
        strip_avif(twice.getvalue())


def test_a_pillow_without_avif_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avif.features, "check", lambda _: False)
    with pytest.raises(ImageError, match="Pillow must have AVIF"):
        encode_avif(picture(8, 8), 0, 8)


def test_a_picture_beyond_the_encoder_is_refused() -> None:
    with pytest.raises(ImageError, match="AVIF encoder takes"):
        encode_avif(torch.zeros(3, 1, 65537, dtype=torch.uint8), 0, 10)
