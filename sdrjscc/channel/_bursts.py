"""A sample channel on a stream whose bursts are marked with their lengths."""

from collections.abc import Iterable

from torch import Tensor

from sdrjscc.channel._stream import ChannelStream


class BurstChannel:
    """Feeds a :class:`ChannelStream`: a marked burst is one transmission, whatever comes before and after.

    What is not marked is for the stream to judge, and so are ``SILENCE_SAMPLES`` zeros within a burst.
    """

    def __init__(self, stream: ChannelStream) -> None:
        self.stream = stream
        self._left = 0

    def push(self, samples: Tensor, marks: Iterable[tuple[int, int]] = ()) -> list[Tensor]:
        """Take samples, complex64 ``[n]``; return those that now arrive, each ``[antennas, m]``.

        Args:
            samples: what was sent.
            marks: offset in ``samples`` and length of each burst that begins there, ascending.
        """
        arrived: list[Tensor] = []
        at = 0
        for offset, length in marks:
            arrived += self._until(samples[at:offset])
            arrived += self.end()
            at, self._left = offset, max(0, length)
        return arrived + self._until(samples[at:])

    def end(self) -> list[Tensor]:
        """Nothing follows: what is held arrives."""
        self._left = 0
        return self.stream.end() if self.holds else []

    @property
    def holds(self) -> bool:
        """Whether something waits for its end."""
        return self.stream.busy or self.stream.held > 0

    def _until(self, samples: Tensor) -> list[Tensor]:
        """The rest of the burst at hand, then what is in no burst."""
        inside = min(self._left, len(samples))
        arrived = self.stream.push(samples[:inside]) if inside else []
        self._left -= inside
        if inside and not self._left:
            arrived += self.end()
        return arrived + self.stream.push(samples[inside:]) if inside < len(samples) else arrived
