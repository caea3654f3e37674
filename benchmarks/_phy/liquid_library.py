"""The C functions of liquid-dsp's OFDM frames, out of the extension module in its wheel.

The wheel's Python binding offers neither the modulation nor the carrier allocation, and copies
every sample; the shared object behind it exports the C interface.
"""

import ctypes
import importlib.util
from ctypes import POINTER, c_char_p, c_float, c_int, c_ubyte, c_uint, c_void_p
from functools import cache
from typing import Any

from _phy.system import MissingPeerError


class Stats(ctypes.Structure):
    """``framesyncstats_s``."""

    _fields_ = [
        *((name, c_float) for name in ("evm", "rssi", "cfo")),
        ("framesyms", POINTER(c_float)),
        *((name, c_uint) for name in ("num_framesyms", "mod_scheme", "mod_bps", "check", "fec0", "fec1")),
    ]


class Props(ctypes.Structure):
    """``ofdmflexframegenprops_s``."""

    _fields_ = [(name, c_uint) for name in ("check", "fec0", "fec1", "mod_scheme")]


class Totals(ctypes.Structure):
    """``framedatastats_s``."""

    _fields_ = [
        *((name, c_uint) for name in ("detected", "headers", "payloads")),
        ("bytes", ctypes.c_ulong),
    ]


Callback = ctypes.CFUNCTYPE(c_int, POINTER(c_ubyte), c_int, POINTER(c_ubyte), c_uint, c_int, Stats, c_void_p)

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "liquid_getopt_str2mod": (c_uint, [c_char_p]),
    "liquid_getopt_str2fec": (c_uint, [c_char_p]),
    "liquid_getopt_str2crc": (c_uint, [c_char_p]),
    "ofdmframe_init_default_sctype": (c_int, [c_uint, c_void_p]),
    "ofdmflexframegen_create": (c_void_p, [c_uint, c_uint, c_uint, c_void_p, c_void_p]),
    "ofdmflexframegen_destroy": (c_int, [c_void_p]),
    "ofdmflexframegen_assemble": (c_int, [c_void_p, c_char_p, c_char_p, c_uint]),
    "ofdmflexframegen_getframelen": (c_uint, [c_void_p]),
    "ofdmflexframegen_write": (c_int, [c_void_p, c_void_p, c_uint]),
    "ofdmflexframesync_create": (c_void_p, [c_uint, c_uint, c_uint, c_void_p, Callback, c_void_p]),
    "ofdmflexframesync_destroy": (c_int, [c_void_p]),
    "ofdmflexframesync_execute": (c_int, [c_void_p, c_void_p, c_uint]),
    "ofdmflexframesync_reset": (c_int, [c_void_p]),
    "ofdmflexframesync_get_framedatastats": (Totals, [c_void_p]),
}


@cache
def library() -> Any:
    """The C library, its functions declared.

    Raises:
        MissingPeerError: it is not installed.
    """
    found = importlib.util.find_spec("liquid")
    if found is None or found.origin is None:
        raise MissingPeerError("liquid-dsp is not installed: pip install liquid-dsp")
    loaded = ctypes.CDLL(found.origin)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def props(modulation: str) -> Props:
    """Payload with a CRC-32, without a code, so that all its symbols are comparable to ours."""
    lib = library()
    none = lib.liquid_getopt_str2fec(b"none")
    mod = lib.liquid_getopt_str2mod(modulation.encode())
    return Props(lib.liquid_getopt_str2crc(b"crc32"), none, none, mod)
