"""One verdict over a link whose both ends are on this host: what was measured against what must hold."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.errors import Undecodable
from sdrjscc.images.io import to_float, to_uint8
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.link.bench import Measurement, radio_table
from sdrjscc.link.parts import Parts
from sdrjscc.link.result import Result
from sdrjscc.linkfile import LinkConfig
from sdrjscc.randomness import derived_generator
from sdrjscc.training.passes import symbol_level
from sdrjscc.units import to_db

LEAST_SNR_DB = 10.0
"""What a cable must reach where the link has no software channel that says otherwise."""

_FADING_DB = 3.0
_FLATTERING_DB = 3.0
_NOISE_LIMITED_DB, _UNEXPLAINED_DB = 25.0, 3.0
_EVM_MARGIN_DB = 1.5
_CLIPPED_SHARE = 1e-4
_CLOCK_ERROR_PPM = 1.0
_CODEC_LOSS_DB = 0.5
_FAULTS = ("saturated", "overflows", "underflows", "late")


@dataclass(frozen=True)
class Criterion:
    """One row of the verdict.

    Attributes:
        key: its name in ``results.json``, with its unit.
        text: what it is, in words.
        measured: ``None`` where it could not be measured.
        least, most: what must hold; ``None``: no limit on that side.
    """

    key: str
    text: str
    measured: float | None
    least: float | None = None
    most: float | None = None

    @property
    def ok(self) -> bool | None:
        """Whether it holds; ``None`` where it was not measured, which alone is no failure."""
        if self.measured is None:
            return None
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        return low <= self.measured <= high

    def row(self) -> dict[str, Any]:
        """Its entry in ``results.json``."""
        return asdict(self) | {"ok": self.ok}


def judge(parts: Parts, got: Measurement, *, least_snr_db: float | None = None) -> list[Criterion]:
    """Hold a measurement against what must be true of a link that works.

    Args:
        parts: the link's.
        got: measured on it.
        least_snr_db: what its data-aided SNR must reach; ``None``: 3 dB less than its software
            channel's, or 10 dB without one.
    """
    lost = sum(one.received is None or not one.received.decoded for one in got.results)
    return [
        Criterion("pictures_lost", f"pictures lost of {len(got.results)}", lost, most=0),
        Criterion(
            "packets_lost",
            f"packets lost of {got.packets_sent}",
            got.packets_sent - got.packets_received,
            most=0,
        ),
        *_quality(parts, got, _least_snr_db(parts.config, least_snr_db)),
        *_clocks(parts.config, got),
        Criterion(
            "psnr_below_codec_db",
            "PSNR, dB less than the codec's own at this SNR",
            _codec_loss_db(parts, got.results),
            most=_CODEC_LOSS_DB,
        ),
        Criterion(
            "clipped_share",
            "share of transmitted samples clipped",
            got.counts["clipped"] / max(1, got.sent_samples),
            most=_CLIPPED_SHARE,
        ),
        *(Criterion(name, _WORDS[name], got.counts[name], most=0) for name in _FAULTS),
    ]


_WORDS = {
    "saturated": "received samples at full scale",
    "overflows": "overflows of the receiver",
    "underflows": "underflows of the transmitter",
    "late": "transmissions that came too late",
}


def passed(criteria: Sequence[Criterion]) -> bool:
    """The verdict: none of them fails."""
    return all(one.ok is not False for one in criteria)


def _least_snr_db(config: LinkConfig, given: float | None) -> float:
    configured = (config.channel or {}).get("snr_db")
    if given is not None:
        return given
    return configured - _FADING_DB if isinstance(configured, int | float) else LEAST_SNR_DB


def _quality(parts: Parts, got: Measurement, least_db: float) -> list[Criterion]:
    snr_db, pilots_db = got.quality("snr_db"), got.mean("pilot_snr_db")
    expected_db = got.expected_snr_db(parts.waveform.occupied_bandwidth_hz(1.0))
    return [
        Criterion("snr_db", "SNR, data-aided, dB", snr_db, least=least_db),
        Criterion(
            "snr_below_pilots_db",
            "SNR, dB less than by pilots",
            None if snr_db is None or pilots_db is None else pilots_db - snr_db,
            most=_FLATTERING_DB,
        ),
        # beyond 25 dB, oscillators and amplifiers of a radio limit it, not the floor
        Criterion(
            "snr_below_floor_db",
            "SNR by pilots, dB less than by the noise floor",
            None
            if expected_db is None or pilots_db is None
            else min(expected_db, _NOISE_LIMITED_DB) - pilots_db,
            most=_UNEXPLAINED_DB,
        ),
        Criterion(
            "evm_db", "error vector magnitude, dB", got.quality("evm_db"), most=_EVM_MARGIN_DB - least_db
        ),
    ]


def _clocks(config: LinkConfig, got: Measurement) -> list[Criterion]:
    """Offsets of carrier and clock against what both ends' ``clock_ppm`` allow."""
    tables = [radio_table(config, end) for end in ("tx", "rx")]
    allowed_ppm = sum(_number(table.get("clock_ppm")) for table in tables)
    carrier_hz = _number(tables[1].get("center_frequency_hz"))
    cfo_hz, sco_ppm = (max(got.values(key), key=abs, default=None) for key in ("cfo_hz", "sco_ppm"))
    widest_hz, widest_ppm = 1e-6 * allowed_ppm * carrier_hz, allowed_ppm + _CLOCK_ERROR_PPM
    return [
        Criterion("cfo_hz", "carrier frequency offset, worst, Hz", cfo_hz, least=-widest_hz, most=widest_hz),
        Criterion(
            "sco_ppm", "sampling clock offset, worst, ppm", sco_ppm, least=-widest_ppm, most=widest_ppm
        ),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _codec_loss_db(parts: Parts, results: Sequence[Result]) -> float | None:
    """Mean over pictures of the PSNR that the codec has without a physical layer, minus the link's."""
    losses = []
    for one in results:
        expected = _expected_psnr_db(parts, one)
        if expected is not None and one.psnr_db.value is not None:
            losses.append(expected - one.psnr_db.value)
    return fmean(losses) if losses else None


@torch.inference_mode()
def _expected_psnr_db(parts: Parts, result: Result) -> float | None:
    """PSNR at the symbol level, with white noise of the SNR that was measured over copies of a symbol."""
    picture, received, quality = result.picture, result.received, result.quality
    if picture is None or received is None or quality is None:
        return None
    snr_db = quality.snr_db + to_db(max(1, math.floor(result.copies)))
    images = pad_to_multiple(to_float(picture.pixels).unsqueeze(0), parts.codec.multiple).to(parts.device)
    generator = derived_generator("selftest", picture.name)
    mode = received.assembled.header.mode
    link = (parts.codec, parts.mapper, Awgn(AwgnConfig()))
    try:
        sent = symbol_level(*link, images, torch.tensor([snr_db]), generator, mode=mode)
    except Undecodable:
        return None
    pixels = to_uint8(crop(sent.images, picture.width, picture.height))[0].cpu()
    return psnr_db(picture.pixels, pixels).value
