"""GNU Radio's wire format for samples over ZeroMQ, request and reply (gr-zeromq 3.8 to 3.10).

A request is a native 32-bit integer: how many items the asker has room for. The answer is one
message of at most so many items, as they lie in memory; it comes when there are samples, so a
request may wait for long. An item is one complex64 sample, or with several antennas one of each,
interleaved (GNU Radio's *vector length*). Tags are not passed. The side that gives samples binds.

The sockets here are ZeroMQ's *router* and *dealer*, which look like *rep* and *req* on the wire
but may ask again: a *req* whose request was lost with its peer waits for ever.
"""

import contextlib
import re
import struct
import time
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdrjscc.errors import RadioError

BYTES_PER_SAMPLE = 8
_REQUEST = struct.Struct("=i")
_EVENT = struct.Struct("=Hi")
_ADDRESS = re.compile(r"tcp://(\[[0-9a-fA-F:.%\w]+\]|[\w.*-]+):(\d{1,5})|ipc://[^\0]{1,100}")


def checked_address(address: str) -> str:
    """The address, if it is one.

    Raises:
        ValueError: it is not.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or (found[2] is not None and not 1 <= int(found[2]) <= 65_535):
        raise ValueError("must be tcp://HOST:PORT, such as tcp://127.0.0.1:5555, or ipc://PATH")
    return address


def to_bytes(samples: Tensor) -> Any:
    """Samples, complex64 ``[n]`` or ``[antennas, n]``, as a message of interleaved items."""
    items = samples if samples.ndim == 1 else samples.T
    return items.contiguous().numpy().view(np.uint8)


def to_samples(message: bytes, antennas: int, address: str) -> Tensor:
    """Samples ``[antennas, n]``, complex64, of a message.

    Raises:
        RadioError: it does not hold whole items.
    """
    if len(message) % (BYTES_PER_SAMPLE * antennas):
        each = "" if antennas == 1 else f" for each of {antennas} antennas"
        raise RadioError(
            f"what {address} sends must be complex64 samples{each}, without tags "
            f"(got a message of {len(message)} bytes)"
        )
    items = torch.from_numpy(np.frombuffer(message, np.complex64).copy())
    return items.reshape(-1, antennas).T.contiguous()


class Peers:
    """Who is connected to a socket, by what ZeroMQ says of it.

    Attributes:
        connections: how often somebody connected.
    """

    def __init__(self, zmq: Any, socket: Any) -> None:
        self._again, self._noblock = zmq.Again, zmq.NOBLOCK
        self._gone, self._came = zmq.EVENT_DISCONNECTED, (zmq.EVENT_ACCEPTED, zmq.EVENT_CONNECTED)
        self.events = socket.get_monitor_socket(sum((*self._came, self._gone)))
        self._connected: set[int] = set()
        self._absent_since_s = time.monotonic()
        self.connections = 0

    @property
    def present(self) -> bool:
        """Whether somebody is connected."""
        return bool(self._connected)

    @property
    def absent_s(self) -> float:
        """For how long nobody has been."""
        return 0.0 if self._connected else time.monotonic() - self._absent_since_s

    def update(self) -> bool:
        """Read what happened; whether somebody went."""
        went = False
        with contextlib.suppress(self._again):
            while True:
                event, descriptor = _EVENT.unpack(self.events.recv_multipart(self._noblock)[0])
                if event in self._came:
                    self._connected.add(descriptor)
                    self.connections += 1
                elif event == self._gone:
                    self._connected.discard(descriptor)
                    self._absent_since_s = time.monotonic()
                    went = True
        return went


class Server:
    """The side that gives samples: binds, and answers requests.

    Attributes:
        peers: who is connected.
        requests: who asks for how many items, oldest first.
    """

    def __init__(self, zmq: Any, context: Any, address: str) -> None:
        """Bind to ``address``.

        Raises:
            RadioError: it is in use, or not this host's.
        """
        self._zmq = zmq
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.peers = Peers(zmq, self.socket)
        self.requests: deque[tuple[bytes, int]] = deque()
        try:
            self.socket.bind(address)
        except zmq.ZMQError as error:
            reason = "it is in use" if error.errno == zmq.EADDRINUSE else zmq.strerror(error.errno)
            raise RadioError(f"{address} must be a free address of this host (got: {reason})") from None

    def update(self) -> None:
        """Take the requests that came; what is not one is passed over."""
        self.peers.update()
        with contextlib.suppress(self._zmq.Again):
            while True:
                frames = self.socket.recv_multipart(self._zmq.NOBLOCK)
                if len(frames) == 3 and len(frames[2]) == _REQUEST.size:
                    self.requests.append((frames[0], max(1, _REQUEST.unpack(frames[2])[0])))

    def reply(self, identity: bytes, samples: Tensor) -> bool:
        """Send samples to who asked; ``False`` where it is gone."""
        try:
            self.socket.send_multipart([identity, b"", to_bytes(samples)], self._zmq.NOBLOCK)
        except self._zmq.ZMQError:
            return False
        return True


class Client:
    """The side that asks for samples: connects, and connects again whenever the other is back.

    Attributes:
        peers: whether the other is connected.
        waiting: whether a request is on its way.
    """

    def __init__(self, zmq: Any, context: Any, address: str) -> None:
        """Begin to connect to ``address``.

        Raises:
            RadioError: the address cannot be one.
        """
        self._zmq, self._address = zmq, address
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self.peers = Peers(zmq, self.socket)
        self.waiting = False
        try:
            self.socket.connect(address)
        except zmq.ZMQError as error:
            raise RadioError(
                f"{address} must be an address to connect to (got: {zmq.strerror(error.errno)})"
            ) from None

    def update(self) -> None:
        """See who came and went."""
        if self.peers.update():
            self.waiting = False  # lost with the connection

    def ask(self, count: int) -> bool:
        """Ask for up to ``count`` items, if the other is there and no request is on its way."""
        if self.waiting or not self.peers.present:
            return False
        with contextlib.suppress(self._zmq.Again):
            self.socket.send_multipart([b"", _REQUEST.pack(count)], self._zmq.NOBLOCK)
            self.waiting = True
        return self.waiting

    def take(self, antennas: int) -> Tensor | None:
        """Samples ``[antennas, n]`` that came, or ``None``.

        Raises:
            RadioError: it was something else.
        """
        try:
            frames = self.socket.recv_multipart(self._zmq.NOBLOCK)
        except self._zmq.Again:
            return None
        self.waiting = False
        return to_samples(frames[-1], antennas, self._address)


def wait(zmq: Any, ends: list[Server | Client], seconds: float) -> None:
    """Wait until anything comes to one of the sockets, at most so long; Ctrl-C interrupts."""
    poller = zmq.Poller()
    for end in ends:
        poller.register(end.socket, zmq.POLLIN)
        poller.register(end.peers.events, zmq.POLLIN)
    poller.poll(max(0.0, 1e3 * seconds))
