"""The radio that the tests of the PlutoSDR driver open, and something to send."""

import math

import torch

from sdrjscc.radio.base import build_radio

URI = "ip:127.0.0.1"
LOWEST = -89.75


def table(**changes):
    options = {
        "name": "pluto",
        "uri": URI,
        "center_frequency_hz": 2.45e9,
        "sample_rate_hz": 2e6,
        "rx_gain_db": 40.0,
        "rx_buffer_samples": 2048,
        **changes,
    }
    return {key: value for key, value in options.items() if value is not None}


def radio(**changes):
    return build_radio(table(**changes), "radios.tx", channel=None, occupied_share=0.8125)


def noise(length, power=1.0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return math.sqrt(power) * torch.randn(length, dtype=torch.complex64, generator=generator)
