"""A radio with gains, by construction: what its best gain is can be computed by hand.

A frame of unit power arrives with ``LOSS_DB`` and the transmit gain. Noise of ``THERMAL`` is
amplified with it, noise of the converter, ``QUANTISATION``, is not; beyond 1.0 in I or Q it clips.
"""

import math
from collections import deque
from types import SimpleNamespace

import torch
from pydantic import Field

from sdrjscc.channel.chain import Config as ChainConfig
from sdrjscc.channel.chain import build as build_chain
from sdrjscc.config import Section
from sdrjscc.errors import RadioError
from sdrjscc.radio.base import Reception, Status

LOSS_DB, THERMAL, QUANTISATION = 30.0, 1e-6, 1e-5
CFO_PPM = 7.0
_CHUNK = 16_384


class Config(Section):
    uri: str = "bench:1"
    center_frequency_hz: float = Field(ge=1e6, examples=[1e9])
    sample_rate_hz: float = 1e6
    end: str = "both"
    clock_ppm: float = Field(20.0, ge=0, le=100)
    tx_gain_db: float = Field(-10.0, ge=-30, le=0)
    tx_gain_max_db: float = Field(-5.0, ge=-30, le=0)
    rx_gain_db: float | None = Field(None, ge=0, le=60, examples=[20.0])
    device: str | None = "bench radio"


SEEN = SimpleNamespace(opened=[], highest_db=60.0)


def build(config, *, channel, occupied_share):
    return Bench(config)


class Bench:
    live = False
    antennas = 1

    def __init__(self, config):
        self.config = config
        self.sample_rate_hz, self.center_frequency_hz = config.sample_rate_hz, config.center_frequency_hz
        self.clock_ppm = config.clock_ppm
        self.generator = torch.Generator().manual_seed(3)
        offset = CFO_PPM * config.center_frequency_hz * 1e-6
        self.channel = build_chain(
            ChainConfig(cfo_hz=offset, sco_ppm=CFO_PPM, lead_samples=700, tail_samples=700)
        )
        self.queue, self.saturated = deque(), 0

    def __enter__(self):
        if self.config.uri == "bench:absent":
            raise RadioError("bench radio at bench:absent must be there (got: silence)")
        SEEN.opened.append(self.config)
        return self

    def __exit__(self, *_):
        pass

    def transmit(self, samples):
        assert self.config.end != "receive"
        sent = self.channel.realise(
            samples[None],
            sample_rate_hz=self.sample_rate_hz,
            occupied_bandwidth_hz=self.sample_rate_hz,
            generator=self.generator,
        ).samples
        self.queue.extend((10 ** ((self.config.tx_gain_db - LOSS_DB) / 20) * sent).split(_CHUNK, dim=-1))

    def receive(self):
        air = self.queue.popleft() if self.queue else torch.zeros(1, _CHUNK, dtype=torch.complex64)
        gain = 10 ** (self.config.rx_gain_db / 10)
        got = math.sqrt(gain) * (air + self._noise(air, THERMAL)) + self._noise(air, QUANTISATION)
        rails = torch.view_as_real(got)
        self.saturated += int((rails.abs() > 1.0).any(-1).sum())
        return Reception(torch.view_as_complex(rails.clamp(-1.0, 1.0)))

    def status(self):
        told = {"sample_rate_hz": self.sample_rate_hz, "rx_gain_db": self.config.rx_gain_db or 0.0}
        return Status(told, saturated=self.saturated, temperature_c=31.5)

    def describe(self):
        return {"rx_gain_db": (0.0, SEEN.highest_db), "connector": "SMA"}

    def _noise(self, like, power):
        return math.sqrt(power) * torch.randn(like.shape, dtype=torch.complex64, generator=self.generator)


class Taciturn(Bench):
    """A driver that does not tell what its device can do."""

    describe = None


def link_table(**changes):
    radio = {"name": "bench_radio:build", "center_frequency_hz": 1e9, "rx_gain_db": 20.0, **changes}
    return {
        "codec": {"name": "dsc_jscc", "variant": "60-E2D2"},
        "mapping": {"name": "analog"},
        "waveform": {"name": "ofdm"},
        "radios": {"tx": radio},
        "receiver": {"timeout_s": 0.2},
    }


def snr_db(rx_gain_db, tx_gain_db=-10.0):
    """Per sample, by construction, without saturation."""
    gain = 10 ** (rx_gain_db / 10)
    power = gain * 10 ** ((tx_gain_db - LOSS_DB) / 10)
    return 10 * math.log10(power / (gain * THERMAL + QUANTISATION))
