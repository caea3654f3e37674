"""What one run produced, and ``results.json``: stable keys, units in their names, no NaN."""

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from sdrjscc.files import write_json_atomic
from sdrjscc.images.metrics import Metric

SCHEMA = 1

TRANSMISSION_KEYS = (
    "image",
    "codec",
    "psnr_db",
    "ssim",
    "ms_ssim",
    "snr_db",
    "pilot_snr_db",
    "evm_db",
    "cfo_hz",
    "sco_ppm",
    "packets_sent",
    "packets_received",
    "k",
    "rho",
    "rho_on_air",
    "airtime_s",
    "encode_ms",
    "decode_ms",
    "receive_ms",
)
"""Keys that every transmission has in ``results.json``; ``null`` where not measured."""

_MEANS = ("psnr_db", "ssim", "ms_ssim", "lpips", "snr_db", "pilot_snr_db", "rho", "rho_on_air")
_SUMS = ("packets_sent", "packets_received", "airtime_s")


@dataclass(frozen=True)
class PacketRecord:
    """What the receiver measured on one packet.

    Attributes:
        index: the packet's number in its transmission.
        snr_db: data-aided, of the equalised symbols against those sent.
        pilot_snr_db: the receiver's own, from pilots.
        cfo_hz: carrier frequency offset.
        sco_ppm: sampling clock offset.
    """

    index: int
    snr_db: float | None = None
    pilot_snr_db: float | None = None
    cfo_hz: float | None = None
    sco_ppm: float | None = None


@dataclass(frozen=True)
class Signal:
    """Arrays (on the CPU) of one transmission that figures are drawn from; ``None`` where not kept.

    Attributes:
        sample_rate_hz: of ``samples`` and ``tap_delays``.
        occupied_bandwidth_hz: of the waveform, centred on ``cfo_hz``.
        symbols: complex64 ``[n]``, equalised payload symbols (up to some 20,000).
        reference: complex64 ``[n]``, the same symbols as they were sent.
        noise_var: float32 ``[n]``, the equaliser's estimate; infinite where lost.
        samples: complex64 ``[antennas, m]``, an excerpt of what was received.
        impulse_response: complex64 ``[antennas, taps]``.
        tap_delays: float32 ``[taps]``, in samples.
        frequency_response: complex64 ``[antennas, carriers]``.
        carriers_hz: float32 ``[carriers]``, ascending, 0 Hz in the middle.
        cfo_hz: measured carrier offset.
    """

    sample_rate_hz: float
    occupied_bandwidth_hz: float
    symbols: Tensor | None = None
    reference: Tensor | None = None
    noise_var: Tensor | None = None
    samples: Tensor | None = None
    impulse_response: Tensor | None = None
    tap_delays: Tensor | None = None
    frequency_response: Tensor | None = None
    carriers_hz: Tensor | None = None
    cfo_hz: float = 0.0


@dataclass(frozen=True)
class Transmission:
    """One picture's way through the link.

    Attributes:
        image: the picture's name; a file name is hostile input.
        codec: name and variant.
        sent: uint8 ``[3, H, W]``; ``None`` where it is not known.
        received: uint8 ``[3, H, W]``, or ``None`` when nothing could be decoded.
        measured: values by the keys of ``results.json`` (beyond ``image`` and ``codec``):
            numbers, :class:`Metric`, ``None``; further keys are kept.
        channel_snr_db: what the channel was told to give, where there is such a number.
        packets: what was measured on each packet that arrived, in order.
        signal: arrays for the figures.
        notes: what the user should know of this picture.
    """

    image: str
    codec: str
    sent: Tensor | None
    received: Tensor | None
    measured: Mapping[str, Any] = field(default_factory=dict)
    channel_snr_db: float | None = None
    packets: Sequence[PacketRecord] = ()
    signal: Signal | None = None
    notes: Sequence[str] = ()

    @property
    def decoded(self) -> bool:
        """Whether a picture came of it, kept here or not."""
        return bool(self.measured.get("decoded", self.received is not None))

    def slim(self) -> "Transmission":
        """The same without pictures and arrays: a long run keeps thousands."""
        measured = {**self.measured, "decoded": self.decoded}
        return replace(self, sent=None, received=None, signal=None, measured=measured)

    def row(self) -> dict[str, Any]:
        """Its entry in ``results.json``: the stable keys, then the others."""
        measured = {"image": self.image, "codec": self.codec, **self.measured}
        row = {key: measured.pop(key, None) for key in TRANSMISSION_KEYS}
        row |= {"decoded": self.decoded, "channel_snr_db": self.channel_snr_db, **measured}
        return dict(finite({**row, "notes": list(self.notes)}))


@dataclass(frozen=True)
class Run:
    """One run of a command that measures.

    Attributes:
        command: as the user typed it, such as ``demo``.
        config: the link's configuration as nested tables.
        config_toml: the same as text, shown in the report.
        transmissions: in the order of sending.
        started: local date and time, ISO 8601.
    """

    command: str
    config: Mapping[str, Any]
    config_toml: str
    transmissions: Sequence[Transmission]
    started: str

    @property
    def untrained(self) -> bool:
        """Whether the codec's weights are random, and said to be so."""
        codec = self.config.get("codec")
        return isinstance(codec, Mapping) and codec.get("weights") == "untrained"

    def content(self) -> dict[str, Any]:
        """What ``results.json`` holds."""
        rows = [transmission.row() for transmission in self.transmissions]
        return {
            "schema": SCHEMA,
            "command": self.command,
            "started": self.started,
            "versions": versions(),
            "config": finite(self.config),
            "summary": summarise(rows),
            "transmissions": rows,
        }


def write_results(path: Path, run: Run) -> None:
    """Write ``results.json``: the old file or the whole new one, never half of it.

    Raises:
        OSError: from the file system.
    """
    write_json_atomic(path, run.content())


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of the qualities over the pictures that have them, sums of packets and airtime.

    Args:
        rows: as :meth:`Transmission.row` makes them.
    """
    summary: dict[str, Any] = {
        "pictures": len(rows),
        "decoded": sum(row["decoded"] for row in rows),
    }
    for key in _SUMS:
        values = _present(rows, key)
        summary[key] = sum(values) if values else None
    for key in _MEANS:
        values = _present(rows, key)
        if values or key in TRANSMISSION_KEYS:
            summary[key] = sum(values) / len(values) if values else None
    return summary


def finite(value: Any) -> Any:
    """Make a tree of values fit for JSON.

    Undefined metrics, NaN and infinities become ``None``; the mapping that holds them says
    why in a further key ``undefined``: ``{"psnr_db": "identical pictures: infinite"}``.
    """
    if isinstance(value, Mapping):
        content = {str(key): finite(item) for key, item in value.items()}
        reasons = {str(key): reason for key, item in value.items() if (reason := _reason(item)) is not None}
        return {**content, "undefined": reasons} if reasons else content
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, Metric):
        return finite(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def versions() -> dict[str, str]:
    """Versions of what computed the results."""
    found = {"python": platform.python_version()}
    for package in ("sdrjscc", "torch", "numpy", "torchmetrics"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _reason(value: Any) -> str | None:
    """Why a value is undefined; ``None`` if it is defined or simply absent."""
    if isinstance(value, Metric):
        return value.reason if value.value is None else _reason(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    return None


def _present(rows: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    return [row[key] for row in rows if row.get(key) is not None]
