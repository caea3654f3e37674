"""Which modulation order at which SNR.

Source: "Universal Joint Source-Channel Coding for Modulation-Agnostic Semantic Communication",
section III-A: one symbol carries one feature vector, so an order is used from the SNR on at
which its symbol error rate falls to 0.1, as a modulation and coding scheme is from a block
error rate of 0.1.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from sdrjscc.errors import ConfigError
from sdrjscc.mapping._assignment import detection_noise_var


def snr_boundaries(orders: Sequence[int], symbol_error_rate: float = 0.1) -> tuple[float, ...]:
    """SNR in dB above which each order but the first is used, ascending.

    Args:
        orders: M of each header mode, ascending, of square QAM or 2.
        symbol_error_rate: of hard decisions in white noise, at the boundary.

    Raises:
        ConfigError: the orders do not ascend, or one is of another constellation.
    """
    ascending = all(lower < higher for lower, higher in pairwise(orders))
    if not ascending or any(order != 2 and math.isqrt(order) ** 2 != order for order in orders):
        raise ConfigError(
            f"orders must be 2 or squares, and ascend, for a choice by SNR (got {list(orders)})"
        )
    return tuple(-10.0 * math.log10(detection_noise_var(order, symbol_error_rate)) for order in orders[1:])


def mode_at(orders: Sequence[int], snr_db: float) -> int:
    """The mode for a known SNR per symbol in dB: that of the highest order it reaches."""
    return bisect_right(snr_boundaries(orders), snr_db)


def snr_ranges(orders: Sequence[int], lowest_db: float, highest_db: float) -> tuple[tuple[float, float], ...]:
    """Lowest and highest SNR in dB of each mode, between outer limits.

    Raises:
        ConfigError: the limits do not leave every mode a range.
    """
    edges = (lowest_db, *snr_boundaries(orders), highest_db)
    if any(lower >= higher for lower, higher in pairwise(edges)):
        needed = f"below {edges[1]:.1f} and above {edges[-2]:.1f} dB" if len(orders) > 1 else "ascending"
        raise ConfigError(f"SNR limits must be {needed} (got {lowest_db} and {highest_db})")
    return tuple(pairwise(edges))
