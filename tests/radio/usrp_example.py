"""The USRP that the tests of its driver open, what it is plugged into, and something to send."""

import math
import sys

import pytest
import torch
from fake_uhd import Device

from sdrjscc.radio.base import build_radio

ARGS = "type=b200"
NAME = f"usrp at {ARGS}"


def table(**changes):
    options = {
        "name": "usrp",
        "args": ARGS,
        "center_frequency_hz": 2.45e9,
        "sample_rate_hz": 1e6,
        "tx_gain_db": 20.0,
        "rx_gain_db": 30.0,
        "rx_buffer_samples": 2048,
        **changes,
    }
    return {key: value for key, value in options.items() if value is not None}


def radio(**changes):
    return build_radio(table(**changes), "radios.tx", channel=None, occupied_share=0.8125)


def noise(length, power=1.0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return math.sqrt(power) * torch.randn(length, dtype=torch.complex64, generator=generator)


@pytest.fixture(name="plug_in")
def plugged_usrp(monkeypatch):
    """Make ``import uhd`` reach a device made with the given habits, and its time the driver's."""

    def plug(**habits):
        device = Device(**habits)
        monkeypatch.setitem(sys.modules, "uhd", device.module())
        monkeypatch.setattr("sdrjscc.radio._usrp_streams.time", device)
        return device

    return plug


def written(device, attribute):
    return [value for name, value in device.log if name == attribute]
