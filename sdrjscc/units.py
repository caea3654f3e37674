"""Conversions between linear quantities and decibels, and between ppm and Hz.

Bare ``power`` and ``noise_var`` are linear everywhere, per complex sample or symbol;
names ending in ``_db`` or ``_dbfs`` are decibels of *power*.
"""

import math


def from_db(level_db: float) -> float:
    """Power ratio of a level in decibels: ``10 ** (level_db / 10)``."""
    return float(10.0 ** (level_db / 10.0))


def to_db(power: float) -> float:
    """Level in decibels of a power ratio; ``-inf`` for zero, ``nan`` for negative input."""
    if power > 0.0:
        return 10.0 * math.log10(power)
    return -math.inf if power == 0.0 else math.nan


def ppm_to_hz(offset_ppm: float, frequency_hz: float) -> float:
    """Frequency error in Hz of a clock that is off by ``offset_ppm`` at ``frequency_hz``."""
    return offset_ppm * 1e-6 * frequency_hz
