"""Receive from a recording what was on the air, with the decoder of then or with another one."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sdrjscc.capture.sigmf import Capture
from sdrjscc.config import validate
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.link.excerpt import Excerpt
from sdrjscc.link.log import LogLine
from sdrjscc.link.parts import Parts, build_parts
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import ReceivedPicture, ReceivingEnd
from sdrjscc.link.recording import CLOCK_PPM, DIGEST, LINK, RADIO, SENT
from sdrjscc.linkfile import LinkConfig, parse_link

CLOCKS_PPM = 20.0
"""Accuracy assumed of the clocks where neither the recording nor the link says anything about them."""


@dataclass(frozen=True)
class _Place:
    """What a receiver must know of a recording."""

    sample_rate_hz: float
    center_frequency_hz: float
    clock_ppm: float
    antennas: int


def recorded_link(capture: Capture) -> LinkConfig | None:
    """The link's configuration inside a recording; ``None`` where it holds none.

    Raises:
        CaptureError: it holds one that this version does not understand, or that names code from
            outside the package: a recording is data, whoever made it.
    """
    text = capture.header.extra.get(LINK)
    if not isinstance(text, str):
        return None
    try:
        table = tomllib.loads(text)
        _refuse_foreign(table)
        return parse_link(table)
    except (ConfigError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CaptureError(
            f"the configuration inside {capture.path} must be one that this version knows "
            f"(got: {error}); give another with -c"
        ) from error


def _refuse_foreign(tree: Any) -> None:
    if isinstance(tree, Mapping):
        name = tree.get("name")
        if isinstance(name, str) and ":" in name:
            raise ConfigError(f"a recording cannot name code from outside the package: '{name}'")
    for part in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        _refuse_foreign(part)


def recorded_lines(capture: Capture) -> list[LogLine]:
    """What was sent from the recording's own host; empty where it was only received.

    Raises:
        ConfigError: a line is not one of ours.
    """
    lines = capture.header.extra.get(SENT, [])
    if not isinstance(lines, list):
        return []
    return [validate(LogLine, line, f"{capture.path}, {SENT}") for line in lines]


class Replay:
    """One recording and a receiving end for it.

    Attributes:
        parts: what decodes.
        receiving: the receiving end, with its counters and refusals.
        packets: all that were accepted, in order, without their symbols.
        excerpt: the newest samples, for figures.
    """

    def __init__(self, capture: Capture, config: LinkConfig, *, own: bool, device: str = "cpu") -> None:
        """Build the receiving end.

        Args:
            capture: the recording.
            config: the link to receive with.
            own: whether it is the recording's own, but for the decoder: then what its transmitter
                said of itself is believed.
            device: where the codec runs.

        Raises:
            ConfigError, WeightsError: a part cannot be built.
        """
        self.capture = capture
        self.parts: Parts = build_parts(config, device)
        self.packets: list[Packet] = []
        self.excerpt = Excerpt(capture.header.antennas)
        extra, digest = capture.header.extra, capture.header.extra.get(DIGEST)
        place = _Place(
            capture.header.sample_rate_hz,
            capture.header.center_frequency_hz,
            _ppm(extra.get(RADIO), "clock_ppm", _ppm(config.radios.rx or config.radios.tx, "clock_ppm")),
            capture.header.antennas,
        )
        self.receiving = ReceivingEnd(
            self.parts,
            place,
            _ppm(extra, CLOCK_PPM, _ppm(config.radios.tx, "clock_ppm")),
            digest=digest if own and isinstance(digest, int) else None,
            on_packet=self._keep,
        )

    def pictures(self) -> Iterator[tuple[Tensor, list[ReceivedPicture]]]:
        """Each chunk of samples ``[antennas, n]`` with the pictures that it completed."""
        samples: Tensor | None = None
        for samples, dropped in self.capture.chunks():
            self.excerpt.add(self.receiving.receiver.position + dropped, samples)
            yield samples, self.receiving.push(samples, dropped=dropped)
        if samples is not None:
            yield samples, self.receiving.flush()

    def _keep(self, packet: Packet) -> None:
        nothing = packet.symbols[:0].clone(), packet.noise_var[:0].clone()
        self.packets.append(replace(packet, symbols=nothing[0], noise_var=nothing[1]))


def _ppm(table: Any, key: str, otherwise: float = CLOCKS_PPM) -> float:
    value = table.get(key) if isinstance(table, Mapping) else None
    return float(value) if isinstance(value, int | float) else otherwise
