"""From packets to transmissions: one reassembler for every receiving end.

A transmission is given out when it is complete, when its sender begins a newer one, after a
timeout counted in samples, when others need its room, or at the end. Storage grows with what
arrived, never with what a header claims, and is limited.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sdrjscc.errors import FramingError, SdrJsccError
from sdrjscc.framing.header import Header
from sdrjscc.framing.packetise import depacketise, packet_count
from sdrjscc.link.receiver import Packet
from sdrjscc.link.refusals import Refusals
from sdrjscc.payload import Plan

_IDS = 256
_REMEMBERED = 16
_BYTES_PER_SYMBOL = 12
_LEAST_NOISE_VAR = 1e-15
"""-150 dB: what float32 symbols cannot resolve; keeps weights finite without any channel."""


@dataclass(frozen=True)
class Limits:
    """What the reassembler accepts.

    Attributes:
        max_side: largest picture side, px.
        max_open: transmissions assembled at the same time.
        max_bytes: of all stored packets, duplicates included.
        timeout_samples: without the beginning of a new packet, after which a transmission is
            given out.
        min_share: share of packets that must have arrived for a picture to be made.
    """

    timeout_samples: int
    max_side: int = 4095
    max_open: int = 4
    max_bytes: int = 1 << 30
    min_share: float = 0.1


@dataclass(frozen=True)
class Assembled:
    """A transmission as received.

    Attributes:
        header: of one of its packets.
        plan: what its sender's codec sent.
        symbols: complex64 ``[k]``; 0 where lost.
        noise_var: float32 ``[k]``; infinite where lost.
        packets: every packet that arrived, duplicates included, in order of arrival.
        received: number of different packets that arrived.
    """

    header: Header
    plan: Plan
    symbols: Tensor
    noise_var: Tensor
    packets: tuple[Packet, ...]
    received: int


@dataclass
class _Open:
    header: Header
    plan: Plan
    last_sample: float
    packets: list[Packet] = field(default_factory=list)
    stored: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


class Assembler:
    """Collects packets of all senders into transmissions.

    Attributes:
        refusals: why packets or transmissions were not accepted.
        duplicates: packets that came after their transmission was given out.
    """

    def __init__(
        self,
        plan: Callable[[Header], Plan],
        payload_symbols: int,
        limits: Limits,
        refusals: Refusals | None = None,
    ) -> None:
        """Set up an empty reassembler.

        Args:
            plan: what a picture with such a header costs; may raise to refuse it.
            payload_symbols: data symbols per packet.
            limits: what is accepted.
            refusals: where reasons go; ``None``: a collection of its own.
        """
        self._plan, self._payload_symbols, self._limits = plan, payload_symbols, limits
        self._open: OrderedDict[tuple[int, int], _Open] = OrderedDict()
        self._newest: dict[int, int] = {}
        self._done: OrderedDict[tuple[int, int], None] = OrderedDict()
        self.refusals = Refusals() if refusals is None else refusals
        self.duplicates = 0

    def push(self, packet: Packet) -> list[Assembled]:
        """Take one packet; return what it completed or ended, and what timed out before it."""
        ended = self.advance(packet.start_sample)
        nonce = packet.header.nonce
        key = (nonce, self._unwrap(nonce, packet.header.transmission))
        if key in self._done:
            self.duplicates += 1
            return ended
        try:
            self._store(key, packet)
        except SdrJsccError as error:
            self.refusals.add(str(error))
            return ended
        ended += self._end_older(key)
        if len(self._open[key].stored) == packet.header.packets:
            ended += self._end(key)
        return ended + self._enforce_limits()

    def advance(self, sample: float) -> list[Assembled]:
        """Tell the time; return what timed out.

        Args:
            sample: absolute index in the stream; all frames that begin before it were pushed.
        """
        late = [
            key
            for key, entry in self._open.items()
            if sample - entry.last_sample > self._limits.timeout_samples
        ]
        return [one for key in late for one in self._end(key)]

    def flush(self) -> list[Assembled]:
        """End everything that is open, the one not heard of for longest first; begin afresh."""
        ended = [one for key in list(self._open) for one in self._end(key)]
        self._done.clear()
        self._newest.clear()
        return ended

    def _unwrap(self, nonce: int, number: int) -> int:
        newest = self._newest.get(nonce)
        if newest is None:
            return number
        return newest + (number - newest + _IDS // 2) % _IDS - _IDS // 2

    def _store(self, key: tuple[int, int], packet: Packet) -> None:
        header, entry = packet.header, self._open.get(key)
        if entry is None:
            entry = _Open(header, self._planned(header), packet.start_sample)
            self._open[key] = entry
        else:
            _check_agreement(entry.header, header)
        self._open.move_to_end(key)
        before = entry.stored.get(header.packet)
        arrived = (packet.symbols, packet.noise_var)
        entry.stored[header.packet] = arrived if before is None else combine(before, arrived)
        entry.packets.append(packet)
        entry.last_sample = packet.start_sample

    def _planned(self, header: Header) -> Plan:
        """The plan of a transmission that begins with this header, if it is one to believe."""
        if max(header.width, header.height) > self._limits.max_side:
            raise FramingError(
                f"pictures must be at most {self._limits.max_side} px a side (a header claims "
                f"{header.width}x{header.height})"
            )
        plan = self._plan(header)
        expected = packet_count(plan.symbols, self._payload_symbols)
        if header.packets != expected:
            raise FramingError(
                f"a {header.width}x{header.height} picture must come in {expected} packets "
                f"(a header claims {header.packets})"
            )
        return plan

    def _end_older(self, key: tuple[int, int]) -> list[Assembled]:
        nonce, number = key
        self._newest[nonce] = max(number, self._newest.get(nonce, number))
        older = [other for other in self._open if other[0] == nonce and other[1] < number]
        return [one for other in older for one in self._end(other)]

    def _end(self, key: tuple[int, int]) -> list[Assembled]:
        entry = self._open.pop(key)
        self._done[key] = None
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        received, packets = len(entry.stored), entry.header.packets
        if received < self._limits.min_share * packets:
            self.refusals.add(
                f"at least {self._limits.min_share:.0%} of a picture's packets must arrive "
                f"(got {received} of {packets})"
            )
            return []
        symbols, noise_var = depacketise(entry.stored, packets, entry.plan.symbols)
        return [Assembled(entry.header, entry.plan, symbols, noise_var, tuple(entry.packets), received)]

    def _enforce_limits(self) -> list[Assembled]:
        ended: list[Assembled] = []
        while len(self._open) > self._limits.max_open or self._stored_bytes() > self._limits.max_bytes:
            ended += self._end(next(iter(self._open)))
        return ended

    def _stored_bytes(self) -> int:
        """Bytes of all packets and of what duplicates were combined into."""
        held = 0
        for entry in self._open.values():
            arrived, different = len(entry.packets), len(entry.stored)
            held += arrived + min(different, arrived - different)
        return held * self._payload_symbols * _BYTES_PER_SYMBOL


def _check_agreement(first: Header, header: Header) -> None:
    same = ("packets", "width", "height", "mode", "prefix")
    if any(getattr(first, name) != getattr(header, name) for name in same):
        raise FramingError(
            f"packets of transmission {header.transmission} must agree (got another size or mode)"
        )


def combine(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Combine two receptions of the same symbols by inverse noise variance.

    Args:
        one, other: symbols (complex) and their noise variance, equal shapes; a lost symbol
            has infinite variance.

    Returns:
        Combined symbols and variance ``1 / (1/v1 + 1/v2)``; lost in both: 0 and infinite.
    """
    weights = [torch.reciprocal(noise_var.clamp_min(_LEAST_NOISE_VAR)) for _, noise_var in (one, other)]
    total = weights[0] + weights[1]
    weighted = sum(
        torch.where(weight > 0, symbols * weight, 0.0)
        for (symbols, _), weight in zip((one, other), weights, strict=True)
    )
    return weighted / torch.where(total > 0, total, 1.0), torch.reciprocal(total)
