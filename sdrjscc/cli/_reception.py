"""Pictures as they are received: written at once, measured where the true picture is known."""

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sdrjscc.cli._console import console

if TYPE_CHECKING:
    from sdrjscc.evaluation.results import Transmission
    from sdrjscc.link.excerpt import Excerpt
    from sdrjscc.link.log import References
    from sdrjscc.link.parts import Parts
    from sdrjscc.link.receiving import ReceivedPicture

_DETAILED = 24


class Album:
    """What one command received; pictures lie on the disk as soon as they are decoded.

    Attributes:
        records: of every transmission, those beyond the first 24 without pictures and arrays.
        decoded: pictures among them.
    """

    def __init__(
        self,
        command: str,
        out: Path,
        parts: "Parts",
        references: "References",
        sample_rate_hz: float,
        encoder: "Parts | None" = None,
    ) -> None:
        """Begin an album.

        Args:
            command: for the results.
            out: folder; there already.
            parts: of the link that decodes.
            references: the true pictures.
            sample_rate_hz: of the samples.
            encoder: of the link that sent, where it is another one.
        """
        self._command, self._out, self._parts, self._references = command, out, parts, references
        self._rate, self._encoder = sample_rate_hz, parts if encoder is None else encoder
        self._started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._lines: TextIO | None = None
        self.records: list[Transmission] = []
        self.decoded = 0

    def take(self, received: "ReceivedPicture", excerpt: "Excerpt") -> "Transmission":
        """Measure and keep one transmission.

        Args:
            received: as it came out of the receiving end.
            excerpt: of the stream that it came in.
        """
        from sdrjscc.evaluation.reception import record_reception
        from sdrjscc.evaluation.report import picture_folder
        from sdrjscc.images.io import write_png

        record = record_reception(
            received,
            excerpt.of(received.assembled.packets),
            parts=self._parts,
            encoder=self._encoder,
            references=self._references,
            sample_rate_hz=self._rate,
        )
        number = len(self.records) + 1
        if record.received is not None:
            self.decoded += 1
            write_png(picture_folder(self._out, number, record.image) / "received.png", record.received)
        self._note({"number": number, **_timed(record.row())})
        self.records.append(record if number <= _DETAILED else record.slim())
        return record

    def finish(self) -> None:
        """Write ``results.json`` and the report, where anything was received."""
        from sdrjscc.evaluation.report import write_report
        from sdrjscc.evaluation.results import Run
        from sdrjscc.linkfile import to_toml

        if self._lines is not None:
            self._lines.close()
        if not self.records:
            return
        config = self._parts.config
        run = Run(self._command, config.model_dump(mode="json"), to_toml(config), self.records, self._started)
        with console.status("drawing the report"):
            report = write_report(run, self._out)
        paths = f"report   {report}\nresults  {self._out / 'results.json'}"
        console.print(paths, soft_wrap=True, highlight=False, markup=False)

    def _note(self, row: dict[str, Any]) -> None:
        """Write a line; the log of an earlier run is replaced by the first, not before."""
        if self._lines is None:
            self._lines = (self._out / "received.jsonl").open("w", encoding="utf-8")
        self._lines.write(json.dumps(row) + "\n")
        self._lines.flush()


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    return {"time": datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"), **row}
