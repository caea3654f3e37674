"""The whole way from one converter to the other: every impairment, switched on by its key.

Order: clipping, amplifier | multipath | delay, sampling clock | carrier offset, phase noise |
noise, level, gain step, IQ image, DC, converter, lost samples.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sdrjscc.channel._amplifier import Clipper, RappAmplifier
from sdrjscc.channel._chain_config import Config, scenario
from sdrjscc.channel._clock import Delay, SamplingClockOffset, Silence
from sdrjscc.channel._frontend import DcOffset, GainStep, IqImbalance, Quantiser, SampleDrop
from sdrjscc.channel._multipath import TappedDelayLine, draw_gains
from sdrjscc.channel._noise import Noise, energy, mean_active_power, noise_variance
from sdrjscc.channel._oscillator import CarrierOffset, PhaseNoise
from sdrjscc.channel.base import Realisation, TapGains, check_samples, one_tap, split_generator
from sdrjscc.errors import ConfigError
from sdrjscc.units import from_db, ppm_to_hz, to_db

__all__ = ["Chain", "Config", "build", "scenario"]


class Stage(Protocol):
    """What every impairment class is."""

    def apply(self, samples: Tensor) -> Tensor:
        """Complex ``[antennas, n]`` in, complex ``[antennas, n']`` out."""
        ...


@dataclass(frozen=True)
class _Sources:
    """One generator for each thing that is drawn; new ones go last, so that old draws stay."""

    offsets: torch.Generator
    taps: torch.Generator
    phase_noise: torch.Generator
    noise: torch.Generator
    frontend: torch.Generator


@dataclass(frozen=True)
class _Offsets:
    sco_ppm: float
    cfo_hz: float
    phase_rad: float
    delay_samples: float


class Chain:
    """All impairments of a :class:`Config`, in the order a signal meets them: a SampleChannel."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def realise(
        self,
        samples: Tensor,
        *,
        sample_rate_hz: float,
        occupied_bandwidth_hz: float,
        generator: torch.Generator,
        signal_power: float | None = None,
    ) -> Realisation:
        """Send samples through: see :meth:`SampleChannel.realise`.

        Each kind of draw has its own random stream: with ``snr_db`` left out, the same
        generator state gives the same channel without its noise.
        """
        check_samples(samples, self.config.antennas)
        _check_carrier(self.config, sample_rate_hz)
        sources = _Sources(*split_generator(generator, len(dataclasses.fields(_Sources))))
        offsets = self._draw_offsets(sources.offsets)
        sent = _through(self._transmitter(), samples)
        taps = self._draw_taps(sent.shape[-1], sample_rate_hz, sources.taps)
        arrived = _through(self._medium(taps, offsets, sample_rate_hz, sources), sent)
        power = self._reference_power(sent, arrived) if signal_power is None else signal_power
        noise_var = self._noise_var(power, sample_rate_hz, occupied_bandwidth_hz)
        gain = self._gain(power + noise_var)
        received = _through(self._receiver(power, noise_var, gain, sources), arrived)
        return Realisation(
            samples=received,
            signal_power=power * gain**2,
            noise_var=noise_var * gain**2,
            cfo_hz=offsets.cfo_hz,
            sco_ppm=offsets.sco_ppm,
            phase_rad=offsets.phase_rad,
            delay_samples=offsets.delay_samples,
            gain=gain,
            taps=taps,
        )

    def _draw_offsets(self, generator: torch.Generator) -> _Offsets:
        config = self.config
        draws = 2.0 * torch.rand(4, dtype=torch.float64, generator=generator) - 1.0
        sco, cfo, phase, delay = draws.tolist()
        sco_ppm = config.sco_ppm + sco * config.sco_range_ppm
        clock_hz = ppm_to_hz(sco_ppm, config.common_clock_hz or 0.0)
        return _Offsets(
            sco_ppm,
            config.cfo_hz + cfo * config.cfo_range_hz + clock_hz,
            config.phase_rad + phase * config.phase_range_rad,
            config.lead_samples + config.delay_samples + delay * config.delay_range_samples,
        )

    def _draw_taps(self, length: int, sample_rate_hz: float, generator: torch.Generator) -> TapGains:
        config = self.config
        if not config.taps:
            return one_tap(config.antennas)
        return draw_gains(
            config.taps,
            antennas=config.antennas,
            length=length,
            doppler=config.doppler_hz / sample_rate_hz,
            generator=generator,
        )

    def _transmitter(self) -> list[Stage]:
        stages: list[Stage] = []
        if self.config.clip_db is not None:
            stages.append(Clipper(self.config.clip_db))
        if (pa := self.config.pa) is not None:
            stages.append(RappAmplifier(pa.backoff_db, pa.smoothness, pa.oversampling))
        return stages

    def _medium(
        self, taps: TapGains, offsets: _Offsets, sample_rate_hz: float, sources: _Sources
    ) -> list[Stage]:
        stages: list[Stage] = [TappedDelayLine(taps)]
        if offsets.sco_ppm:
            stages.append(SamplingClockOffset(offsets.sco_ppm, offsets.delay_samples))
        else:
            stages.append(Delay(offsets.delay_samples))
        stages.append(Silence(self.config.tail_samples))
        if offsets.cfo_hz or offsets.phase_rad:
            stages.append(CarrierOffset(offsets.cfo_hz, sample_rate_hz, offsets.phase_rad))
        if self.config.phase_noise_linewidth_hz:
            linewidth_hz = self.config.phase_noise_linewidth_hz
            stages.append(PhaseNoise(linewidth_hz, sample_rate_hz, sources.phase_noise))
        return stages

    def _reference_power(self, sent: Tensor, arrived: Tensor) -> float:
        """Mean power where there is signal: energy over the samples sent that are not 0."""
        if self.config.snr_reference == "average":
            return mean_active_power(sent)
        active = int(torch.count_nonzero(sent)) * self.config.antennas // sent.shape[0]
        return energy(arrived) / active if active else 0.0

    def _noise_var(self, power: float, sample_rate_hz: float, occupied_bandwidth_hz: float) -> float:
        if self.config.snr_db is None:
            return 0.0
        return noise_variance(power, self.config.snr_db, sample_rate_hz, occupied_bandwidth_hz)

    def _gain(self, power: float) -> float:
        if self.config.rx_level_dbfs is None or power == 0.0:
            return 1.0
        return math.sqrt(from_db(self.config.rx_level_dbfs) / power)

    def _receiver(self, power: float, noise_var: float, gain: float, sources: _Sources) -> list[Stage]:
        config = self.config
        phases = torch.rand((2, config.antennas, 1), generator=sources.frontend) * (2.0 * math.pi)
        stages: list[Stage] = []
        if noise_var:
            stages.append(Noise(noise_var, sources.noise))
        if gain != 1.0:
            stages.append(GainStep(to_db(gain**2), 0))
        if config.gain_step_db:
            stages.append(GainStep(config.gain_step_db, config.gain_step_at))
        if config.iq_image_db is not None:
            stages.append(IqImbalance(config.iq_image_db, phases[0]))
        if config.dc_dbc is not None and power:
            stages.append(DcOffset(config.dc_dbc + to_db(power * gain**2), phases[1]))
        if config.adc_bits is not None:
            stages.append(Quantiser(config.adc_bits))
        if config.drop_samples:
            stages.append(SampleDrop(config.drop_samples, config.drop_at))
        return stages


def _through(stages: list[Stage], samples: Tensor) -> Tensor:
    for stage in stages:
        samples = stage.apply(samples)
    return samples


def _check_carrier(config: Config, sample_rate_hz: float) -> None:
    widest_hz = abs(config.cfo_hz) + config.cfo_range_hz
    widest_hz += ppm_to_hz(abs(config.sco_ppm) + config.sco_range_ppm, config.common_clock_hz or 0.0)
    if widest_hz >= sample_rate_hz / 2:
        raise ConfigError(
            f"carrier offsets must stay within half the sample rate of {sample_rate_hz:g} Hz "
            f"(got up to {widest_hz:g} Hz)"
        )


def build(config: Config) -> Chain:
    """Build the channel."""
    return Chain(config)
