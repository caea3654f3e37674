"""Why something that came over the air was refused: counted, each reason logged once.

Anybody may send anything, so both the memory and the log that refusals take are bounded.
"""

import logging
from collections.abc import Iterator

_log = logging.getLogger("sdrjscc.link")

_DIFFERENT = 100
_FURTHER = "further kinds of packets were refused"


class Refusals:
    """Reasons in order of their first occurrence, with their counts.

    The first hundred different reasons are kept and logged as warnings; all others count as
    one, and are logged for debugging only.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, reason: str, times: int = 1) -> None:
        """Count a reason; log it if it is new."""
        if reason not in self._counts and len(self._counts) >= _DIFFERENT:
            _log.debug("%s", reason)
            reason = _FURTHER
        if reason not in self._counts:
            _log.warning("%s", reason)
        self._counts[reason] = self._counts.get(reason, 0) + times

    def count(self, reason: str) -> int:
        """How often it was given; 0 if never."""
        return self._counts.get(reason, 0)

    @property
    def total(self) -> int:
        """All refusals."""
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)
