"""What a receiving command shows while it runs: a dashboard, or a line for each picture."""

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from sdrjscc.cli._console import console
from sdrjscc.cli._run import shown_name

if TYPE_CHECKING:
    from torch import Tensor

    from sdrjscc.evaluation.results import Transmission
    from sdrjscc.link.listening import Listener
    from sdrjscc.radio.base import Reception

_BARS = " ▁▂▃▄▅▆▇█"
_SPECTRUM_COLUMNS, _SPECTRUM_SAMPLES = 64, 1 << 14
_BOTTOM_DB = 40.0
_EVERY_S = 0.5
_RECENT = 5


class Show(Protocol):
    """Told of everything that arrives."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        ...

    def samples(self, reception: "Reception") -> None:
        """Samples came."""
        ...

    def picture(self, record: "Transmission") -> None:
        """A transmission came."""
        ...


class Lines:
    """A line for each picture."""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""

    def samples(self, reception: "Reception") -> None:
        """Samples alone are no news."""

    def picture(self, record: "Transmission") -> None:
        """Print its line."""
        console.print(summary_line(record), markup=False, highlight=False, soft_wrap=True)


class Dashboard:
    """Counters, SNR, carrier offset, spectrum and the last pictures, redrawn twice a second."""

    def __init__(self, listener: "Listener", title: str) -> None:
        """Show what ``listener`` receives under ``title``."""
        self._listener, self._title = listener, title
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._pictures = self._decoded = self._lost = 0
        self._psnr_db: float | None = None
        self._began_s = self._drawn_s = time.monotonic()

    def __enter__(self) -> Self:
        """Take the terminal's lower part."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back; the last state stays above the prompt."""
        self._live.__exit__(kind, error, trace)
        for line in self._recent:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def samples(self, reception: "Reception") -> None:
        """Redraw, if it is time."""
        now_s = time.monotonic()
        if now_s - self._drawn_s >= _EVERY_S:
            self._drawn_s = now_s
            self._live.update(self._panel(reception.samples), refresh=True)

    def picture(self, record: "Transmission") -> None:
        """Count it."""
        row = record.row()
        self._pictures += 1
        self._decoded += record.decoded
        self._lost += (row["packets_sent"] or 0) - (row["packets_received"] or 0)
        self._psnr_db = row["psnr_db"]
        self._recent.append(summary_line(record))

    def _panel(self, samples: "Tensor") -> Panel:
        table = Table.grid(padding=(0, 2))
        for name, text in self._rows(samples):
            table.add_row(f"[dim]{name}[/]", text)
        return Panel(table, title=escape(self._title), title_align="left")

    def _rows(self, samples: "Tensor") -> list[tuple[str, str]]:
        listener, counters = self._listener, self._listener.receiving.receiver.counters
        status = listener.radio.status()
        elapsed_s = max(time.monotonic() - self._began_s, 1e-3)
        rows = [
            (
                "samples",
                f"{listener.samples / 1e6:.1f} M in {elapsed_s:.0f} s, {counters.dropped} dropped, "
                f"{status.overflows} overflows, {listener.reader.lost} without room",
            ),
            ("level", _level(samples, status.saturated)),
            ("spectrum", spectrum_line(samples, listener.radio.sample_rate_hz)),
            (
                "packets",
                f"{counters.headers - counters.foreign} received, {counters.header_failures} undecodable, "
                f"{counters.foreign} of another configuration, {self._lost} lost",
            ),
        ]
        if (packet := listener.last_packet) is not None:
            rows.append(
                (
                    "link",
                    f"SNR {packet.pilot_snr_db:.1f} dB (pilots), CFO {packet.cfo_hz:+.0f} Hz, "
                    f"clock {packet.sco_ppm:+.2f} ppm",
                )
            )
        psnr = "" if self._psnr_db is None else f", PSNR {self._psnr_db:.2f} dB"
        rows.append(("pictures", f"{self._decoded} of {self._pictures} decoded{psnr}"))
        if (recording := listener.recording) is not None:
            recorder = recording.recorder
            rows.append(("recording", f"{recorder.written / 1e6:.1f} M samples, {recorder.lost} lost"))
        return rows + [("", escape(line)) for line in self._recent]


def summary_line(record: "Transmission") -> str:
    """One transmission in a line."""
    row = record.row()
    parts = [shown_name(record.image), f"{row['width']}x{row['height']}"]
    parts.append(f"packets {row['packets_received']}/{row['packets_sent']}")
    for key, name, unit in (
        ("snr_db", "SNR", "dB"),
        ("pilot_snr_db", "SNR by pilots", "dB"),
        ("cfo_hz", "CFO", "Hz"),
        ("psnr_db", "PSNR", "dB"),
    ):
        if row[key] is not None:
            parts.append(f"{name} {row[key]:.{0 if unit == 'Hz' else 2}f} {unit}")
    return ", ".join(parts if record.decoded else [*parts, "not decodable"])


def spectrum_line(samples: "Tensor", sample_rate_hz: float) -> str:
    """The spectrum as a row of bars, 40 dB high, 0 Hz in the middle."""
    from sdrjscc.evaluation.spectrum import power_density

    if samples.shape[-1] < _SPECTRUM_COLUMNS:
        return ""
    _, level_db = power_density(samples[0, -_SPECTRUM_SAMPLES:], sample_rate_hz, _SPECTRUM_COLUMNS)
    height = (level_db - level_db.max() + _BOTTOM_DB).clip(0.0) / _BOTTOM_DB
    return "".join(_BARS[round(float(one) * (len(_BARS) - 1))] for one in height)


def _level(samples: "Tensor", saturated: int) -> str:
    from sdrjscc.units import to_db

    power = float(samples.abs().square().mean()) if samples.numel() else 0.0
    return f"{to_db(power):.1f} dBFS, {saturated} samples at full scale"
