"""What a system under test is: a transmitter of frames and a receiver for streams of them."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class MissingPeerError(Exception):
    """A peer is not installed or cannot do what is asked; the text says what to do."""


@dataclass(frozen=True)
class Sent:
    """Frames of one system.

    Attributes:
        frames: complex64 ``[B, n]``, their payload part of unit mean power.
        symbols: complex64 ``[B, P]``, the payload's symbols, of unit mean power.
    """

    frames: Tensor
    symbols: Tensor


@dataclass(frozen=True)
class Heard:
    """One frame with a valid header.

    Attributes:
        index: number of the frame, as its header says.
        symbols: complex64 ``[P]``, equalised payload symbols; ``None``: the system gave none.
        noise_var: float32 ``[P]``, their variances; ``None``: the system reports none.
        cfo_hz, sco_ppm: estimates; ``None``: the system reports none.
    """

    index: int
    symbols: Tensor | None
    noise_var: Tensor | None = None
    cfo_hz: float | None = None
    sco_ppm: float | None = None


class Listener(Protocol):
    """A receiver that keeps its state from one stretch of the stream to the next."""

    @property
    def triggers(self) -> int | None:
        """Detections so far, false ones included; ``None``: not known."""

    def hear(self, samples: Tensor) -> tuple[list[Heard], float]:
        """Frames in ``samples``, complex64 ``[A, n]``, and the seconds of processor time it took."""


class System(Protocol):
    """A transmitter and its receiver.

    Attributes:
        name: in tables and figures.
        nominal_symbols: payload symbols of our frame that it is compared with.
        payload_symbols: P, those of its own frame.
        antennas: most that it can receive with.
        carriers: int64 ``[P]``, the carrier of each payload symbol, 0 .. C - 1.
        frequencies: float64 ``[C]``, cycles per sample.
        occupied_fraction: occupied bandwidth relative to the sample rate.
    """

    name: str
    nominal_symbols: int
    payload_symbols: int
    antennas: int
    carriers: Tensor
    frequencies: Tensor
    occupied_fraction: float

    def transmit(self, count: int, seed: int) -> tuple[Sent, float]:
        """``count`` frames, numbered from 0, and the seconds of processor time it took."""

    def listener(self, sample_rate_hz: float, clock_ppm: float, antennas: int) -> Listener:
        """A receiver for a stream; peers need to know neither rate nor clock."""
