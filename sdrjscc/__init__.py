"""Joint source-channel coding over software-defined radio.

The public interface is small: a :class:`Link` sends pictures, a :class:`Receiver` turns a
stream of samples into packets, :func:`load_codec` gives a codec by name.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdrjscc.codecs.base import load_codec
    from sdrjscc.link.receiver import Receiver
    from sdrjscc.link.result import Result
    from sdrjscc.link.session import Link

__all__ = ["Link", "Receiver", "Result", "load_codec"]

_HOMES = {
    "Link": "sdrjscc.link.session",
    "Receiver": "sdrjscc.link.receiver",
    "Result": "sdrjscc.link.result",
    "load_codec": "sdrjscc.codecs.base",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: the command line's --help must not wait for it
    if name not in _HOMES:
        raise AttributeError(f"module 'sdrjscc' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
