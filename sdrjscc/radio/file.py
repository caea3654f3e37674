"""A recording in a radio's place: read where a link receives, written where it transmits."""

import math
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from sdrjscc.capture.sigmf import Annotation, Capture, Header, Recorder, open_capture
from sdrjscc.channel.base import SampleChannel
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError, RadioError, SignalError
from sdrjscc.radio.base import Radio, Reception, Status
from sdrjscc.units import from_db

_BLOCK = 1 << 18
_CLOCK = "sdrjscc:clock_ppm"
_CLOCK_PPM = 25.0


class Config(Section):
    """``name = "file"``: a SigMF recording.

    Attributes:
        path: the recording. A receiving end reads it, a transmitting end writes it.
        end: what this end does on the link.
        sample_rate_hz: of a transmitting end; a receiving one has the recording's.
        center_frequency_hz: likewise.
        datatype: of what is written.
        tx_dbfs: level of samples of unit power in what is written; OFDM peaks are 12 dB up.
        overwrite: write over a recording that is there.
        clock_ppm: accuracy of the clock that the samples were taken with; left out, what the
            recording says, else 25.
        chunk_samples: samples per reception.
    """

    path: str = Field(min_length=1, examples=["recording"])
    end: Literal["transmit", "receive"] = Field("receive", examples=["transmit"])
    sample_rate_hz: float | None = Field(None, gt=0, examples=[1e6])
    center_frequency_hz: float | None = Field(None, ge=0, examples=[2.4e9])
    datatype: Literal["ci16_le", "cf32_le"] = "ci16_le"
    tx_dbfs: float = Field(-12.0, ge=-40, le=0)
    overwrite: bool = False
    clock_ppm: float | None = Field(None, ge=0, le=100)
    chunk_samples: int = Field(262_144, ge=1)

    @model_validator(mode="after")
    def _rate_and_carrier_have_one_source(self) -> Self:
        given = [self.sample_rate_hz is not None, self.center_frequency_hz is not None]
        if self.end == "transmit" and not all(given):
            raise ValueError("sample_rate_hz and center_frequency_hz must be given where end is transmit")
        if self.end == "receive" and any(given):
            raise ValueError(
                "sample_rate_hz and center_frequency_hz must be left out where end is receive: "
                "the recording has them"
            )
        return self


def build(config: Config, *, channel: SampleChannel | None, occupied_share: float) -> Radio:
    """Build the radio. A receiving end reads the recording's header here, its samples only when open.

    Raises:
        ConfigError: there is a software channel: a recording went through one already.
        CaptureError: a receiving end's recording is missing or cannot be read.
    """
    if channel is not None:
        raise ConfigError("the link must have no [channel] where its radio is 'file' (it has one)")
    return FileReceiver(config) if config.end == "receive" else FileTransmitter(config)


class FileReceiver:
    """Receives what was recorded, gaps included; see :class:`sdrjscc.radio.base.Radio`."""

    live = False

    def __init__(self, config: Config) -> None:
        capture = open_capture(config.path, check_hash=False)
        said = capture.header.extra.get(_CLOCK)
        said_ppm = float(said) if isinstance(said, int | float) else _CLOCK_PPM
        self.sample_rate_hz = capture.header.sample_rate_hz
        self.center_frequency_hz = capture.header.center_frequency_hz
        self.clock_ppm = said_ppm if config.clock_ppm is None else config.clock_ppm
        self.antennas = capture.header.antennas
        self._config, self._chunks, self._gaps = config, _nothing(), 0
        self._open = False

    def __enter__(self) -> Self:
        """Begin at the first sample; the whole file's hash is checked, and only warned of.

        Raises:
            CaptureError: the recording is gone or another one than when this was built.
        """
        self._chunks = self._recording().chunks(self._config.chunk_samples)
        self._gaps, self._open = 0, True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._open, self._chunks = False, _nothing()

    def transmit(self, samples: Tensor) -> None:
        """Refuse: this end receives.

        Raises:
            RadioError: always.
        """
        raise RadioError(f"file {self._config.path} must have end 'transmit' to transmit (got 'receive')")

    def receive(self) -> Reception | None:
        """The next samples, ``None`` at the end of the recording.

        Raises:
            CaptureError: the file cannot be read any more.
            RadioError: it is not open.
        """
        if not self._open:
            raise RadioError(f"file {self._config.path} must be open to receive (it is closed)")
        for samples, dropped in self._chunks:
            self._gaps += dropped > 0
            return Reception(samples, dropped)
        return None

    def status(self) -> Status:
        """The recording's rate and carrier; the gaps met so far count as overflows."""
        return Status(
            {"sample_rate_hz": self.sample_rate_hz, "center_frequency_hz": self.center_frequency_hz},
            overflows=self._gaps,
        )

    def _recording(self) -> Capture:
        capture = open_capture(self._config.path)
        found = (capture.header.sample_rate_hz, capture.header.center_frequency_hz, capture.header.antennas)
        if found != (self.sample_rate_hz, self.center_frequency_hz, self.antennas):
            raise RadioError(f"file {self._config.path} must stay as it was when it was chosen (it changed)")
        return capture


class FileTransmitter:
    """Writes what is transmitted, one transmission after the other without silence between them."""

    live = False
    antennas = 1

    def __init__(self, config: Config) -> None:
        self.sample_rate_hz = float(config.sample_rate_hz or 0.0)
        self.center_frequency_hz = float(config.center_frequency_hz or 0.0)
        self.clock_ppm = _CLOCK_PPM if config.clock_ppm is None else config.clock_ppm
        self._config = config
        self._recorder: Recorder | None = None
        self._sent = 0

    def __enter__(self) -> Self:
        """Create the recording.

        Raises:
            CaptureError: it exists and may not be overwritten, or cannot be written.
        """
        header = Header(
            sample_rate_hz=self.sample_rate_hz,
            center_frequency_hz=self.center_frequency_hz,
            datatype=self._config.datatype,
            hardware="none: a transmitter's samples",
            extra={_CLOCK: self.clock_ppm, "sdrjscc:tx_dbfs": self._config.tx_dbfs},
        )
        self._recorder = Recorder(self._config.path, header, force=self._config.overwrite)
        self._sent = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the recording.

        Raises:
            CaptureError: not everything could be written.
        """
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.__exit__(kind, error, trace)

    def transmit(self, samples: Tensor) -> None:
        """Write complex ``[n]`` at ``tx_dbfs``, with an annotation; waits for the disk.

        Raises:
            SignalError: not a complex vector.
            CaptureError: the disk is full or gone.
            RadioError: it is not open.
        """
        if self._recorder is None:
            raise RadioError(f"file {self._config.path} must be open to transmit (it is closed)")
        if samples.ndim != 1 or not samples.is_complex():
            raise SignalError(f"samples to transmit must be a complex vector (got {tuple(samples.shape)})")
        level = math.sqrt(from_db(self._config.tx_dbfs))
        for block in samples.detach().split(_BLOCK):
            self._recorder.wait_for_room(len(block))
            self._recorder.write(level * block.unsqueeze(0))
        self._recorder.annotate(Annotation(self._sent, len(samples), "transmission"))
        self._sent += len(samples)

    def receive(self) -> Reception | None:
        """Refuse: this end transmits.

        Raises:
            RadioError: always.
        """
        raise RadioError(f"file {self._config.path} must have end 'receive' to receive (got 'transmit')")

    def status(self) -> Status:
        """The rate and carrier written into the header, and what was clipped so far."""
        return Status(
            {"sample_rate_hz": self.sample_rate_hz, "center_frequency_hz": self.center_frequency_hz},
            clipped=0 if self._recorder is None else self._recorder.clipped,
        )


def _nothing() -> Iterator[tuple[Tensor, int]]:
    return iter(())
