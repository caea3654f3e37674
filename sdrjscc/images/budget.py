"""The best quality whose bytes fit: regula falsi on the logarithm of the size, then parts of a step."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sdrjscc.errors import ImageError

_FULL_ENOUGH = 0.97
"""Neighbouring quality steps differ by about 6 % in size: more is rarely to be had."""

_FULL = 0.995
"""Of parts of a step, which differ by about 1.5 %."""


@dataclass(frozen=True)
class SizeLaw:
    """How an encoder's sizes usually run: ``log(bytes) = first + slope * step``.

    It decides how many encodes a search takes, and hardly its result.
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


@dataclass(frozen=True)
class _Found:
    """Ends of a search: the highest step that fits and its bytes, the lowest tried that does not."""

    fitting: _Tried
    coded: bytes
    above: _Tried | None


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
    return _search(encode, steps, budget, law, lambda tried: tried >= math.log(_FULL_ENOUGH * budget)).coded


def fill_budget_finely(
    encode: Callable[[float], bytes], steps: int, budget: int, law: SizeLaw, parts: int
) -> bytes:
    """Encode like :func:`fill_budget`, and fill what is left with parts of the step above.

    Ends early once 99.5 % of the budget are used. An encoder that does not keep to parts of a step does
    no harm: what is taken is the most bytes that fit.

    Args:
        encode: step to bytes, also those between whole steps.
        steps, budget: as there.
        law: of this very picture, near the budget: whole steps that it says to be above are not tried.
        parts: of a step.

    Raises:
        ImageError: not even step 0 fits.
    """
    goal = math.log(max(budget, 1))
    found = _search(encode, steps, budget, law, lambda tried: tried + law.slope > goal)
    step, coded = found.fitting.step, found.coded
    none, all_of_it = 0, parts if step < steps - 1 else 0
    while all_of_it - none > 1 and len(coded) < _FULL * budget:
        share = (goal - found.fitting.log_size) / law.slope
        guess = math.floor(share * parts) if none == 0 and all_of_it == parts else (none + all_of_it) // 2
        part = min(max(guess, none + 1), all_of_it - 1)
        more = encode(step + part / parts)
        if len(coded) < len(more) <= budget:
            none, coded = part, more
        else:
            all_of_it = part
    return coded


def law_near(encode: Callable[[int], bytes], steps: int, budget: int, law: SizeLaw) -> SizeLaw:
    """Measure how the sizes of one picture run near a budget, with another setting of its encoder.

    Args:
        encode, steps, budget: as of :func:`fill_budget`.
        law: where to look first; the answer where not even step 0 fits.
    """
    try:
        found = _search(encode, steps, budget, law, lambda tried: False)
    except ImageError:
        return law
    below, above, slope = found.fitting, found.above, law.slope
    if above is not None:
        slope = max((above.log_size - below.log_size) / (above.step - below.step), 0.1 * law.slope)
    return SizeLaw(below.log_size - slope * below.step, slope)


def _search(
    encode: Callable[[int], bytes],
    steps: int,
    budget: int,
    law: SizeLaw,
    enough: Callable[[float], bool],
) -> _Found:
    """Between the best that fits and the least that does not, until ``enough`` says so of a log size."""
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
            if enough(tried.log_size):
                break
    if fitting is None:
        raise ImageError(
            f"coded picture must fit into {budget} bytes (got {len(coded)} at the lowest quality)"
        )
    return _Found(*fitting, above)


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
