import sys
from types import SimpleNamespace

import pytest
from fake_pluto import Device


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self):
        self.now = 100.0
        self.waited = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.waited += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(
        "sdrjscc.radio.pluto.time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    )
    return clock


@pytest.fixture
def plug_in(monkeypatch):
    """Make ``adi.Pluto`` reach a device made with the given habits."""

    def plug(**habits):
        device = Device(**habits)
        monkeypatch.setitem(sys.modules, "adi", device.module())
        return device

    return plug
