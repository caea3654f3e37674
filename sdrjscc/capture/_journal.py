"""What a recording's metadata will say, gathered while it is recorded."""

import json
from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from sdrjscc.capture._meta import (
    OWN,
    Annotation,
    Header,
    Segment,
    annotation_fields,
    document,
    global_fields,
    own_fields,
    segment_fields,
)


class Journal:
    """Segments, annotations and counts; added to by the receiver, read by the writer's thread.

    Each entry is turned into JSON once: a long recording's metadata is written anew every second.

    Attributes:
        accepted: samples that are in the data file, or will be.
        dropped: samples lost by the radio.
        lost: samples lost because the disk was too slow.
    """

    def __init__(self, header: Header) -> None:
        self.accepted = self.dropped = self.lost = 0
        self._header = header
        self._global = global_fields(header)
        self._began = datetime.now(UTC)
        self._segments = [Segment()]
        self._captures = [(0, self._segment_text(Segment()))]
        self._annotations: list[tuple[int, int, int, str]] = []
        self._pending_dropped = self._pending_lost = 0
        self._lock = Lock()

    def accept(self, samples: int) -> None:
        """Samples that follow all that was accepted, dropped and lost before."""
        with self._lock:
            if self._pending_dropped or self._pending_lost:
                self._begin_segment()
            self.accepted += samples

    def miss(self, *, dropped: int = 0, lost: int = 0) -> None:
        """Samples of the stream that the data will not hold."""
        with self._lock:
            self._pending_dropped += dropped
            self._pending_lost += lost
            self.dropped += dropped
            self.lost += lost

    def give_up(self, samples: int) -> None:
        """Only the first ``samples`` of the accepted ones reached the file: the others are lost."""
        with self._lock:
            self.lost += self.accepted - samples
            self.accepted = samples

    def annotate(self, annotation: Annotation) -> None:
        """Add an annotation; the metadata shows it once all its samples are in the file."""
        with self._lock:
            start = min(annotation.start, self.accepted)
            end = min(start + annotation.count, self.accepted)
            within = replace(annotation, start=start, count=end - start)
            text = json.dumps(annotation_fields(within), allow_nan=False)
            insort(self._annotations, (start, len(self._annotations), end, text))

    def note(self, extra: Mapping[str, Any]) -> None:
        """Set fields of the header's ``extra``."""
        with self._lock:
            self._global = self._global | own_fields(extra)

    def position_in_file(self, stream_position: int) -> int:
        """Where in the data a sample of the stream lies; the next one there, if it was lost."""
        with self._lock:
            number = bisect_right(self._segments, stream_position, key=lambda segment: segment.stream) - 1
            if number < 0:
                return 0
            segment = self._segments[number]
            following = self._segments[number + 1 :][:1]
            end = following[0].start if following else self.accepted
            return min(segment.start + stream_position - segment.stream, end)

    def text(self, samples: int, clipped: int, sha512: str | None) -> str:
        """The metadata of the first ``samples`` samples."""
        with self._lock:
            top = self._global | {
                f"{OWN}samples": samples,
                f"{OWN}clipped": clipped,
                f"{OWN}dropped": self.dropped,
                f"{OWN}lost": self.lost,
            }
            captures, annotations = list(self._captures), list(self._annotations)
        if sha512 is not None:
            top["core:sha512"] = sha512
        return document(
            top,
            [text for start, text in captures if start < samples or start == 0],
            [text for _, _, end, text in annotations if end <= samples],
        )

    def _begin_segment(self) -> None:
        last = self._segments[-1]
        stream = last.stream + self.accepted - last.start + self._pending_dropped + self._pending_lost
        segment = Segment(self.accepted, stream, self._pending_dropped, self._pending_lost)
        if self.accepted == 0:
            self._segments, self._captures = [], []
        self._segments.append(segment)
        self._captures.append((segment.start, self._segment_text(segment)))
        self._pending_dropped = self._pending_lost = 0

    def _segment_text(self, segment: Segment) -> str:
        return json.dumps(segment_fields(segment, self._header, self._began))
