"""PDUs: a dictionary and a vector, in numpy on our side and in pmt on GNU Radio's.

``docs/gnuradio.md`` says which keys there are. Vectors pass through pmt's serialised form, which
takes a hundredth of the time of its element by element conversion.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pmt
import torch
from torch import Tensor

from sdrjscc.errors import SdrJsccError

_VECTOR = 0x0A
_CODES = {"u1": 0, "i4": 5, "i8": 7, "f4": 8, "f8": 9, "c8": 10, "c16": 11}  # of pmt_serial_tags.h
_HEADER = ">BBIBB"
_HEADER_BYTES = struct.calcsize(_HEADER)

Meta = dict[str, Any]
Array = npt.NDArray[Any]


class PduError(SdrJsccError):
    """A message is not what the block takes."""


def to_pmt(value: Any) -> Any:
    """A value as pmt: numpy arrays and tensors become uniform vectors, dictionaries go deep."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return _vector(value)
    if isinstance(value, dict):
        table = pmt.make_dict()
        for key, item in value.items():
            table = pmt.dict_add(table, pmt.intern(key), to_pmt(item))
        return table
    return pmt.PMT_NIL if value is None else pmt.to_pmt(value)


def to_python(value: Any) -> Any:
    """A pmt as Python: uniform vectors become numpy arrays, dictionaries have text keys."""
    if pmt.is_uniform_vector(value):
        return _array(value)
    if pmt.is_null(value):
        return None
    if pmt.is_dict(value):
        items = pmt.dict_items(value)
        pairs = [pmt.nth(index, items) for index in range(pmt.length(items))]
        return {str(pmt.to_python(pmt.car(pair))): to_python(pmt.cdr(pair)) for pair in pairs}
    return pmt.to_python(value)


def pdu(meta: Meta, data: Array | Tensor) -> Any:
    """A PDU of a dictionary and a vector, which is flattened."""
    return pmt.cons(to_pmt(meta), to_pmt(data))


def parse_pdu(message: Any) -> tuple[Meta, Array]:
    """Dictionary and vector of a PDU.

    Raises:
        PduError: it is none.
    """
    if not pmt.is_pair(message) or not pmt.is_uniform_vector(pmt.cdr(message)):
        raise PduError(f"a message must be a PDU: a dictionary and a uniform vector (got {message})")
    meta = to_python(pmt.car(message))
    if not (meta is None or isinstance(meta, dict)):
        raise PduError(f"a PDU must begin with a dictionary (got {pmt.car(message)})")
    return meta or {}, _array(pmt.cdr(message))


def wanted(meta: Meta, *keys: str) -> list[Any]:
    """The values of keys that a block needs.

    Raises:
        PduError: one is missing.
    """
    missing = [key for key in keys if key not in meta]
    if missing:
        raise PduError(f"a PDU must have {', '.join(keys)} (it lacks {', '.join(missing)})")
    return [meta[key] for key in keys]


def picture_data(pixels: Tensor) -> Array:
    """A picture's vector: uint8 ``[3, H, W]`` as rows of RGB."""
    return pixels.permute(1, 2, 0).contiguous().numpy().reshape(-1)


def picture_pixels(meta: Meta, data: Array) -> Tensor:
    """A PDU's picture, uint8 ``[3, H, W]``.

    Raises:
        PduError: width and height are missing, or the vector has another length or type.
    """
    width, height = wanted(meta, "width", "height")
    if data.dtype != np.uint8 or len(data) != 3 * width * height:
        raise PduError(
            f"a picture of {width}x{height} must be {3 * width * height} bytes "
            f"(got {len(data)} of {data.dtype})"
        )
    return torch.from_numpy(data.reshape(height, width, 3)).permute(2, 0, 1).contiguous()


def _vector(array: Array) -> Any:
    kind = array.dtype.str[1:]
    if kind not in _CODES:
        raise PduError(f"a vector's type must be one of {', '.join(_CODES)} (got {array.dtype})")
    header = struct.pack(_HEADER, _VECTOR, _CODES[kind], array.size, 1, 0)
    return pmt.deserialize_str(header + array.reshape(-1).astype(array.dtype.newbyteorder(">")).tobytes())


def _array(vector: Any) -> Array:
    data = pmt.serialize_str(vector)
    code = data[1]
    kind = next((kind for kind, one in _CODES.items() if one == code), None)
    if kind is None:
        raise PduError(f"a vector's type must be one of {', '.join(_CODES)} (got code {code})")
    array = np.frombuffer(data, np.dtype(">" + kind), offset=_HEADER_BYTES)
    return array.astype(array.dtype.newbyteorder("="))
