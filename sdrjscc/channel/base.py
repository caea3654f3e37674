"""What a channel is: the two protocols, what a random channel turned out to be, seeds."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from sdrjscc.errors import SignalError


@dataclass(frozen=True)
class TapGains:
    """The taps of a multipath channel as they were drawn, before delay, clock and carrier offset.

    Attributes:
        delays_samples: float64 ``[L]``, in samples of the transmitter.
        gains: complex64 ``[antennas, L, T]``, at samples 0, ``spacing``, 2 ``spacing``, ...;
            linear in between; T = 1 when nothing moves.
        spacing: samples from one gain to the next.
    """

    delays_samples: Tensor
    gains: Tensor
    spacing: int = 1

    def at(self, instants: Tensor) -> Tensor:
        """Gains at ``instants``, float64 ``[m]`` in samples of the transmitter.

        Returns:
            complex64 ``[antennas, L, m]``; the first and last gain are held.
        """
        last = self.gains.shape[-1] - 1
        if last == 0:
            return self.gains.expand(*self.gains.shape[:-1], len(instants))
        position = (instants / self.spacing).clamp(0.0, float(last))
        low = position.long().clamp(max=last - 1)
        first, beyond = int(low.min()), int(low.max()) + 2
        nodes = self.gains[..., first:beyond].permute(2, 0, 1).contiguous()  # rows are faster to pick
        before, after = nodes[low - first], nodes[low - first + 1]
        weight = (position - low).to(self.gains.dtype)[:, None, None]
        return torch.lerp(before, after, weight).permute(1, 2, 0)

    def frequency_response(self, frequencies: Tensor, sample: float = 0.0) -> Tensor:
        """Response at one instant.

        Args:
            frequencies: real ``[F]``, in cycles per sample.
            sample: the instant, in samples of the transmitter.

        Returns:
            complex64 ``[antennas, F]``.
        """
        turns = -2.0 * torch.pi * self.delays_samples[:, None] * frequencies.to(torch.float64)[None, :]
        steering = torch.polar(torch.ones_like(turns), turns)
        gains = self.at(torch.tensor([sample], dtype=torch.float64))[..., 0]
        return (gains.to(torch.complex128) @ steering).to(torch.complex64)


def one_tap(antennas: int) -> TapGains:
    """The channel that changes nothing: one tap of gain 1 at delay 0 on every antenna."""
    return TapGains(torch.zeros(1, dtype=torch.float64), torch.ones(antennas, 1, 1, dtype=torch.complex64))


@dataclass(frozen=True)
class Realisation:
    """What one pass through a sample channel gave, and the truth behind it.

    Signs: the transmitter relative to the receiver. ``cfo_hz > 0`` moves the received spectrum
    up; ``sco_ppm > 0`` (transmitter's sampling clock fast) makes the received signal shorter.

    Attributes:
        samples: complex64 ``[antennas, n']``, what the receiver gets.
        signal_power: mean power of the signal in ``samples`` where there is any, over antennas.
        noise_var: noise power per complex sample of ``samples``, over the whole sample rate.
        cfo_hz, sco_ppm, phase_rad: carrier and clock offset, carrier phase at sample 0.
        delay_samples: where in ``samples`` the first sample handed in arrives (channel tap 0).
        gain: amplitude with which the receiver scaled what arrived, before any gain step.
        taps: the multipath channel.
    """

    samples: Tensor
    signal_power: float
    noise_var: float
    cfo_hz: float = 0.0
    sco_ppm: float = 0.0
    phase_rad: float = 0.0
    delay_samples: float = 0.0
    gain: float = 1.0
    taps: TapGains = field(default_factory=lambda: one_tap(1))


@runtime_checkable
class SymbolChannel(Protocol):
    """A channel for training: symbols in, equalised symbols out, differentiable."""

    def apply(
        self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Send symbols and equalise them with perfect channel knowledge.

        Args:
            symbols: complex ``[B, k]`` of unit mean power.
            snr_db: average SNR per complex symbol; one number, or real ``[B]``.
            generator: random source, on the CPU.

        Returns:
            ``(received, noise_var)``: complex ``[B, k]`` and real ``[B, k]``, the variance of
            ``received - symbols`` per complex symbol.

        Raises:
            SignalError: the shapes do not fit.
        """
        ...


@runtime_checkable
class SampleChannel(Protocol):
    """A channel for links: what happens between a transmitter's and a receiver's converters."""

    def realise(
        self,
        samples: Tensor,
        *,
        sample_rate_hz: float,
        occupied_bandwidth_hz: float,
        generator: torch.Generator,
        signal_power: float | None = None,
    ) -> Realisation:
        """Send samples through one realisation of the channel.

        Args:
            samples: complex64 ``[1, n]`` (heard by all antennas) or ``[antennas, n]``.
                Samples that are exactly 0 are silence and do not count for the mean power.
            sample_rate_hz: sample rate of both converters.
            occupied_bandwidth_hz: band over which the SNR is meant; the noise is white over
                the whole sample rate, with density signal power / occupied band / SNR.
            generator: random source, on the CPU; the same state gives the same realisation.
            signal_power: received signal power that the SNR refers to, instead of the measured
                one: for a noise floor that stays where it is when the samples are silence.

        Raises:
            SignalError: the samples have the wrong shape or type.
            ConfigError: the channel cannot be had at this sample rate.
        """
        ...


def check_samples(samples: Tensor, antennas: int) -> None:
    """Check the samples handed to a sample channel.

    Raises:
        SignalError: not complex ``[1, n]`` or ``[antennas, n]``, or empty.
    """
    if (
        not samples.is_complex()
        or samples.ndim != 2
        or samples.shape[0] not in (1, antennas)
        or not samples.numel()
    ):
        raise SignalError(
            f"samples must be complex [1, n] or [{antennas}, n] with n >= 1 "
            f"(got {samples.dtype} {list(samples.shape)})"
        )


def check_symbols(symbols: Tensor, snr_db: float | Tensor) -> None:
    """Check the symbols and SNR handed to a symbol channel.

    Raises:
        SignalError: symbols not complex ``[B, k]``, or ``snr_db`` neither a number nor ``[B]``.
    """
    if not symbols.is_complex() or symbols.ndim != 2:
        raise SignalError(f"symbols must be complex [B, k] (got {symbols.dtype} {list(symbols.shape)})")
    if isinstance(snr_db, Tensor) and snr_db.ndim > 0 and snr_db.shape != symbols.shape[:1]:
        raise SignalError(f"snr_db must be one number or [{symbols.shape[0]}] (got {list(snr_db.shape)})")


def split_generator(generator: torch.Generator, count: int) -> list[torch.Generator]:
    """Independent generators, one for each stage, whatever the other stages draw.

    Always takes ``count`` numbers from ``generator``, so that switching one stage off changes
    neither the other stages nor the next call.
    """
    seeds = torch.randint(2**62, (count,), generator=generator)
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def complex_normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Circular complex normal values of unit variance, with the type and on the device of ``like``."""
    return torch.randn(shape, dtype=like.dtype, generator=generator).to(like.device)


def symbol_noise_variance(symbols: Tensor, snr_db: float | Tensor) -> Tensor:
    """Noise variance, real ``[B, k]``, of symbols ``[B, k]`` of unit mean power at ``snr_db``."""
    level_db = torch.as_tensor(snr_db, dtype=symbols.real.dtype, device=symbols.device)
    return (10.0 ** (-level_db / 10.0)).reshape(-1, 1).expand(symbols.shape)
