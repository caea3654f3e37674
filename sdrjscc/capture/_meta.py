"""What a recording's metadata holds, and its way to JSON."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sdrjscc.capture._samples import FORMATS, WRITTEN
from sdrjscc.errors import CaptureError

NAMESPACE = "sdrjscc"
OWN = f"{NAMESPACE}:"
_EXTENSION = {"name": NAMESPACE, "version": "1.0.0", "optional": True}


@dataclass(frozen=True)
class Header:
    """What a recording says of itself.

    Attributes:
        sample_rate_hz: of the radio, as read back.
        center_frequency_hz: carrier, 0 where there is none.
        antennas: channels, interleaved in the data.
        datatype: ``ci16_le`` (1.0 is 32768, what exceeds it is clipped and counted) or ``cf32_le``;
            ``ci8`` and ``cu8`` are read only.
        hardware: the radio, in words.
        author: who recorded it.
        description: what it is, in words.
        extra: the project's own fields, ``sdrjscc:...``; whatever JSON can hold.
    """

    sample_rate_hz: float
    center_frequency_hz: float
    antennas: int = 1
    datatype: str = "ci16_le"
    hardware: str = ""
    author: str | None = None
    description: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bytes_per_sample(self) -> int:
        """Bytes in the data of one sample of all antennas."""
        return FORMATS[self.datatype].bytes_per_sample(self.antennas)


@dataclass(frozen=True)
class Annotation:
    """Something found in the samples.

    Attributes:
        start: first sample, counted in the recording's data (lost samples are not in there).
        count: samples.
        label: what it is, in 20 characters or less.
        comment: more about it.
        extra: the project's own fields, ``sdrjscc:...``.
    """

    start: int
    count: int
    label: str
    comment: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gap:
    """Samples that are missing just before sample ``start`` of the data: ``dropped`` of them."""

    start: int
    dropped: int


@dataclass(frozen=True)
class Segment:
    """Samples without a gap between them.

    Attributes:
        start: of its first sample, in the data.
        stream: of its first sample, in the stream with all that was lost.
        dropped: samples lost by the radio just before.
        lost: samples lost by a slow disk just before.
    """

    start: int = 0
    stream: int = 0
    dropped: int = 0
    lost: int = 0


def check_writable(header: Header) -> None:
    """Hold a header against what can be written.

    Raises:
        CaptureError: the datatype, the rate or the antennas cannot be.
    """
    if header.datatype not in WRITTEN:
        raise CaptureError(f"a recording's datatype must be {' or '.join(WRITTEN)} (got '{header.datatype}')")
    if not (math.isfinite(header.sample_rate_hz) and header.sample_rate_hz > 0):
        raise CaptureError(f"a recording's sample_rate_hz must be positive (got {header.sample_rate_hz})")
    if header.antennas < 1:
        raise CaptureError(f"a recording's antennas must be at least 1 (got {header.antennas})")


def global_fields(header: Header) -> dict[str, Any]:
    """The ``global`` object of SigMF, without counts and hash."""
    import sigmf

    core = {
        "core:version": sigmf.__specification__,
        "core:datatype": header.datatype,
        "core:sample_rate": float(header.sample_rate_hz),
        "core:num_channels": header.antennas,
        "core:recorder": NAMESPACE,
        "core:hw": header.hardware,
        "core:author": header.author,
        "core:description": header.description,
        "core:extensions": [_EXTENSION],
    }
    full_scale = FORMATS[header.datatype].full_scale
    own = {f"{OWN}full_scale": int(full_scale)} if full_scale != 1.0 else {}
    return {key: value for key, value in core.items() if value not in (None, "")} | own_fields(
        own | dict(header.extra)
    )


def segment_fields(segment: Segment, header: Header, began: datetime) -> dict[str, Any]:
    """A capture segment of SigMF; ``began`` is the time of the stream's first sample."""
    moment = began + timedelta(seconds=segment.stream / header.sample_rate_hz)
    lost = {f"{OWN}dropped": segment.dropped, f"{OWN}lost": segment.lost}
    return {
        "core:sample_start": segment.start,
        "core:global_index": segment.stream,
        "core:frequency": float(header.center_frequency_hz),
        "core:datetime": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **{key: count for key, count in lost.items() if count},
    }


def annotation_fields(annotation: Annotation) -> dict[str, Any]:
    """An annotation of SigMF."""
    comment = {"core:comment": annotation.comment} if annotation.comment else {}
    return {
        "core:sample_start": annotation.start,
        "core:sample_count": annotation.count,
        "core:label": annotation.label,
        **comment,
        **own_fields(annotation.extra),
    }


def own_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The project's own fields, as JSON can hold them.

    Raises:
        CaptureError: a key is not in the project's namespace.
    """
    for key in fields:
        if not key.startswith(OWN):
            raise CaptureError(f"a recording's extra fields must begin with '{OWN}' (got '{key}')")
    return {key: _plain(value) for key, value in fields.items()}


def only_own(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The project's own ones among the fields of a SigMF object."""
    return {key: value for key, value in fields.items() if key.startswith(OWN)}


def described_samples(top: Mapping[str, Any]) -> int | None:
    """How many samples the recorder vouched for in a ``global`` object; ``None``: not our recorder's."""
    samples = top.get(f"{OWN}samples")
    return samples if isinstance(samples, int) else None


def document(top: Mapping[str, Any], captures: Iterable[str], annotations: Iterable[str]) -> str:
    """The metadata as text; captures and annotations are JSON already, one object each."""
    captures_text, annotations_text = ",\n".join(captures), ",\n".join(annotations)
    return (
        f'{{\n"global": {json.dumps(top, indent=2, allow_nan=False)},\n'
        f'"captures": [\n{captures_text}\n],\n"annotations": [\n{annotations_text}\n]\n}}\n'
    )


def parse(text: str | bytes, name: object) -> dict[str, Any]:
    """Metadata as an object of JSON.

    Raises:
        CaptureError: it is not one; ``name`` says which file.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise CaptureError(f"{name} must hold JSON (got: {error})") from None
    if not isinstance(content, dict):
        raise CaptureError(f"{name} must hold an object of JSON (got {type(content).__name__})")
    return content


def check_valid(metadata: Mapping[str, Any], name: object) -> None:
    """Let sigmf-python's own validator judge metadata.

    Raises:
        CaptureError: it is not what SigMF's schema asks for.
    """
    import sigmf

    try:
        sigmf.SigMFFile(metadata=dict(metadata)).validate()
    except Exception as error:  # jsonschema's, and what malformed structures raise on the way
        reason = str(getattr(error, "message", error)).splitlines()[0][:200]
        place = "/".join(str(part) for part in getattr(error, "absolute_path", ()))
        raise CaptureError(
            f"{name} must hold valid SigMF metadata (got{' at ' + place if place else ''}: {reason})"
        ) from error


def _plain(value: Any) -> Any:
    """What JSON can hold: numbers of numpy and torch are unwrapped, what is not finite is ``null``."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
