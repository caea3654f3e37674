"""A link's codec on the device where its network is to run."""

import copy
from dataclasses import replace

import torch

from sdrjscc.errors import ConfigError
from sdrjscc.link.parts import Parts


def on_device(parts: Parts, device: torch.device | str) -> Parts:
    """The same parts with the codec on ``device``: a copy, where it is on another one.

    Raises:
        ConfigError: there is no such device here.
    """
    there = _device(device)
    if there == parts.device or not isinstance(parts.codec, torch.nn.Module):
        return parts
    return replace(parts, codec=copy.deepcopy(parts.codec).to(there), device=there)


def _device(device: torch.device | str) -> torch.device:
    try:
        named = torch.device(device)
        torch.empty(1, device=named)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device must be one that PyTorch has here (got '{device}': {reason})") from None
    return named
