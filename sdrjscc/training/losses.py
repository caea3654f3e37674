"""Losses by name, each of a batch of pictures."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": F.mse_loss}
"""``loss(decoded, images) -> scalar``; both ``[B, 3, H, W]`` in [0, 1]."""
