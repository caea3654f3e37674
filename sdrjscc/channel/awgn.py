"""White Gaussian noise alone, on symbols (training) and on samples (links)."""

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel._noise import Noise, mean_active_power, noise_variance
from sdrjscc.channel.base import (
    Realisation,
    check_samples,
    check_symbols,
    complex_normal,
    one_tap,
    symbol_noise_variance,
)
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError


class Config(Section):
    """Noise only.

    Attributes:
        snr_db: SNR over the occupied band, on samples; on symbols the caller gives it.
        antennas: receive antennas, each with noise of its own; on samples.
    """

    snr_db: float | None = Field(None, ge=-100.0, le=200.0)
    antennas: int = Field(1, ge=1, le=16)


class Awgn:
    """``y = x + n``: a SymbolChannel and a SampleChannel."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def apply(
        self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Add noise to symbols: see :meth:`SymbolChannel.apply`."""
        check_symbols(symbols, snr_db)
        noise_var = symbol_noise_variance(symbols, snr_db)
        noise = complex_normal(tuple(symbols.shape), generator, symbols)
        return symbols + noise_var.sqrt() * noise, noise_var

    def realise(
        self,
        samples: Tensor,
        *,
        sample_rate_hz: float,
        occupied_bandwidth_hz: float,
        generator: torch.Generator,
        signal_power: float | None = None,
    ) -> Realisation:
        """Add noise to samples: see :meth:`SampleChannel.realise`."""
        antennas = self.config.antennas
        check_samples(samples, antennas)
        if self.config.snr_db is None:
            raise ConfigError("channel.snr_db is required where the channel works on samples")
        power = mean_active_power(samples) if signal_power is None else signal_power
        noise_var = noise_variance(power, self.config.snr_db, sample_rate_hz, occupied_bandwidth_hz)
        received = Noise(noise_var, generator).apply(samples.expand(antennas, -1))
        return Realisation(received, signal_power=power, noise_var=noise_var, taps=one_tap(antennas))


def build(config: Config) -> Awgn:
    """Build the channel."""
    return Awgn(config)
