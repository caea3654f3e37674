"""Means over pictures with confidence intervals: percentile bootstrap over images, seeded.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3. Images
are what is drawn again: seeds of one image are averaged first, as they are no further images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
_RESAMPLES = 4000
_SEED = 20_240_601


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval.

    Attributes:
        mean: over images.
        low, high: ends of the interval; ``None`` with a single image.
        images: how many there were.
    """

    mean: float
    low: float | None
    high: float | None
    images: int


def by_image(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, float]:
    """Mean over seeds of each image's value, of those that have one."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[metric] is not None:
            found.setdefault(row["image"], []).append(float(row[metric]))
    return {image: sum(values) / len(values) for image, values in found.items()}


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Mean with its interval; ``None`` without values.

    The same number of values is always resampled in the same way.
    """
    if not values:
        return None
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, None, None, len(sample))
    drawn = np.random.default_rng(_SEED).integers(len(sample), size=(_RESAMPLES, len(sample)))
    tail = 100.0 * (1.0 - CONFIDENCE) / 2.0
    low, high = np.percentile(sample[drawn].mean(axis=1), [tail, 100.0 - tail])
    return Interval(mean, float(low), float(high), len(sample))


def paired_differences(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, float]:
    """Ours minus theirs for each image that both have."""
    return {image: value - theirs[image] for image, value in ours.items() if image in theirs}
