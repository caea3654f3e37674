"""A sample channel on an endless stream: a realisation for every transmission, noise in between."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.base import SampleChannel
from sdrjscc.channel.chain import Chain
from sdrjscc.randomness import derived_generator

SILENCE_SAMPLES = 1024
"""So many samples that are exactly 0 end a transmission."""

LONGEST_SAMPLES = 1 << 23
"""What has no silence for longer than this is cut: more than the largest picture takes."""

TRANSMIT_POWER = 1.0
_PROBE_SAMPLES = 64
_SHORT_SILENCE = 16
# What a chain does to signals, or once a transmission: a noise floor has none of it.
_NO_SIGNAL = {
    "clip_db": None,
    "pa": None,
    "taps": (),
    "lead_samples": 0,
    "tail_samples": 0,
    "delay_samples": 0.0,
    "delay_range_samples": 0.0,
    "sco_ppm": 0.0,
    "sco_range_ppm": 0.0,
    "cfo_hz": 0.0,
    "cfo_range_hz": 0.0,
    "phase_rad": 0.0,
    "phase_range_rad": 0.0,
    "phase_noise_linewidth_hz": 0.0,
    "gain_step_db": 0.0,
    "drop_samples": 0,
}


class ChannelStream:
    """A sample channel on a stream of one transmitter, in bounded memory.

    A transmission is what lies between stretches of ``SILENCE_SAMPLES`` zeros. It is held until
    its end, then goes through one realisation of the channel, with what that adds before and
    after it; the n-th transmission's does not depend on how the stream came in chunks. Levels do
    not follow the transmission: the SNR is that of a mean transmit power of 1, so that the noise
    floor stays where it is. No channel, and the channel ``awgn``, have no memory: there samples go
    straight through.

    Attributes:
        antennas: receive antennas.
        transmissions: how many have begun.
        cuts: how many were longer than allowed and became two realisations.
        held: samples of an unfinished transmission that wait for its end.
        busy: whether a transmission has begun and not ended.
    """

    def __init__(
        self,
        channel: SampleChannel | None,
        *,
        antennas: int,
        sample_rate_hz: float,
        occupied_bandwidth_hz: float,
        seed: int,
        longest_samples: int = LONGEST_SAMPLES,
        purpose: str = "channel stream",
        signal_power: float | None = TRANSMIT_POWER,
    ) -> None:
        """Begin in silence.

        Args:
            channel: what the samples go through; ``None``: they arrive as they were sent.
            antennas: receive antennas where there is no channel to say it.
            sample_rate_hz, occupied_bandwidth_hz: as in :meth:`SampleChannel.realise`.
            seed: of all realisations and of the noise floor.
            longest_samples: longer transmissions are cut, in a silence where there is one.
            purpose: names the random numbers, beside the seed: with ``loopback`` and the mean power of
                each transmission, they get what the loopback radio gives them.
            signal_power: that the SNR of a transmission refers to; ``None``: the transmission's own.

        Raises:
            ConfigError: the channel cannot be had at this sample rate.
        """
        self.channel = channel
        self._purpose, self._signal_power = purpose, signal_power
        self._band = {"sample_rate_hz": sample_rate_hz, "occupied_bandwidth_hz": occupied_bandwidth_hz}
        self._seed, self._longest = seed, longest_samples
        self._pending: list[Tensor] = []
        self._zeros = self._draws = self._silences = 0
        self.transmissions = self.cuts = self.held = 0
        self.busy = False
        self.antennas = antennas
        probe = torch.zeros(1, _PROBE_SAMPLES, dtype=torch.complex64)
        generator = derived_generator("channel stream", seed)
        self.antennas = self._through(channel, probe, generator, TRANSMIT_POWER).shape[0]

    @property
    def channel(self) -> SampleChannel | None:
        """What the samples go through; another one, of as many antennas, holds from the next realisation."""
        return self._channel

    @channel.setter
    def channel(self, channel: SampleChannel | None) -> None:
        self._channel, self._floor = channel, _without_signal(channel)
        self._direct = channel is None or isinstance(channel, Awgn)

    def push(self, samples: Tensor) -> list[Tensor]:
        """Take samples, complex64 ``[n]``; return those that now arrive, each ``[antennas, m]``."""
        arrived = []
        for start, stop, signal in _stretches(samples, SILENCE_SAMPLES):
            if signal:
                arrived += self._take_signal(samples[start:stop])
            else:
                arrived += self._take_zeros(stop - start)
        return arrived

    def end(self) -> list[Tensor]:
        """The transmitter stopped where it was: what is held arrives."""
        arrived = self._flush()
        if self._zeros and not self._direct:
            arrived.append(self.silence(self._zeros))
        self._zeros, self.busy = 0, False
        return arrived

    def silence(self, count: int) -> Tensor:
        """What is received while nobody transmits: about ``count`` samples ``[antennas, m]``."""
        zeros = torch.zeros(1, count, dtype=torch.complex64)
        generator = derived_generator("noise floor", self._seed, self._silences)
        self._silences += 1
        return self._through(self._floor, zeros, generator, TRANSMIT_POWER)[:, :count]

    def _take_signal(self, samples: Tensor) -> list[Tensor]:
        if not self.busy:
            self.busy = True
            self.transmissions += 1
        if self._direct:
            self._zeros = 0
            return [self._realise(samples.unsqueeze(0))]
        if self._zeros:
            self._hold(samples.new_zeros(self._zeros))
            self._zeros = 0
        arrived = []
        for part in samples.split(self._longest):
            self._hold(part.clone())  # the caller's buffer may be much larger
            while self.held >= self._longest:
                arrived.append(self._cut())
        return arrived

    def _take_zeros(self, count: int) -> list[Tensor]:
        if self._direct or not self.busy:
            self._zeros += count
            self.busy = self.busy and self._zeros < SILENCE_SAMPLES
            self._zeros = self._zeros if self.busy else 0
            return [self.silence(count)]
        self._zeros += count
        return self.end() if self._zeros >= SILENCE_SAMPLES else []

    def _hold(self, samples: Tensor) -> None:
        self._pending.append(samples)
        self.held += len(samples)

    def _flush(self) -> list[Tensor]:
        if not self.held:
            return []
        samples = torch.cat(self._pending)
        self._pending, self.held = [], 0
        return [self._realise(samples.unsqueeze(0))]

    def _cut(self) -> Tensor:
        """Send the first part of what is held, to where the longest silence of its second half is."""
        samples = torch.cat(self._pending)
        at = _cut_position(samples[: self._longest])
        self._pending, self.held = [samples[at:].clone()], len(samples) - at
        self.cuts += 1
        return self._realise(samples[:at].unsqueeze(0))

    def _realise(self, samples: Tensor) -> Tensor:
        generator = derived_generator(self._purpose, self._seed, self._draws)
        self._draws += 1
        return self._through(self._channel, samples, generator, self._signal_power)

    def _through(
        self,
        channel: SampleChannel | None,
        samples: Tensor,
        generator: torch.Generator,
        signal_power: float | None,
    ) -> Tensor:
        if channel is None:
            return samples.expand(self.antennas, -1)
        with torch.inference_mode():
            return channel.realise(
                samples, **self._band, generator=generator, signal_power=signal_power
            ).samples


def _without_signal(channel: SampleChannel | None) -> SampleChannel | None:
    if isinstance(channel, Chain):
        return Chain(channel.config.model_copy(update=_NO_SIGNAL))
    return channel


def _stretches(samples: Tensor, silence: int) -> Iterator[tuple[int, int, bool]]:
    """Cut samples ``[n]`` into ``(start, stop, whether it is signal)``.

    Zeros are a stretch of their own at the beginning, at the end, and where there are ``silence``
    of them or more.
    """
    active = torch.nonzero(samples)[:, 0]
    at = 0
    if len(active):
        breaks = torch.nonzero(active.diff() > silence)[:, 0]
        starts = [int(active[0]), *active[breaks + 1].tolist()]
        stops = [*(active[breaks] + 1).tolist(), int(active[-1]) + 1]
        for start, stop in zip(starts, stops, strict=True):
            if start > at:
                yield at, start, False
            yield start, stop, True
            at = stop
    if at < len(samples):
        yield at, len(samples), False


def _cut_position(samples: Tensor) -> int:
    """Where to cut samples ``[n]``: in the longest silence of the second half, else at the end."""
    half = len(samples) // 2
    active = half + torch.nonzero(samples[half:])[:, 0]
    gaps = active.diff()
    if not len(gaps) or int(gaps.max()) <= _SHORT_SILENCE:
        return len(samples)
    longest = int(gaps.argmax())
    return int(active[longest]) + (int(gaps[longest]) + 1) // 2
