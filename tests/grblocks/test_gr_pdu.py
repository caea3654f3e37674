"""PDUs: values through pmt and back, and what is none."""

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
import torch

from sdrjscc.grblocks.pdu import (
    PduError,
    parse_pdu,
    pdu,
    picture_data,
    picture_pixels,
    to_pmt,
    to_python,
    wanted,
)

ARRAYS = [
    np.array([0, 1, 255], np.uint8),
    np.array([-5, 2**31 - 1], np.int32),
    np.array([-(2**62), 3], np.int64),
    np.array([1.5, -np.inf, 3e38], np.float32),
    np.array([1e300, -2.5]),
    np.array([1 + 2j, -3.5j], np.complex64),
    np.array([1e300 + 2j], np.complex128),
    np.empty(0, np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{len(array)}")
def test_vectors_keep_type_and_values(array):
    back = to_python(to_pmt(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("array", "is_kind", "elements"),
    [
        (np.array([7, 200], np.uint8), pmt.is_u8vector, pmt.u8vector_elements),
        (np.array([-7, 9], np.int32), pmt.is_s32vector, pmt.s32vector_elements),
        (np.array([0.5, -2.0], np.float32), pmt.is_f32vector, pmt.f32vector_elements),
        (np.array([1 - 2j], np.complex64), pmt.is_c32vector, pmt.c32vector_elements),
    ],
)
def test_gnu_radio_reads_our_vectors_and_we_its(array, is_kind, elements):
    vector = to_pmt(array)
    assert is_kind(vector)
    assert list(elements(vector)) == list(array)
    np.testing.assert_array_equal(to_python(pmt.to_pmt(array)), array)


def test_a_tensor_goes_as_its_values_in_order():
    tensor = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    np.testing.assert_array_equal(to_python(to_pmt(tensor)), np.arange(6, dtype=np.float32))


def test_dictionaries_go_deep():
    meta = {"a": 1, "b": 2.5, "c": "text", "d": True, "e": None, "f": {"x": -1, "y": {"z": "w"}}}
    assert to_python(to_pmt(meta)) == meta
    assert isinstance(to_python(to_pmt(meta))["d"], bool)


def test_a_large_vector_is_not_converted_element_by_element():
    data = np.random.default_rng(1).integers(0, 256, 3 * 512 * 512, np.uint8)
    meta, back = parse_pdu(pdu({"name": "x"}, data))
    assert meta == {"name": "x"}
    assert back.flags.writeable
    np.testing.assert_array_equal(back, data)


def test_a_pdu_without_keys():
    assert parse_pdu(pmt.cons(pmt.PMT_NIL, pmt.init_u8vector(1, [9])))[0] == {}


@pytest.mark.parametrize(
    "message",
    [
        pmt.PMT_NIL,
        pmt.intern("hello"),
        pmt.from_double(1.0),
        pmt.cons(pmt.make_dict(), pmt.intern("no vector")),
        pmt.cons(pmt.from_long(3), pmt.init_u8vector(1, [9])),
    ],
    ids=["nil", "symbol", "number", "no vector", "no dictionary"],
)
def test_what_is_no_pdu_is_refused(message):
    with pytest.raises(PduError, match="PDU"):
        parse_pdu(message)


def test_a_vector_of_another_type_is_refused():
    with pytest.raises(PduError, match=r"one of u1.*\(got float16\)"):
        to_pmt(np.zeros(3, np.float16))
    with pytest.raises(PduError, match=r"got code"):
        to_python(pmt.init_u16vector(1, [9]))


def test_missing_keys_are_named():
    assert wanted({"a": 1, "b": 2}, "b", "a") == [2, 1]
    with pytest.raises(PduError, match=r"must have a, c, d \(it lacks c, d\)"):
        wanted({"a": 1}, "a", "c", "d")


def test_a_picture_is_rows_of_rgb():
    pixels = torch.tensor([[[1, 2]], [[11, 12]], [[21, 22]]], dtype=torch.uint8)
    data = picture_data(pixels)
    assert data.tolist() == [1, 11, 21, 2, 12, 22]
    assert torch.equal(picture_pixels({"width": 2, "height": 1}, data), pixels)


@pytest.mark.parametrize(
    ("meta", "data"),
    [
        ({"width": 2}, np.zeros(6, np.uint8)),
        ({"width": 2, "height": 2}, np.zeros(6, np.uint8)),
        ({"width": 2, "height": 1}, np.zeros(6, np.float32)),
    ],
)
def test_what_is_no_picture_is_refused(meta, data):
    with pytest.raises(PduError, match="must"):
        picture_pixels(meta, data)
