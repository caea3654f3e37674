"""Channels as they were met: soundings of recordings, replayed on symbols and on samples.

``sdrjscc replay CAPTURE --channels FILE`` writes the file; this plays it back. A pass through the
channel is one sounding: an impulse response for every antenna, with the carrier offset, clock
offset and SNR that the receiver measured with it.
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel import _soundings
from sdrjscc.channel._clock import SamplingClockOffset
from sdrjscc.channel._multipath import TappedDelayLine
from sdrjscc.channel._noise import Noise, energy, mean_active_power, noise_variance
from sdrjscc.channel._oscillator import CarrierOffset
from sdrjscc.channel.base import (
    Realisation,
    TapGains,
    check_samples,
    check_symbols,
    complex_normal,
    one_tap,
    split_generator,
    symbol_noise_variance,
)
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.units import from_db, to_db

_WEAKEST = 1e-9


class Config(Section):
    """Which soundings, and in which order.

    Attributes:
        path: the file of soundings.
        snr_db: on samples, SNR per complex symbol on an active carrier, mean over soundings and
            antennas: the noise stays where it is while the soundings fade. Left out: each
            sounding has the SNR that it was recorded with. On symbols the caller gives it.
        order: ``random``: each pass draws a sounding. ``recorded``: passes go through them in
            order and begin again after the last, so that carrier offset and fades walk as they
            did; the channel then counts its passes.
    """

    path: str = Field(min_length=1)
    snr_db: float | None = Field(None, ge=-100.0, le=200.0)
    order: Literal["random", "recorded"] = "random"


class Recorded:
    """Soundings, one for a pass: a SymbolChannel and a SampleChannel.

    Attributes:
        soundings: what the file holds.
    """

    def __init__(self, config: Config) -> None:
        """Read the file.

        Raises:
            ConfigError: it is missing or not a file of soundings.
        """
        self.config = config
        self.soundings = _soundings.load(Path(config.path))
        self._noise_levels = _noise_levels(self.soundings)
        self._passes = 0

    def apply(
        self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Send each row through one sounding: see :meth:`SymbolChannel.apply`.

        The symbols of a row lie on frequencies all over the occupied band, in an order that is
        drawn, as a link's interleaver has another one for each size of picture. Antennas are
        combined for the largest SNR. ``snr_db`` is the mean over soundings and antennas, before
        they are combined.
        """
        check_symbols(symbols, snr_db)
        rows, columns = symbols.shape
        power = self._power_on_symbols(rows, columns, generator).to(symbols.device, symbols.real.dtype)
        noise_var = symbol_noise_variance(symbols, snr_db) / power
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
        """Send samples through one sounding: see :meth:`SampleChannel.realise`.

        The SNR refers to ``signal_power``, or the measured one, as sent. Samples that are all 0
        are no pass: they meet only noise, without ``snr_db`` at the recordings' mean level.

        Raises:
            ConfigError: the soundings say nothing about this band, or their carrier offsets do
                not fit into the sample rate.
        """
        check_samples(samples, self.soundings.antennas)
        self._check_band(sample_rate_hz, occupied_bandwidth_hz)
        drawing, noise = split_generator(generator, 2)
        sent_power = mean_active_power(samples)
        which = int(self._draw(1, drawing)) if sent_power else None
        reference = sent_power if signal_power is None else signal_power
        level_db = -to_db(self._noise_level(which))
        noise_var = noise_variance(reference, level_db, sample_rate_hz, occupied_bandwidth_hz)
        if which is None:
            silence = samples.expand(self.soundings.antennas, -1)
            received = Noise(noise_var, noise).apply(silence)
            return Realisation(received, 0.0, noise_var, taps=one_tap(self.soundings.antennas))
        return self._passed(samples, which, sample_rate_hz, Noise(noise_var, noise))

    def _passed(self, samples: Tensor, which: int, sample_rate_hz: float, noise: Noise) -> Realisation:
        """Samples ``[1 or A, n]`` of which some are not 0 through sounding ``which``."""
        cfo_hz, sco_ppm = float(self.soundings.cfo_hz[which]), float(self.soundings.sco_ppm[which])
        taps = self._taps(which, sample_rate_hz)
        arrived = TappedDelayLine(taps).apply(samples)
        if sco_ppm:
            arrived = SamplingClockOffset(sco_ppm).apply(arrived)
        if cfo_hz:
            arrived = CarrierOffset(cfo_hz, sample_rate_hz).apply(arrived)
        active = int(torch.count_nonzero(samples)) * len(arrived) // len(samples)
        return Realisation(
            noise.apply(arrived),
            signal_power=energy(arrived) / active,
            noise_var=noise.noise_var,
            cfo_hz=cfo_hz,
            sco_ppm=sco_ppm,
            taps=taps,
        )

    def _taps(self, which: int, sample_rate_hz: float) -> TapGains:
        """The sounding's taps; at another sample rate they lie fractions of a sample apart."""
        gains = self.soundings.impulse_response[which]
        delays = torch.arange(gains.shape[-1], dtype=torch.float64)
        return TapGains(delays * (sample_rate_hz / self.soundings.sample_rate_hz), gains[..., None])

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Which soundings the next passes take, int64 ``[count]``."""
        if self.config.order == "random":
            return torch.randint(len(self.soundings), (count,), generator=generator)
        first = self._passes
        self._passes += count
        return torch.arange(first, first + count) % len(self.soundings)

    def _power_on_symbols(self, rows: int, columns: int, generator: torch.Generator) -> Tensor:
        """Power of the response, antennas summed, that each symbol meets: float32 ``[rows, columns]``."""
        responses = self.soundings.impulse_response[self._draw(rows, generator)]
        power = _soundings.power_over_band(responses, self.soundings.occupied_share).sum(1)
        carrier = torch.randperm(columns, generator=generator) % power.shape[1]
        return power[:, carrier].clamp_min(_WEAKEST)

    def _noise_level(self, which: int | None) -> float:
        """Noise power relative to a signal's as sent, both per active carrier; ``None``: the mean."""
        if self.config.snr_db is not None:
            return from_db(-self.config.snr_db)
        return float(self._noise_levels.mean() if which is None else self._noise_levels[which])

    def _check_band(self, sample_rate_hz: float, occupied_bandwidth_hz: float) -> None:
        sounded_hz = self.soundings.sample_rate_hz
        if occupied_bandwidth_hz > sounded_hz:
            raise ConfigError(
                f"the link's band must lie within the {sounded_hz:g} Hz that {self.config.path} was recorded "
                f"at (got {occupied_bandwidth_hz:g} Hz)"
            )
        widest_hz = float(self.soundings.cfo_hz.abs().max())
        if widest_hz >= sample_rate_hz / 2:
            raise ConfigError(
                f"carrier offsets in {self.config.path} must stay within half the sample rate of "
                f"{sample_rate_hz:g} Hz (got up to {widest_hz:g} Hz)"
            )


def _noise_levels(soundings: _soundings.SoundingSet) -> Tensor:
    """Noise power of each sounding relative to a signal's as sent, per active carrier: float64 ``[N]``."""
    power = _soundings.mean_power(soundings.impulse_response, soundings.occupied_share).mean(-1)
    levels: Tensor = power * 10.0 ** (-soundings.snr_db / 10.0)
    return levels


def build(config: Config) -> Recorded:
    """Read the file and build the channel."""
    return Recorded(config)
