"""The software radio: what is transmitted comes back through the channel of the link's TOML."""

from collections import deque
from types import TracebackType
from typing import Self

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel.base import Realisation, SampleChannel
from sdrjscc.config import Section
from sdrjscc.errors import SignalError
from sdrjscc.radio.base import Reception, Status
from sdrjscc.randomness import derived_generator


class Config(Section):
    """``name = "loopback"``: both ends in one process, no hardware.

    ``clock_ppm`` is what the receiver searches for; what the channel really does is in
    ``[channel]``.
    """

    sample_rate_hz: float = Field(1e6, gt=0)
    center_frequency_hz: float = Field(2.4e9, ge=0)
    clock_ppm: float = Field(10.0, ge=0, le=100, description="accuracy of each end's clock")
    antennas: int = Field(1, ge=1, le=16)
    chunk_samples: int = Field(262_144, ge=1, description="samples per reception")
    seed: int = Field(0, ge=0)


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> "Loopback":
    """Build the radio around ``channel`` (``None``: samples arrive as they were sent)."""
    return Loopback(config, channel, occupied_share)


class Loopback:
    """A queue of samples behind a sample channel; every transmission draws a new realisation."""

    live = False

    def __init__(self, config: Config, channel: SampleChannel | None, occupied_share: float) -> None:
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm, self.antennas = config.clock_ppm, config.antennas
        self._config, self._channel, self._occupied_share = config, channel, occupied_share
        self._queue: deque[Reception] = deque()
        self._transmissions = 0
        self.last_realisation: Realisation | None = None

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget what was not received."""
        self._queue.clear()

    def transmit(self, samples: Tensor) -> None:
        """Send complex64 ``[n]`` through a new realisation of the channel, seeded by its count.

        Raises:
            SignalError: not a complex vector.
        """
        if samples.ndim != 1 or not samples.is_complex():
            raise SignalError(f"samples to transmit must be a complex vector (got {tuple(samples.shape)})")
        received = self._through_channel(samples.unsqueeze(0))
        for chunk in received.split(self._config.chunk_samples, dim=-1):
            self._queue.append(Reception(chunk))
        self._transmissions += 1

    def receive(self) -> Reception | None:
        """The next chunk, or ``None`` when all that was sent has been received."""
        return self._queue.popleft() if self._queue else None

    def status(self) -> Status:
        """The rate and carrier it pretends to have."""
        return Status(
            {"sample_rate_hz": self.sample_rate_hz, "center_frequency_hz": self.center_frequency_hz}
        )

    def _through_channel(self, samples: Tensor) -> Tensor:
        if self._channel is None:
            return samples.expand(self.antennas, -1)
        with torch.inference_mode():
            self.last_realisation = self._channel.realise(
                samples,
                sample_rate_hz=self.sample_rate_hz,
                occupied_bandwidth_hz=self._occupied_share * self.sample_rate_hz,
                generator=derived_generator("loopback", self._config.seed, self._transmissions),
            )
        return self.last_realisation.samples
