"""What tags tell a receiver of a stream: samples that were lost, and where it ends.

Radios set ``rx_time`` at the first sample, and at the first one after samples that were lost. ``rx_end`` is
ours: what was there before a sample that carries it is over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pmt

RX_TIME, RX_END = "rx_time", "rx_end"


@dataclass(frozen=True)
class Stretch:
    """Samples without a gap inside, of those that a block has at hand.

    Attributes:
        first, last: from and up to, ``last`` not included.
        dropped: samples that were lost before them.
        fresh: whether what was there before is over.
    """

    first: int
    last: int
    dropped: int = 0
    fresh: bool = False


class Timeline:
    """Finds lost samples by comparing the time of every tag with the one before it.

    So a rate that is a little wrong adds nothing up. Time that goes back (a clock that was set) loses no
    samples.
    """

    def __init__(self, sample_rate_hz: float) -> None:
        self._rate = sample_rate_hz
        self._known: tuple[int, int, float] | None = None

    def stretches(self, block: Any, count: int) -> Iterator[Stretch]:
        """Cut the first ``count`` samples of a block's first input at its tags; call it in ``work``."""
        dropped: dict[int, int] = {0: 0}
        over: set[int] = set()
        start = int(block.nitems_read(0))
        for tag in sorted(block.get_tags_in_window(0, 0, count), key=lambda tag: int(tag.offset)):
            at, key = int(tag.offset) - start, pmt.symbol_to_string(tag.key)
            if key == RX_TIME and (lost := self._lost(int(tag.offset), tag.value)):
                dropped[at] = dropped.get(at, 0) + lost
            elif key == RX_END:
                over.add(at)
        cuts = sorted({*dropped, *over})
        for first, last in zip(cuts, [*cuts[1:], count], strict=True):
            yield Stretch(first, last, dropped.get(first, 0), first in over)

    def _lost(self, offset: int, value: Any) -> int:
        if not (pmt.is_tuple(value) and pmt.length(value) == 2):
            return 0
        seconds, fraction = pmt.to_python(value)
        before, self._known = self._known, (offset, int(seconds), float(fraction))
        if before is None:
            return 0
        elapsed_s = (self._known[1] - before[1]) + (self._known[2] - before[2])
        return max(0, round(elapsed_s * self._rate) - (offset - before[0]))


def time_tag(sample: int, sample_rate_hz: float) -> Any:
    """A tag's value for a sample, counted from the beginning of the stream, those lost included."""
    seconds = int(sample // sample_rate_hz)
    return pmt.make_tuple(
        pmt.from_uint64(seconds), pmt.from_double((sample - seconds * sample_rate_hz) / sample_rate_hz)
    )
