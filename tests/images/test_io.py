"""Reading: every mode, orientation and size, and every way a file can be bad."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdrjscc.errors import ImageError
from sdrjscc.images.io import Picture, read_image, to_float, to_pillow, to_uint8, write_png

ANY_FIXTURE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def saved(folder, image, name, **options):
    path = folder / name
    image.save(path, **options)
    return path


def colours(width=6, height=4):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width) * 40
    pixels[..., 1] = np.arange(height)[:, None] * 60
    pixels[..., 2] = 200
    return pixels


def as_array(picture):
    return picture.pixels.permute(1, 2, 0).numpy()


def png16(values, colour_type):
    """A 16-bit PNG written by hand: Pillow cannot write one with colours."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp", "tga"])
def test_lossless_formats_keep_every_pixel(tmp_path, suffix):
    path = saved(
        tmp_path,
        Image.fromarray(colours()),
        f"a.{suffix}",
        **({"lossless": True} if suffix == "webp" else {}),
    )
    picture = read_image(path)
    assert (as_array(picture) == colours()).all()
    assert (picture.width, picture.height, picture.name, picture.notes) == (6, 4, path.name, ())


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "I;16", "F"]
)
def test_every_mode_becomes_eight_bit_rgb(tmp_path, mode):
    image = Image.new(mode, (5, 3))
    picture = read_image(
        saved(tmp_path, image, "a.tiff") if mode != "HSV" else saved(tmp_path, image.convert("RGB"), "a.png")
    )
    assert picture.pixels.shape == (3, 3, 5)
    assert picture.pixels.dtype == torch.uint8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(tmp_path, orientation):
    upright = Image.fromarray(colours())
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that a camera's value undoes
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(saved(tmp_path, stored, "a.png", exif=exif))
    assert (as_array(picture) == colours()).all()


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    path = saved(tmp_path, Image.fromarray(colours()), "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert (as_array(read_image(path)) == colours()).all()


def test_alpha_is_composed_over_white(tmp_path):
    image = Image.new("RGBA", (3, 1), (100, 0, 0, 255))
    image.putpixel((1, 0), (100, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 51))
    picture = read_image(saved(tmp_path, image, "a.png"))
    assert as_array(picture)[0].tolist() == [[100, 0, 0], [255, 255, 255], [204, 204, 204]]
    assert picture.notes == ("alpha composed over white",)


def test_opaque_alpha_and_transparent_palette(tmp_path):
    assert read_image(saved(tmp_path, Image.new("RGBA", (2, 2), (9, 8, 7, 255)), "a.png")).notes == ()
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    picture = read_image(saved(tmp_path, palette, "p.png", transparency=0))
    assert as_array(picture)[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_sixteen_bit_is_scaled_not_clipped(tmp_path):
    ramp = np.array([[0, 255, 20000, 40000, 65535]], np.uint16)
    grey, colour = tmp_path / "grey.png", tmp_path / "colour.png"
    grey.write_bytes(png16(ramp, 0))
    colour.write_bytes(png16(np.repeat(ramp[..., None], 3, axis=2), 2))
    expected = np.rint(ramp[0] / 257.0)
    picture = read_image(grey)
    assert (as_array(picture)[0, :, 1] == expected).all()
    assert picture.notes == ("16 bit scaled to 8",)
    # Pillow keeps the upper byte of 16-bit colours: at most one level below rounding
    assert (np.abs(as_array(read_image(colour))[0, :, 1] - expected) <= 1).all()


def test_wide_modes_use_their_range(tmp_path):
    unit = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert as_array(read_image(saved(tmp_path, unit, "f.tiff")))[0, :, 0].tolist() == [0, 128, 255]
    wide = Image.fromarray(np.array([[-100, 0, 100000]], np.int32))
    picture = read_image(saved(tmp_path, wide, "i.tiff"))
    assert as_array(picture)[0, [0, 2], 0].tolist() == [0, 255]
    assert "stretched" in picture.notes[0]


def test_first_frame_of_an_animation_and_it_is_said(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    picture = read_image(path)
    assert as_array(picture)[0, 0].tolist() == [255, 0, 0]
    assert picture.notes == ("animated: first frame of 3",)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (4095, 1), (2, 4095)])
def test_extreme_sizes(tmp_path, size):
    picture = read_image(saved(tmp_path, Image.new("RGB", size), "a.png"))
    assert (picture.width, picture.height) == size


def test_too_large_is_refused_and_max_side_shrinks(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (5000, 10), "red"), "a.png")
    with pytest.raises(ImageError, match=r"at most 4095 pixels \(got 5000x10.*--max-side N"):
        read_image(path)
    picture = read_image(path, max_side=100)
    assert (picture.width, picture.height, picture.notes) == (100, 1, ("shrunk from 5000x10",))
    assert read_image(saved(tmp_path, Image.new("RGB", (30, 20)), "b.png"), max_side=40).width == 30
    for wrong in (0, 4096):
        with pytest.raises(ImageError, match="--max-side must be 1 to 4095"):
            read_image(path, max_side=wrong)


def test_decompression_bomb_is_one_sentence(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (60, 60)), "a.png")
    for limit in (3000, 1000):  # Pillow warns above the limit and raises above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match=f"at most {limit} pixels"):
            read_image(path)


def test_bad_arguments_are_one_sentence(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:3000])
    cases = {
        "missing.png": "no such file",
        ".": "the directory",
        "empty.png": "0 bytes",
        "text.jpg": "in a format",
    }
    for name, said in {**cases, "cut.png": "whole and undamaged", "nul\0.png": "null"}.items():
        with pytest.raises(ImageError, match=said) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)


@ANY_FIXTURE
@given(kind=st.sampled_from(["PNG", "GIF", "TIFF", "JPEG", "WEBP", "BMP"]), data=st.data())
def test_damaged_bytes_never_crash(tmp_path, kind, data):
    buffer = io.BytesIO()
    Image.fromarray(colours(32, 24)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert isinstance(read_image(path, max_side=64), Picture)
    except ImageError as error:
        assert str(error)


def test_undecodable_file_name_is_printable(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (2, 2)), "a.png").rename(tmp_path / "b\udcff.png")
    assert read_image(path).name == "b\\udcff.png"


def test_float_and_back():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    wild = torch.tensor([-1.0, 2.0, float("nan"), float("inf"), -float("inf"), 0.5 / 255 + 1e-6])
    assert to_uint8(wild).tolist() == [0, 255, 0, 255, 0, 1]


def test_png_round_trip_and_refusal(tmp_path):
    pixels = torch.randint(0, 256, (3, 7, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    write_png(tmp_path / "new" / "a.png", pixels)
    assert torch.equal(read_image(tmp_path / "new" / "a.png").pixels, pixels)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    with pytest.raises(ImageError, match="uint8"):
        to_pillow(pixels.float())
