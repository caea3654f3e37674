"""White noise whose level is set by the SNR over the occupied band."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.channel.base import complex_normal
from sdrjscc.errors import ConfigError
from sdrjscc.units import from_db


def mean_active_power(samples: Tensor) -> float:
    """Mean power of the samples that are not exactly 0; 0 if there are none."""
    active = int(torch.count_nonzero(samples))
    return energy(samples) / active if active else 0.0


def energy(samples: Tensor) -> float:
    """Sum of the squared magnitudes of ``samples``, added in float64."""
    return float(torch.view_as_real(samples.detach()).square().sum(dtype=torch.float64))


def noise_variance(
    signal_power: float, snr_db: float, sample_rate_hz: float, occupied_bandwidth_hz: float
) -> float:
    """Noise power per complex sample for an SNR over the occupied band.

    The signal's density is ``signal_power / occupied_bandwidth_hz``, the noise's that divided
    by the SNR, over all of the sample rate. For OFDM this SNR is Es/N0 of an active carrier.

    Raises:
        ConfigError: the occupied band is not inside the sample rate.
    """
    if not 0.0 < occupied_bandwidth_hz <= sample_rate_hz:
        raise ConfigError(
            f"occupied_bandwidth_hz must be above 0 and at most the sample rate of {sample_rate_hz:g} Hz "
            f"(got {occupied_bandwidth_hz:g})"
        )
    return signal_power * sample_rate_hz / occupied_bandwidth_hz / from_db(snr_db)


@dataclass(frozen=True)
class Noise:
    """Circular white Gaussian noise of ``noise_var`` per complex sample, independent per antenna."""

    noise_var: float
    generator: torch.Generator

    def apply(self, samples: Tensor) -> Tensor:
        """Add the noise to ``samples``, complex of any shape."""
        noise = complex_normal(tuple(samples.shape), self.generator, samples)
        scale: float = self.noise_var**0.5
        return samples + scale * noise
