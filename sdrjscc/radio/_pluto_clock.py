"""When a PlutoSDR captured what it gave: the device says that samples were lost, this says how many."""

from collections import deque


class CaptureClock:
    """Follows the stream's position in time by this host's clock.

    libiio 0.x hands out one of the kernel's buffers at a time, and queues it again at the next fetch.
    When that comes late, the others are full and capturing has stopped; it goes on with the buffer
    just queued. So the gap lies behind the full buffers, ``kernel_buffers - 1`` receptions later, and
    has lasted from when the last of them was full until now. Accurate to the connection's latency.
    """

    def __init__(self, sample_rate_hz: float, samples: int, kernel_buffers: int, now_s: float) -> None:
        """Begin with the reception that has just come, of ``samples``, at ``now_s``."""
        self._rate_hz, self._samples, self._end_s = sample_rate_hz, samples, now_s
        self._gaps = deque([0] * (kernel_buffers - 1))

    def received(self, called_s: float, returned_s: float, overflow: bool) -> int:
        """Note a reception: how many samples were lost immediately before it.

        Args:
            called_s: when it was asked for.
            returned_s: when it came; it was captured before.
            overflow: whether the device has lost samples since the reception before.
        """
        dropped = self._gaps.popleft()
        self._end_s = min(self._end_s + (dropped + self._samples) / self._rate_hz, returned_s)
        if not overflow:
            self._gaps.append(0)
            return dropped
        queued = len(self._gaps) * self._samples + sum(self._gaps)
        stopped_s = self._end_s + queued / self._rate_hz
        self._gaps.append(max(1, round((called_s - stopped_s) * self._rate_hz)))
        return dropped

    def resumed(self, returned_s: float) -> int:
        """Note the first reception of a new connection: how many samples passed without one."""
        dropped = max(0, round((returned_s - self._end_s) * self._rate_hz) - self._samples)
        self._end_s = returned_s
        self._gaps = deque([0] * len(self._gaps))
        return dropped
