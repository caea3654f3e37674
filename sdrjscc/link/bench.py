"""Measurements on a bench: what a link does at its gains, and which gains are best.

Everything here goes through the same :class:`sdrjscc.link.session.Link` as a picture does. The
transmitter's gain never exceeds its table's cap.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from sdrjscc.errors import ConfigError
from sdrjscc.images.samples import read_sample, sample_names
from sdrjscc.link._bench_gains import (
    GainPoint,
    choose,
    config_gain,
    radio_table,
    steps,
    with_gain,
)
from sdrjscc.link._bench_probe import (
    Capability,
    Described,
    Probe,
    gain_range,
    need_gain,
    probe,
    receiving_table,
)
from sdrjscc.link._bench_profile import ClockOffset, clock_offset, profile_path, profile_text
from sdrjscc.link.log import Source
from sdrjscc.link.result import Result
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig
from sdrjscc.radio.base import Status
from sdrjscc.units import to_db

__all__ = [
    "Capability",
    "ClockOffset",
    "Described",
    "GainPoint",
    "Measurement",
    "Probe",
    "Silence",
    "choose",
    "clock_offset",
    "config_gain",
    "gain_range",
    "measure",
    "measure_gain",
    "need_gain",
    "probe",
    "profile_path",
    "profile_text",
    "radio_table",
    "receiving_table",
    "sample_sources",
    "silence",
    "steps",
    "with_gain",
]

_LISTEN_SAMPLES = 1 << 16
_BLOCK = 1024
_SIDE = 128


def _unheard(result: Result) -> None:
    pass


@dataclass(frozen=True)
class Silence:
    """What a receiver hears while this host's transmitter is silent; powers are means over antennas.

    Attributes:
        noise_dbfs: median over blocks of 1024 samples, without their mean: bursts of others do not
            move it.
        dc_dbfs: power of the mean, DC, likewise.
        busiest_db: the loudest block over the median; far above 1 dB somebody else is on the air.
    """

    noise_dbfs: float
    dc_dbfs: float
    busiest_db: float


@dataclass(frozen=True)
class Measurement:
    """One open link: silence, then test pictures.

    Attributes:
        silence: ``None`` where the radio gives nothing while nothing is sent.
        results: one per picture.
        counts: of both radios together, while the pictures were sent, by name of ``Status``.
        sent_samples: transmitted.
        temperature_c: of the receiver, where it says so.
    """

    silence: Silence | None
    results: tuple[Result, ...]
    counts: dict[str, int]
    sent_samples: int
    temperature_c: float | None

    @property
    def packets_sent(self) -> int:
        """Over all pictures."""
        return sum(one.packets_sent for one in self.results)

    @property
    def packets_received(self) -> int:
        """Over all pictures."""
        return sum(one.packets_received for one in self.results)

    @property
    def level_dbfs(self) -> float | None:
        """Power of the received signal without noise, mean over antennas; ``None`` where none was received.

        By the estimated channel: frames have unit mean power, so its taps' energy is the signal's power.
        """
        powers = [
            float(one.packet.impulse_response.abs().square().sum(-1).mean())
            for result in self.results
            for one in result.packets
        ]
        return to_db(fmean(powers)) if powers else None

    def expected_snr_db(self, occupied_share: float) -> float | None:
        """SNR per symbol, antennas summed, that level and noise floor alone would give."""
        level = self.level_dbfs
        if self.silence is None or level is None or not math.isfinite(self.silence.noise_dbfs):
            return None
        antennas = self.results[0].samples.shape[0]
        return level - self.silence.noise_dbfs + to_db(antennas / occupied_share)

    def mean(self, name: str) -> float | None:
        """Mean over packets of one of the receiver's measurements, such as ``"pilot_snr_db"``."""
        values = self.values(name)
        return fmean(values) if values else None

    def values(self, name: str) -> tuple[float, ...]:
        """One of the receiver's measurements of every packet."""
        return tuple(float(getattr(one.packet, name)) for result in self.results for one in result.packets)

    def quality(self, name: str) -> float | None:
        """Mean over pictures of a data-aided measurement, ``"snr_db"`` or ``"evm_db"``."""
        values = [getattr(one.quality, name) for one in self.results if one.quality is not None]
        return fmean(values) if values else None


def sample_sources(count: int, *, side: int = _SIDE) -> list[Source]:
    """Bundled photographs of at most ``side`` px a side, in turn.

    Raises:
        ConfigError: not at least one.
        ImageError: scikit-image is not installed.
    """
    if count < 1:
        raise ConfigError(f"pictures must be at least 1 (got {count})")
    names = sample_names()
    pictures = [read_sample(name, max_side=side) for name in names[:count]]
    return [Source(pictures[index % len(pictures)], max_side=side) for index in range(count)]


def measure(
    link: Link, sources: Sequence[Source], *, report: Callable[[Result], None] = _unheard
) -> Measurement:
    """Listen, then send every picture over an open link.

    Args:
        link: open.
        sources: test pictures.
        report: told of each.

    Raises:
        RadioError: a radio was lost.
    """
    heard = silence(link.listen(_LISTEN_SAMPLES))
    before, results = _counts(link), []
    for source in sources:
        results.append(link.send(source))
        report(results[-1])
    counts = {name: count - before[name] for name, count in _counts(link).items()}
    sent = sum(0 if one.sent is None else one.sent.samples.numel() for one in results)
    return Measurement(heard, tuple(results), counts, sent, link.rx_radio.status().temperature_c)


def silence(samples: Tensor) -> Silence | None:
    """Noise floor of complex64 ``[antennas, n]``; ``None`` where there is less than one block."""
    if samples.shape[-1] < _BLOCK:
        return None
    whole = samples.shape[-1] // _BLOCK * _BLOCK
    blocks = samples[:, :whole].unflatten(-1, (-1, _BLOCK))
    means = blocks.mean(dim=-1, keepdim=True)
    powers = (blocks - means).abs().square().mean(dim=(0, 2))
    dc = torch.view_as_real(means[..., 0]).median(dim=1).values  # [antennas, 2]
    floor = float(powers.median())
    busiest_db = to_db(float(powers.max()) / floor) if floor > 0 else 0.0
    return Silence(to_db(floor), to_db(float(dc.square().sum(-1).mean())), busiest_db)


def measure_gain(
    config: LinkConfig, sources: Sequence[Source], *, report: Callable[[Result], None] = _unheard
) -> GainPoint:
    """Open a link with the gains of its tables, measure, close it.

    Raises:
        ConfigError: its receiver has no gain.
        RadioError: a radio is not there, refused a setting or was lost.
    """
    rx_gain_db = config_gain(config, "rx")
    if rx_gain_db is None:
        raise ConfigError("the receiving radio must have an rx_gain_db (it has none)")
    with Link(config) as link:
        got = measure(link, sources, report=report)
    heard = got.silence
    return GainPoint(
        rx_gain_db=rx_gain_db,
        tx_gain_db=config_gain(config, "tx"),
        noise_dbfs=None if heard is None else heard.noise_dbfs,
        dc_dbfs=None if heard is None else heard.dc_dbfs,
        busiest_db=None if heard is None else heard.busiest_db,
        level_dbfs=got.level_dbfs,
        snr_db=got.quality("snr_db"),
        pilot_snr_db=got.mean("pilot_snr_db"),
        evm_db=got.quality("evm_db"),
        packets_sent=got.packets_sent,
        packets_received=got.packets_received,
        cfo_hz=got.values("cfo_hz"),
        sco_ppm=got.values("sco_ppm"),
        temperature_c=got.temperature_c,
        **got.counts,
    )


_COUNTED = ("saturated", "clipped", "overflows", "underflows", "late")


def _counts(link: Link) -> dict[str, int]:
    radios = [link.tx_radio] if link.rx_radio is link.tx_radio else [link.tx_radio, link.rx_radio]
    states: list[Status] = [radio.status() for radio in radios]
    return {name: sum(getattr(one, name) for one in states) for name in _COUNTED}
