"""Random generators derived from written-down keys, never from global state."""

import hashlib

import torch


def derived_generator(*keys: int | str) -> torch.Generator:
    """CPU generator whose seed is a hash of ``keys``: equal keys, equal stream.

    A purpose and a counter as keys, e.g. ``("noise", seed, step)``, give independent streams
    that need no saving: any step can be repeated by itself.
    """
    digest = hashlib.sha256("\x1f".join(map(str, keys)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
