"""Soundings made up for tests: every value is known."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch

from sdrjscc.channel._soundings import SoundingSet, save

RATE_HZ = 1e6
SHARE = 208 / 256


def soundings(taps: torch.Tensor, **changes: object) -> SoundingSet:
    """Soundings of impulse responses complex ``[N, A, K]``: 10 dB, no offsets, unless changed."""
    count = len(taps)
    zero = torch.zeros(count, dtype=torch.float64)
    values: dict = {
        "impulse_response": taps.to(torch.complex64),
        "snr_db": zero + 10.0,
        "cfo_hz": zero,
        "sco_ppm": zero,
        "start_s": torch.arange(count, dtype=torch.float64),
        "sample_rate_hz": RATE_HZ,
        "occupied_share": SHARE,
    }
    return SoundingSet(**{**values, **changes})


def one_tap_each(gains: list[list[complex]]) -> torch.Tensor:
    """Impulse responses ``[N, A, 3]`` of one tap at delay 1, of gains ``[N][A]``."""
    return torch.nn.functional.pad(torch.tensor(gains, dtype=torch.complex64)[..., None], (1, 1))


@functools.cache
def example_path() -> Path:
    """A file of two soundings of one antenna, removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="sdrjscc-soundings-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "example.safetensors"
    save(soundings(one_tap_each([[1.0], [1j]])), path)
    return path
