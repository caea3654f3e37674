"""Fixed tables, made once and usable both in a receiver and in training."""

from collections.abc import Callable
from functools import cache, wraps
from typing import TypeVar

import torch
from torch import Tensor

Owner = TypeVar("Owner")


def table(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Cache the tensor of ``make()``.

    A tensor made inside ``torch.inference_mode()`` could never take part in a backward pass, and
    the first to ask for a table may well be a receiver: tables are made outside that mode.
    """

    @cache
    @wraps(make)
    def cached() -> Tensor:
        with torch.inference_mode(mode=False):
            return make()

    return cached


def outside_inference(make: Callable[[Owner], Tensor]) -> Callable[[Owner], Tensor]:
    """The same for a method that ``functools.cached_property`` caches."""

    @wraps(make)
    def made(owner: Owner) -> Tensor:
        with torch.inference_mode(mode=False):
            return make(owner)

    return made
