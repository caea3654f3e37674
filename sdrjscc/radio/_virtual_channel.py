"""The channel process of the virtual radio: fetches, applies the channel, is fetched from.

Nothing paces ZeroMQ: this process is the clock of its link.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from sdrjscc.channel._stream import ChannelStream
from sdrjscc.radio._virtual_queue import SampleQueue
from sdrjscc.radio._virtual_sockets import Client, Server, wait

_REQUEST_SAMPLES = 1 << 16
_READY_SAMPLES = 1 << 20
_SILENCE_SAMPLES = 1 << 14
_GRACE_S = 0.01
_FREE_SILENCE_S = 0.1
_STALLED_S = 0.5
_TICK_S = 0.05
_CATCH_UP_S = 0.1


@dataclass
class Totals:
    """What went through so far.

    Attributes:
        taken: samples that came from the transmitting end.
        given: samples that the receiving end got, of each antenna.
        silence: those of them that came from nowhere, as nobody transmitted.
        transmissions, cuts: as the :class:`ChannelStream` counts them.
        transmitter, receiver: whether that end is there.
        idle: whether nobody transmits.
        elapsed_s: since the beginning.
    """

    taken: int = 0
    given: int = 0
    silence: int = 0
    transmissions: int = 0
    cuts: int = 0
    transmitter: bool = False
    receiver: bool = False
    idle: bool = True
    elapsed_s: float = 0.0


class Pace:
    """How many samples a clock of ``rate_hz`` owes; what was not fetched in time is not owed later."""

    def __init__(self, rate_hz: float, now_s: float) -> None:
        self._rate_hz, self._most = rate_hz, max(1.0, _CATCH_UP_S * rate_hz)
        self._then_s, self._owed = now_s, 0.0

    def owed(self, now_s: float) -> int:
        """Whole samples owed at ``now_s``."""
        self._owed = min(self._owed + (now_s - self._then_s) * self._rate_hz, self._most)
        self._then_s = now_s
        return int(self._owed)

    def pay(self, count: int) -> None:
        """So many were given."""
        self._owed = max(0.0, self._owed - count)


class ChannelProcess:
    """Joins a transmitting end and a receiving end; use it in a ``with``.

    While nobody transmits, the receiving end gets noise: the first tenth of a second after a
    transmission, and at the start, as fast as it is fetched, then at the sample rate. So a
    receiver comes to the end of a picture quickly, a loop of both ends has something to begin
    with, and nothing spins.

    Attributes:
        totals: what went through.
    """

    def __init__(
        self, zmq: Any, stream: ChannelStream, *, tx: str, rx: str, sample_rate_hz: float, real_time: bool
    ) -> None:
        """Prepare.

        Args:
            zmq: the module.
            stream: the channel.
            tx: address at which the transmitting end gives samples; it is connected to.
            rx: address at which the receiving end asks for samples; it is bound.
            sample_rate_hz: rate of both ends.
            real_time: give everything at the sample rate, instead of as fast as both ends go.
        """
        self._zmq, self._stream, self._tx, self._rx = zmq, stream, tx, rx
        self._rate_hz, self._real_time = sample_rate_hz, real_time
        self._ready = SampleQueue()
        self._free = round(_FREE_SILENCE_S * sample_rate_hz)
        self._least = max(1, round(_GRACE_S * sample_rate_hz))  # no flood of tiny messages
        self._context: Any = None
        self.totals = Totals()

    def __enter__(self) -> Self:
        """Bind and begin to connect.

        Raises:
            RadioError: an address is in use, or cannot be one.
        """
        self._context = self._zmq.Context()
        try:
            self._server = Server(self._zmq, self._context, self._rx)
            self._client = Client(self._zmq, self._context, self._tx)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._began_s = self._came_s = time.monotonic()
        self._pace = Pace(self._rate_hz, self._began_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close at once."""
        self._context.destroy(linger=0)

    def run(self, report: Callable[[Totals], None], *, every_s: float = 0.5) -> None:
        """Work until interrupted; ``report`` is called now and then.

        Raises:
            RadioError: the transmitting end sends something else than samples.
        """
        next_s = self._began_s
        while True:
            self.step()
            if (now_s := time.monotonic()) >= next_s:
                report(self.count(now_s))
                next_s = now_s + every_s

    def step(self) -> None:
        """Wait for something to happen, shortly, and do what there is to do."""
        wait(self._zmq, [self._client, self._server], _GRACE_S if self._server.requests else _TICK_S)
        self._fetch(time.monotonic())
        self._server.update()
        now_s = time.monotonic()
        while (
            self._server.requests and (samples := self._next(self._server.requests[0][1], now_s)) is not None
        ):
            identity, _ = self._server.requests.popleft()
            if self._server.reply(identity, samples):
                self.totals.given += samples.shape[-1]
            else:
                self._ready.put_back(samples)

    def count(self, now_s: float) -> Totals:
        """The totals, brought up to date."""
        totals, stream = self.totals, self._stream
        totals.transmissions, totals.cuts = stream.transmissions, stream.cuts
        totals.transmitter, totals.receiver = self._client.peers.present, self._server.peers.present
        totals.idle = not stream.busy and not self._ready.count
        totals.elapsed_s = now_s - self._began_s
        return totals

    def _fetch(self, now_s: float) -> None:
        """Take what the transmitting end sent, and ask for more if there is room."""
        samples = self._client.take(1)
        if samples is not None and samples.numel():
            self._came_s = now_s
            self.totals.taken += samples.shape[-1]
            self._put(self._stream.push(samples[0]))
        elif self._stream.busy and self._stalled(now_s):
            self._put(self._stream.end())
        self._client.update()
        if self._ready.count < _READY_SAMPLES and self._client.ask(_REQUEST_SAMPLES):
            self._came_s = now_s

    def _stalled(self, now_s: float) -> bool:
        """Whether the transmitting end went, or has not answered for long."""
        expected = self._client.waiting or not self._client.peers.present
        return expected and now_s - self._came_s > _STALLED_S

    def _put(self, arrived: list[Tensor]) -> None:
        for samples in arrived:
            self._ready.put(samples)
            self._free = round(_FREE_SILENCE_S * self._rate_hz)

    def _next(self, most: int, now_s: float) -> Tensor | None:
        """Samples ``[antennas, n]`` for the receiving end, at most so many; ``None``: not yet."""
        most = min(most, _REQUEST_SAMPLES)
        owed = self._pace.owed(now_s)
        due = owed if owed >= min(most, self._least) else 0
        if self._real_time:
            most = min(most, due)
        if most == 0:
            return None
        if self._ready.count:
            self._pace.pay(most)
            return self._ready.take(most)
        if self._stream.busy or now_s - self._came_s < _GRACE_S:
            return None
        return self._silence(min(most, _SILENCE_SAMPLES), due)

    def _silence(self, most: int, due: int) -> Tensor | None:
        free = 0 if self._real_time else self._free
        count = min(most, free or due)
        if count == 0:
            return None
        self._free -= min(free, count)
        self._pace.pay(count)
        self.totals.silence += count
        return self._stream.silence(count)
