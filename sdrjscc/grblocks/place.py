"""Where a stream comes from."""

from dataclasses import dataclass

from sdrjscc.errors import ConfigError


@dataclass(frozen=True)
class Place:
    """What must be known of where samples come from."""

    sample_rate_hz: float
    center_frequency_hz: float
    clock_ppm: float
    antennas: int

    def __post_init__(self) -> None:
        if self.antennas < 1:
            raise ConfigError(f"antennas must be at least 1 (got {self.antennas})")
        if not 0 < self.sample_rate_hz < float("inf"):
            raise ConfigError(f"samp_rate must be positive (got {self.sample_rate_hz})")
        if not 0 <= self.center_frequency_hz < float("inf"):
            raise ConfigError(f"center_freq must be at least 0 (got {self.center_frequency_hz})")
        if not 0 <= self.clock_ppm < float("inf"):
            raise ConfigError(f"clock_ppm must be at least 0 (got {self.clock_ppm})")
