"""Loops that must be machine code: numba, compiled once for fixed types.

What is compiled lies in numba's disk cache; where no cache can be written it is compiled for this
process only. Import modules of such loops where they are used: importing them compiles.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def machine_code(*signatures: str) -> Callable[[_Function], _Function]:
    """Compile a function for each of these types; it lets other Python threads run meanwhile.

    Sums may be reordered and no value is taken to be NaN or infinite.
    """

    def compiled(function: _Function) -> _Function:
        try:
            result = numba.njit(list(signatures), nogil=True, fastmath=True, cache=True)(function)
        except Exception:
            # No folder can be written, or what is cached is spoilt; faults of the code come again.
            result = numba.njit(list(signatures), nogil=True, fastmath=True)(function)
        return result  # type: ignore[no-any-return]

    return compiled


def inlined(function: _Function) -> _Function:
    """Mark a function as part of compiled ones."""
    return numba.njit(nogil=True, fastmath=True)(function)  # type: ignore[no-any-return]
