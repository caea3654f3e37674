"""The two streams of a USRP: continuous reception with its gaps, transmission in timed bursts."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdrjscc.errors import RadioError
from sdrjscc.radio._device import Counts, must
from sdrjscc.radio.base import Reception

_log = logging.getLogger("sdrjscc.radio")

_LEAD_S = 0.1  # what starts at a given time must reach the device before it: 50 ms at the least
_PATIENCE_S = 1.0
_POLL_S = 0.005
_PIECE = 1 << 18

_RX_FAULTS = {
    "timeout": "deliver samples in time (got none)",
    "late": "be told to stream before the time to start has passed (late command)",
    "broken_chain": "get its stream commands without a gap (broken chain)",
    "alignment": "deliver the samples of all channels of one time (they could not be aligned)",
    "bad_packet": "deliver packets that can be read (bad packet)",
}
_TX_LOSSES = ("underflow", "underflow_in_packet", "seq_error", "seq_error_in_packet")
"""Events that count as underflows; at a sequence error a packet was lost, and its samples were missing."""


class Receiving:
    """Continuous reception on some channels; counts overflows."""

    def __init__(
        self, uhd: Any, usrp: Any, device: str, stream_args: Any, counts: Counts, *, most: int
    ) -> None:
        """Set the stream up; ``most`` is the number of samples of a reception."""
        self._counts = counts
        self._types, self._usrp, self._device = uhd.types, usrp, device
        self._stream = usrp.get_rx_stream(stream_args)
        self._channels, self._most = len(stream_args.channels), most
        self._rate = float(usrp.get_rx_rate(0))
        self._metadata = uhd.types.RXMetadata()
        self._expected: tuple[int, float, int] | None = None

    def start(self) -> None:
        """Begin to stream, all channels at one time of the device's clock."""
        command = self._types.StreamCMD(self._types.StreamMode.start_cont)
        command.stream_now = False
        begin = _later(self._types, self._usrp.get_time_now(), _LEAD_S)
        command.time_spec = begin
        self._stream.issue_stream_cmd(command)
        self._expected = (begin.get_full_secs(), begin.get_frac_secs(), 0)

    def stop(self) -> None:
        """Tell the device to stop streaming."""
        self._stream.issue_stream_cmd(self._types.StreamCMD(self._types.StreamMode.stop_cont))

    def let_go(self) -> None:
        """Drop what keeps the device open, whoever keeps this object."""
        self._stream = self._usrp = None

    def receive(self) -> Reception:
        """The next samples, at most ``most``; an overflow before them is counted.

        Raises:
            RadioError: the device is lost, or reports anything but an overflow.
        """
        patience_s = _LEAD_S + self._most / self._rate + _PATIENCE_S
        buffer = np.empty((self._channels, self._most), dtype=np.complex64)
        while True:
            with must(self._device, "stay connected while it receives"):
                count = self._stream.recv(buffer, self._metadata, patience_s)
            self._heed(self._metadata.error_code)
            if count:
                dropped = self._gap(count)
                return Reception(torch.from_numpy(buffer[:, :count]), dropped)

    def _heed(self, code: Any) -> None:
        codes = self._types.RXMetadataErrorCode
        if code == codes.overflow:
            self._counts.overflow(self._device)
        elif code != codes.none:
            raise RadioError(f"{self._device} must {_RX_FAULTS[code.name]}")

    def _gap(self, count: int) -> int:
        """Samples missing before these ``count``, by their time stamp.

        Seconds and fractions are subtracted apart: together they would not resolve a sample.
        """
        if not self._metadata.has_time_spec:
            return 0
        full, fraction = self._metadata.time_spec.get_full_secs(), self._metadata.time_spec.get_frac_secs()
        since = self._expected or (full, fraction, 0)
        passed: int = round((full - since[0] + fraction - since[1]) * self._rate)
        self._expected = (full, fraction, count)
        return max(0, passed - since[2])


class Sending:
    """Transmission on channel 0 in bursts, each with a start time; counts underflows and late bursts."""

    def __init__(self, uhd: Any, usrp: Any, device: str, stream_args: Any, counts: Counts) -> None:
        """Set the stream up."""
        self._counts = counts
        self._types, self._usrp, self._device = uhd.types, usrp, device
        self._stream = usrp.get_tx_stream(stream_args)
        self._rate = float(usrp.get_tx_rate(0))
        self._message = uhd.types.TXAsyncMetadata()
        self._unacknowledged, self._in_burst = 0, False
        self._on_air_until_s = -math.inf
        self._late_reported = counts.late

    def send(self, samples: Tensor) -> None:
        """Send complex64 ``[n]`` as one burst, behind those before it.

        Raises:
            RadioError: the device is lost, or a burst came too late.
        """
        self.heed()
        with must(self._device, "stay connected while it transmits"):
            now = self._usrp.get_time_now()
            wait_s = max(_LEAD_S, self._on_air_until_s - now.get_real_secs())
            self._on_air_until_s = now.get_real_secs() + wait_s + len(samples) / self._rate
            self._put(samples, self._metadata(_later(self._types, now, wait_s)), wait_s + _PATIENCE_S)
            self.end_burst()
            self._unacknowledged += 1
        self.heed()

    def end_burst(self) -> None:
        """Close an open burst: what follows the last sample is silence."""
        if self._in_burst:
            last = self._types.TXMetadata()
            last.end_of_burst = True
            self._stream.send(np.zeros((1, 0), dtype=np.complex64), last, _PATIENCE_S)
            self._in_burst = False

    def let_go(self) -> None:
        """Drop what keeps the device open, whoever keeps this object."""
        self._stream = self._usrp = None

    def drain(self) -> None:
        """Wait until all bursts are acknowledged, each by its time at the latest.

        Raises:
            RadioError: a burst came too late, or was never acknowledged.
        """
        with must(self._device, "tell its time"):
            patience_s = self._on_air_until_s - self._usrp.get_time_now().get_real_secs()
        ends_s = time.monotonic() + max(0.0, patience_s) + _PATIENCE_S
        self.heed()
        while self._unacknowledged and time.monotonic() < ends_s:
            time.sleep(_POLL_S)  # not in the library, which would hold Python's lock
            self.heed()
        if self._unacknowledged:
            raise RadioError(
                f"{self._device} must acknowledge every burst that it has transmitted "
                f"({self._unacknowledged} it did not)"
            )

    def heed(self) -> None:
        """Take the device's messages.

        Raises:
            RadioError: a burst came too late, and was not sent.
        """
        with must(self._device, "tell what became of a transmission"):
            while self._stream.recv_async_msg(self._message, 0.0):
                self._take(self._message.event_code)
        if self._counts.late > self._late_reported:
            self._late_reported = self._counts.late
            raise RadioError(
                f"{self._device} must get a transmission before its time (it came late, and was not sent)"
            )

    def _take(self, code: Any) -> None:
        if code.name == "burst_ack":
            self._unacknowledged = max(0, self._unacknowledged - 1)
        elif code.name == "time_error":
            self._counts.late += 1
            self._unacknowledged = max(0, self._unacknowledged - 1)
        elif code.name in _TX_LOSSES:
            self._counts.underflows += 1
            _log.warning("%s: samples were missing within a transmission (%s)", self._device, code.name)

    def _metadata(self, start: Any) -> Any:
        first = self._types.TXMetadata()
        first.start_of_burst, first.has_time_spec, first.time_spec = True, True, start
        return first

    def _put(self, samples: Tensor, metadata: Any, patience_s: float) -> None:
        """Hand over all samples; the library may take fewer than it is given when it waited too long."""
        queue = np.ascontiguousarray(samples.numpy().reshape(1, -1))
        self._in_burst = True
        done = 0
        while done < queue.shape[1]:
            piece = np.ascontiguousarray(queue[:, done : done + _PIECE])
            taken = self._stream.send(piece, metadata, patience_s + piece.shape[1] / self._rate)
            if not taken:
                raise RadioError(f"{self._device} must take samples to transmit in time (it took none)")
            done += taken
            metadata = self._types.TXMetadata()


def _later(types: Any, now: Any, seconds: float) -> Any:
    """A time of the device's clock ``seconds`` after ``now``, exact to its fractions."""
    whole = math.floor(now.get_frac_secs() + seconds)
    return types.TimeSpec(now.get_full_secs() + whole, now.get_frac_secs() + seconds - whole)


def wait_for(
    device: str, sensor: str, read: Callable[[str, int], Any], index: int, *, patience_s: float
) -> None:
    """Wait until a sensor says yes; ``read(sensor, index)`` asks it.

    Raises:
        RadioError: it did not.
    """
    ends_s = time.monotonic() + patience_s
    with must(device, f"tell its {sensor}"):
        while not read(sensor, index).to_bool():
            if time.monotonic() >= ends_s:
                raise RadioError(f"{device}: {sensor} must be true within {patience_s:g} s (it is not)")
            time.sleep(_POLL_S)
