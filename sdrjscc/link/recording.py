"""What a recording holds beside its samples: configuration, radio, one annotation per frame."""

import logging
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from sdrjscc.capture.sigmf import Annotation, Header, Recorder
from sdrjscc.errors import CaptureError
from sdrjscc.link.log import LogLine
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiver import Counters, Packet
from sdrjscc.link.receiving import Antennas
from sdrjscc.linkfile import LinkConfig, Table, to_toml
from sdrjscc.radio.base import Reception, Status
from sdrjscc.waveform.base import PREAMBLE_SAMPLES

LINK, DIGEST, RADIO, SETTINGS, STATUS, CLOCK_PPM, SENT, COUNTERS = (
    "sdrjscc:link",
    "sdrjscc:digest",
    "sdrjscc:radio",
    "sdrjscc:settings",
    "sdrjscc:status",
    "sdrjscc:clock_ppm",
    "sdrjscc:transmissions",
    "sdrjscc:counters",
)
"""Keys of the recording's global object; the frames' annotations repeat the header's field names."""

_FEW_BITS = 16
_log = logging.getLogger("sdrjscc.link")


class Source(Antennas, Protocol):
    """What a recording must know of where its samples come from: a radio, or a flowgraph."""

    @property
    def live(self) -> bool:
        """Samples go by whether they are fetched or not; otherwise they wait."""
        ...

    def status(self) -> Status:
        """Settings, and what was counted so far."""
        ...


class Recording:
    """A recording of a radio that is open, written while it receives.

    Attributes:
        recorder: writes the files; counts what the disk was too slow for in ``lost``.
        failure: why nothing more could be written, such as a full disk; reception goes on.
    """

    def __init__(
        self,
        path: Path,
        parts: Parts,
        radio: Source,
        table: Table,
        *,
        force: bool = False,
        sample_type: str | None = None,
    ) -> None:
        """Begin a recording.

        Args:
            path: of the recording, with or without a suffix.
            parts: of the link, for its configuration.
            radio: what receives; open.
            table: the radio's own, of the configuration.
            force: replace a recording of that name.
            sample_type: SigMF's datatype; ``None``: :func:`datatype`.

        Raises:
            CaptureError: there is one already, or it cannot be written.
        """
        self._radio, self._frame_samples = radio, parts.waveform.frame_samples
        self._lines: list[dict[str, Any]] = []
        self.failure: CaptureError | None = None
        extra = {
            LINK: to_toml(parts.config),
            DIGEST: parts.digest,
            RADIO: dict(table),
            SETTINGS: dict(radio.status().settings),
            CLOCK_PPM: sender_clock_ppm(parts.config, radio),
        }
        header = Header(
            sample_rate_hz=radio.sample_rate_hz,
            center_frequency_hz=radio.center_frequency_hz,
            antennas=radio.antennas,
            datatype=sample_type or datatype(parts.config, radio),
            hardware=str(table.get("device") or table["name"]),
            description=f"{parts.codec_name} over sdrjscc",
            extra=extra,
        )
        self.recorder = Recorder(path, header, force=force)

    def tap(self, reception: Reception) -> None:
        """Write a reception; only a radio that waits is made to wait. It never ends the reception."""
        if self.failure is None:
            try:
                if not self._radio.live:
                    self.recorder.wait_for_room(reception.samples.shape[-1])
                self.recorder.write(reception.samples, reception.dropped)
            except CaptureError as error:
                self._fail(error)

    def packet(self, packet: Packet) -> None:
        """Annotate the frame of an accepted packet."""
        header = packet.header
        measured = {
            "sdrjscc:cfo_hz": packet.cfo_hz,
            "sdrjscc:sco_ppm": packet.sco_ppm,
            "sdrjscc:pilot_snr_db": packet.pilot_snr_db,
            "sdrjscc:crc": "valid",
        }
        fields = {f"sdrjscc:{name}": value for name, value in asdict(header).items()}
        label = f"picture {header.transmission} {header.packet + 1}/{header.packets}"
        self._annotate(packet.start_sample, self._frame_samples, label, {**fields, **measured})

    def undecodable(self, position: float) -> None:
        """Annotate a preamble whose header could not be decoded."""
        self._annotate(position, PREAMBLE_SAMPLES, "preamble", {"sdrjscc:crc": "invalid"})

    def sent(self, line: LogLine) -> None:
        """Note what was sent from here, for replays."""
        self._lines.append(line.model_dump(mode="json", exclude_none=True))

    def close(self, counters: Counters | None = None) -> None:
        """Finish the files, with what the radio and the receiver counted; a full disk is a ``failure``."""
        notes: dict[str, Any] = {STATUS: asdict(self._radio.status())}
        if self._lines:
            notes[SENT] = self._lines
        if counters is not None:
            notes[COUNTERS] = asdict(counters)
        self.recorder.note(notes)
        try:
            self.recorder.close()
        except CaptureError as error:
            self._fail(error)

    def __enter__(self) -> Self:
        """The recording itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files."""
        self.close()

    def _fail(self, error: CaptureError) -> None:
        self.failure = error
        _log.warning("recording ends, reception goes on: %s", error)

    def _annotate(self, position: float, count: int, label: str, extra: dict[str, Any]) -> None:
        first = max(0, round(position))
        start, end = (self.recorder.position_in_file(at) for at in (first, first + count))
        self.recorder.annotate(
            Annotation(start=start, count=end - start, label=label, comment="", extra=extra)
        )


def datatype(config: LinkConfig, radio: Source) -> str:
    """Sixteen-bit integers hold what converters give exactly; a software channel without one needs floats."""
    bits = (config.channel or {}).get("adc_bits")
    converted = radio.live or (isinstance(bits, int) and bits <= _FEW_BITS)
    return "ci16_le" if converted else "cf32_le"


def sender_clock_ppm(config: LinkConfig, receiver: Antennas) -> float:
    """Accuracy of the transmitting end's clock by its table; the receiver's own where it says nothing."""
    ppm = config.radios.tx.get("clock_ppm")
    return float(ppm) if isinstance(ppm, int | float) else receiver.clock_ppm
