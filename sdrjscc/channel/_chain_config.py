"""What a ``[channel]`` table of the chain says, and the named scenarios of the measurements."""

import math
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from sdrjscc.channel._multipath import Tap
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError

_LONGEST_SILENCE = 10_000_000


class Amplifier(Section):
    """A Rapp amplifier: saturation above the mean power, smoothness p, its samples per sample."""

    backoff_db: float = Field(ge=-20.0, le=60.0)
    smoothness: float = Field(2.0, gt=0.0, le=100.0)
    oversampling: int = Field(1, ge=1, le=16)


class Config(Section):
    """Every impairment; what is left out does nothing.

    ``X_range`` next to ``X`` draws uniformly from X - range .. X + range for each pass.

    Attributes:
        antennas: receive antennas: fading and noise independent, clocks common.
        clip_db: transmitter clips this far above its mean power.
        pa: transmitter's amplifier.
        taps: multipath, scaled to a mean power sum of 1; none: one path of gain 1.
        doppler_hz: maximum Doppler frequency of the scattered parts (Clarke); 0: they stand still.
        lead_samples, tail_samples: silence before and after.
        delay_samples, delay_range_samples: on top of the lead.
        sco_ppm, sco_range_ppm: transmitter's sampling clock relative to the receiver's.
        cfo_hz, cfo_range_hz: transmitter's carrier relative to the receiver's.
        common_clock_hz: carrier frequency of radios that derive carrier and sampling clock from
            one oscillator: adds sco_ppm of it to the carrier offset.
        phase_rad, phase_range_rad: carrier phase at the first sample.
        phase_noise_linewidth_hz: full width at half maximum of both oscillators together.
        snr_db: over the occupied band; none: no noise.
        snr_reference: ``instantaneous``: relative to the power that arrived in this pass, fades
            included, mean over antennas; ``average``: relative to the mean over all fades.
        rx_level_dbfs: mean power, noise included, that the receiver's gain aims at; none: gain 1.
        gain_step_db, gain_step_at: gain change from this received sample on.
        iq_image_db: receiver's image relative to the signal, negative; its phase is drawn.
        dc_dbc: receiver's DC relative to the signal; its phase is drawn.
        adc_bits: of the receiver's converters, full scale 1.0; none: exact.
        drop_samples, drop_at: so many samples are lost from this received sample on.
    """

    antennas: int = Field(1, ge=1, le=16)
    clip_db: float | None = Field(None, ge=-20.0, le=60.0)
    pa: Amplifier | None = None
    taps: tuple[Tap, ...] = ()
    doppler_hz: float = Field(0.0, ge=0.0)
    lead_samples: int = Field(0, ge=0, le=_LONGEST_SILENCE)
    tail_samples: int = Field(0, ge=0, le=_LONGEST_SILENCE)
    delay_samples: float = Field(0.0, ge=0.0, le=_LONGEST_SILENCE)
    delay_range_samples: float = Field(0.0, ge=0.0)
    sco_ppm: float = Field(0.0, ge=-1000.0, le=1000.0)
    sco_range_ppm: float = Field(0.0, ge=0.0, le=1000.0)
    cfo_hz: float = 0.0
    cfo_range_hz: float = Field(0.0, ge=0.0)
    common_clock_hz: float | None = Field(None, gt=0.0)
    phase_rad: float = 0.0
    phase_range_rad: float = Field(0.0, ge=0.0)
    phase_noise_linewidth_hz: float = Field(0.0, ge=0.0)
    snr_db: float | None = Field(None, ge=-100.0, le=200.0)
    snr_reference: Literal["instantaneous", "average"] = "instantaneous"
    rx_level_dbfs: float | None = Field(None, ge=-200.0, le=20.0)
    gain_step_db: float = Field(0.0, ge=-120.0, le=120.0)
    gain_step_at: int = Field(0, ge=0)
    iq_image_db: float | None = Field(None, ge=-200.0, le=0.0)
    dc_dbc: float | None = Field(None, ge=-200.0, le=60.0)
    adc_bits: int | None = Field(None, ge=1, le=24)
    drop_samples: int = Field(0, ge=0)
    drop_at: int = Field(0, ge=0)

    @field_validator("delay_range_samples")
    @classmethod
    def _delay_never_negative(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("delay_samples", math.inf):
            raise ValueError("must be at most delay_samples, as nothing arrives before it was sent")
        return value


_START = {
    "delay_samples": 256.0,
    "delay_range_samples": 256.0,
    "tail_samples": 256,
    "phase_range_rad": math.pi,
}

SCENARIOS = {
    "awgn": Config(cfo_range_hz=1e3, **_START),
    "cfo": Config(cfo_range_hz=48e3, **_START),
    "full": Config(
        cfo_range_hz=48e3,
        sco_range_ppm=20.0,
        taps=(
            Tap(),
            Tap(delay_samples=3.0, power_db=-6.0, kind="rayleigh"),
            Tap(delay_samples=7.0, power_db=-12.0, kind="rayleigh"),
        ),
        phase_noise_linewidth_hz=1.0,
        iq_image_db=-40.0,
        dc_dbc=-30.0,
        **_START,
    ),
    "pluto_pair": Config(cfo_range_hz=120e3, sco_range_ppm=50.0, **_START),
}


def scenario(name: str, snr_db: float | None = None) -> Config:
    """The channel of a named measurement, each with a random start, also by fractions of a sample.

    * ``awgn``: CFO within 1 kHz.
    * ``cfo``: CFO within 48 kHz, 20 ppm of 2.4 GHz.
    * ``full``: that, sampling clock within 20 ppm (drawn independently of the carrier), line of
      sight and two Rayleigh echoes, phase noise, IQ image, DC.
    * ``pluto_pair``: CFO within 120 kHz and clock within 50 ppm, two radios of 25 ppm each at
      2.4 GHz; drawn independently, which covers every pair. Needs 2 MS/s; the others are meant
      for 1 MS/s.

    Args:
        name: one of the above.
        snr_db: SNR over the occupied band, of every transmission; none: no noise.

    Raises:
        ConfigError: no such scenario.
    """
    if name not in SCENARIOS:
        raise ConfigError(f"a scenario must be one of {', '.join(SCENARIOS)} (got '{name}')")
    return SCENARIOS[name].model_copy(update={"snr_db": snr_db})
