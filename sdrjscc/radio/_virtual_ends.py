"""The two ends of a virtual link, as radios."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from sdrjscc.channel._stream import SILENCE_SAMPLES
from sdrjscc.errors import RadioError, SignalError
from sdrjscc.radio._virtual_queue import SampleQueue
from sdrjscc.radio._virtual_settings import Config
from sdrjscc.radio._virtual_sockets import Client, Server, wait
from sdrjscc.radio.base import Reception, Status

_LARGEST_MESSAGE = 1 << 16
_TICK_S = 0.05
_QUIET_S = 0.5
_LINGER_MS = 2000


class _End:
    """What both ends have; see :class:`sdrjscc.radio.base.Radio`."""

    live = False

    def __init__(self, config: Config, zmq: Any) -> None:
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas = config.clock_ppm, config.antennas
        self._config, self._zmq = config, zmq
        self._context: Any = None
        self._socket: Any = None  # a Server or a Client

    def status(self) -> Status:
        """The rate and carrier it pretends to have; how often the other process came back."""
        settings = {"sample_rate_hz": self.sample_rate_hz, "center_frequency_hz": self.center_frequency_hz}
        connections = 0 if self._socket is None else self._socket.peers.connections
        return Status(settings, reconnects=max(0, connections - 1))

    def _open(self, kind: Callable[..., Any]) -> None:
        if self._context is not None:
            raise RadioError(f"virtual radio at {self._config.address} must be opened once (it is open)")
        self._context = self._zmq.Context()
        try:
            self._socket = kind(self._zmq, self._context, self._config.address)
        except BaseException:
            self._close(0)
            raise

    def _close(self, linger_ms: int) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.destroy(linger=linger_ms)

    def _opened(self, end: str) -> Any:
        if self._config.end != end:
            raise RadioError(
                f"virtual radio at {self._config.address} must have end '{end}' to {end} "
                f"(got '{self._config.end}')"
            )
        if self._context is None:
            raise RadioError(f"virtual radio at {self._config.address} must be open to {end} (it is closed)")
        return self._socket

    def _check_present(self) -> None:
        absent_s = self._socket.peers.absent_s
        if absent_s > self._config.timeout_s:
            raise RadioError(
                f"virtual radio at {self._config.address}: the process at the other side, such as "
                f"'sdrjscc channel', must be there (it has not been for {absent_s:.0f} s)"
            )


class TransmittingEnd(_End):
    """Gives samples to whoever asks, from a queue of bounded memory, in a thread of its own."""

    def __init__(self, config: Config, zmq: Any) -> None:
        super().__init__(config, zmq)
        self._queue = SampleQueue()
        self._changed = threading.Condition()
        self._fetched_s = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Bind the address and begin to answer.

        Raises:
            RadioError: the address is in use, or not this host's.
        """
        self._open(Server)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="virtual radio", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close: at once on an error, else when all that was sent has been fetched.

        Raises:
            RadioError: nothing was fetched for ``timeout_s``.
        """
        finished = False
        try:
            if error is None:
                self._drain()
                finished = True
        finally:
            self._stopping = True
            if self._thread is not None:
                self._thread.join()
                self._thread = None
            self._queue.clear()
            self._close(_LINGER_MS if finished else 0)

    def transmit(self, samples: Tensor) -> None:
        """Send complex ``[n]``, closed by the silence that ends a transmission.

        Returns when they are in the queue, and waits while that is full. They arrive as they are.

        Raises:
            SignalError: not a finite complex vector.
            RadioError: it is not open or the receiving end, or nobody has been there to fetch
                for ``timeout_s``.
        """
        self._opened("transmit")
        if samples.ndim != 1 or not samples.is_complex():
            raise SignalError(f"samples to transmit must be a complex vector (got {tuple(samples.shape)})")
        if not torch.isfinite(samples).all():
            bad = int((~torch.isfinite(samples)).sum())
            raise SignalError(
                f"samples to transmit must be finite (got {bad} of {len(samples)} that are not)"
            )
        copied = pad(samples.detach().resolve_conj().to("cpu", torch.complex64), (0, SILENCE_SAMPLES))
        with self._changed:
            while self._queue.count >= self._config.queue_samples:
                self._check_present()
                self._changed.wait(_TICK_S)  # wakes for Ctrl-C
            self._queue.put(copied)
            self._changed.notify_all()

    def receive(self) -> Reception | None:
        """Refused.

        Raises:
            RadioError: this end transmits.
        """
        self._opened("receive")
        return None

    def _serve(self) -> None:
        server: Server = self._socket
        while not self._stopping:
            ready = server.requests and self._queue.count
            if server.requests and not ready:
                with self._changed:
                    self._changed.wait_for(lambda: self._queue.count, _TICK_S)
            else:
                wait(self._zmq, [server], 0.0 if ready else _TICK_S)
            server.update()
            if server.requests and self._queue.count:
                self._answer(*server.requests.popleft())

    def _answer(self, identity: bytes, count: int) -> None:
        with self._changed:
            samples = self._queue.take(min(count, _LARGEST_MESSAGE))
            if self._socket.reply(identity, samples):
                self._fetched_s = time.monotonic()
            else:
                self._queue.put_back(samples)
            self._changed.notify_all()

    def _drain(self) -> None:
        self._fetched_s = time.monotonic()
        with self._changed:
            while self._queue.count:
                self._check_present()
                if time.monotonic() - self._fetched_s > self._config.timeout_s:
                    raise RadioError(
                        f"virtual radio at {self._config.address}: all that was transmitted must be fetched "
                        f"(nobody came for the last {self._queue.count} samples)"
                    )
                self._changed.wait(_TICK_S)


class ReceivingEnd(_End):
    """Asks for samples, one request ahead of what is read."""

    def __enter__(self) -> Self:
        """Begin to connect."""
        self._open(Client)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; what was on its way is lost."""
        self._close(0)

    def transmit(self, samples: Tensor) -> None:
        """Refused.

        Raises:
            RadioError: this end receives.
        """
        self._opened("transmit")

    def receive(self) -> Reception:
        """The next chunk ``[antennas, n]``; waits for it, and never ends.

        The chunk is empty where the process at the other side is there but gave nothing for half
        a second, so that whoever reads can stop.

        Raises:
            RadioError: it is not open or the transmitting end; nobody was there for ``timeout_s``;
                or what came are not samples of so many antennas.
        """
        client = self._opened("receive")
        quiet_from_s = time.monotonic() + _QUIET_S
        while True:
            client.update()
            client.ask(_LARGEST_MESSAGE)
            samples = client.take(self.antennas)
            if samples is not None:
                client.ask(_LARGEST_MESSAGE)
                return Reception(samples)
            self._check_present()
            if time.monotonic() > quiet_from_s:
                return Reception(torch.empty(self.antennas, 0, dtype=torch.complex64))
            wait(self._zmq, [client], _TICK_S)
