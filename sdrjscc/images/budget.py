"""The best quality whose bytes fit: regula falsi on the logarithm of the size."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sdrjscc.errors import ImageError

_FULL_ENOUGH = 0.97
"""Neighbouring quality steps differ by about 6 % in size: more is rarely to be had."""


@dataclass(frozen=True)
class SizeLaw:
    """How an encoder's sizes usually run: ``log(bytes) = first + slope * step``.

    It decides only how many encodes a search takes, never its result.
    """

    first: float
    slope: float

    def step(self, log_size: float) -> float:
        """Where the law has this size."""
        return (log_size - self.first) / self.slope


@dataclass(frozen=True)
class _Tried:
    step: int
    log_size: float


def fill_budget(encode: Callable[[int], bytes], steps: int, budget: int, law: SizeLaw) -> bytes:
    """Encode with the highest quality step whose result has at most ``budget`` bytes.

    Ends early once 97 % of the budget are used.

    Args:
        encode: step ``0 .. steps - 1`` to bytes, more of them at higher steps.
        steps: number of quality steps.
        budget: bytes.
        law: where to look first.

    Raises:
        ImageError: not even step 0 fits.
    """
    goal = math.log(max(budget, 1))
    fitting: tuple[_Tried, bytes] | None = None
    above: _Tried | None = None
    while True:
        lowest = 0 if fitting is None else fitting[0].step + 1
        highest = steps - 1 if above is None else above.step - 1
        if lowest > highest:
            break
        step = _guess(goal, fitting and fitting[0], above, law, (lowest, highest))
        coded = encode(step)
        tried = _Tried(step, math.log(max(len(coded), 1)))
        if len(coded) > budget:
            above = tried
            if step == 0:
                break
        else:
            fitting = tried, coded
            if len(coded) >= _FULL_ENOUGH * budget:
                break
    if fitting is None:
        raise ImageError(
            f"coded picture must fit into {budget} bytes (got {len(coded)} at the lowest quality)"
        )
    return fitting[1]


def _guess(
    goal: float, below: _Tried | None, above: _Tried | None, law: SizeLaw, limits: tuple[int, int]
) -> int:
    """The step that should just fit: on the line through both ends, or by the law through one."""
    if below is not None and above is not None:
        slope = (above.log_size - below.log_size) / (above.step - below.step)
        guess = below.step + (goal - below.log_size) / max(slope, 1e-9)
    elif known := below or above:
        guess = known.step + (goal - known.log_size) / law.slope
    else:
        guess = law.step(goal)
    return min(max(math.floor(guess), limits[0]), limits[1])
