"""From packets to transmissions: one reassembler for every receiving end.

A transmission is given out when it is complete, when its sender begins a newer one, after a
timeout counted in samples, or at the end. Storage grows with what arrived, never with what
a header claims.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sdrjscc.errors import SdrJsccError
from sdrjscc.framing.header import Header
from sdrjscc.framing.packetise import depacketise, packet_count
from sdrjscc.link.receiver import Packet
from sdrjscc.payload import Plan

_IDS = 256
_REMEMBERED = 16
_BYTES_PER_SYMBOL = 12
_LEAST_NOISE_VAR = 1e-30


@dataclass(frozen=True)
class Limits:
    """What the reassembler accepts.

    Attributes:
        max_side: largest picture side, px.
        max_open: transmissions assembled at the same time.
        max_bytes: of all stored packets.
        timeout_samples: without a new packet, after which a transmission is given out.
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
    """Collects packets of all senders into transmissions."""

    def __init__(self, plan: Callable[[Header], Plan], payload_symbols: int, limits: Limits) -> None:
        """Set up an empty reassembler.

        Args:
            plan: what a picture with such a header costs; may raise to refuse it.
            payload_symbols: data symbols per packet.
            limits: what is accepted.
        """
        self._plan, self._payload_symbols, self._limits = plan, payload_symbols, limits
        self._open: OrderedDict[tuple[int, int], _Open] = OrderedDict()
        self._newest: dict[int, int] = {}
        self._done: OrderedDict[tuple[int, int], None] = OrderedDict()
        self.refusals: list[str] = []
        self.duplicates = 0

    def push(self, packet: Packet) -> list[Assembled]:
        """Take one packet; return what it completed or ended."""
        nonce = packet.header.nonce
        key = (nonce, self._unwrap(nonce, packet.header.transmission))
        if key in self._done:
            self.duplicates += 1
            return []
        if key not in self._open and not self._begin(key, packet):
            return []
        if not self._store(key, packet):
            return []
        ended = self._end_older(key)
        if len(self._open[key].stored) == packet.header.packets:
            ended += self._end(key)
        return ended + self._enforce_limits()

    def advance(self, sample: float) -> list[Assembled]:
        """Tell the time, as absolute sample index of the stream; return what timed out."""
        late = [
            key
            for key, entry in self._open.items()
            if sample - entry.last_sample > self._limits.timeout_samples
        ]
        return [one for key in late for one in self._end(key)]

    def flush(self) -> list[Assembled]:
        """End everything that is open, oldest first."""
        return [one for key in list(self._open) for one in self._end(key)]

    def _unwrap(self, nonce: int, number: int) -> int:
        newest = self._newest.get(nonce)
        if newest is None:
            return number
        return newest + (number - newest + _IDS // 2) % _IDS - _IDS // 2

    def _begin(self, key: tuple[int, int], packet: Packet) -> bool:
        header = packet.header
        if max(header.width, header.height) > self._limits.max_side:
            return self._refuse(
                f"pictures must be at most {self._limits.max_side} px a side (a header claims "
                f"{header.width}x{header.height})"
            )
        try:
            plan = self._plan(header)
        except SdrJsccError as error:
            return self._refuse(str(error))
        expected = packet_count(plan.symbols, self._payload_symbols)
        if header.packets != expected:
            return self._refuse(
                f"a {header.width}x{header.height} picture must come in {expected} packets "
                f"(a header claims {header.packets})"
            )
        self._open[key] = _Open(header, plan, packet.start_sample)
        return True

    def _store(self, key: tuple[int, int], packet: Packet) -> bool:
        entry, header = self._open[key], packet.header
        same = ("packets", "width", "height", "mode", "prefix")
        if any(getattr(header, name) != getattr(entry.header, name) for name in same):
            return self._refuse(
                f"packets of transmission {header.transmission} must agree (got another size or mode)"
            )
        before = entry.stored.get(header.packet)
        arrived = (packet.symbols, packet.noise_var)
        entry.stored[header.packet] = arrived if before is None else combine(before, arrived)
        entry.packets.append(packet)
        entry.last_sample = packet.start_sample
        return True

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
            self._refuse(
                f"at least {self._limits.min_share:.0%} of a picture's packets must arrive "
                f"(got {received} of {packets} of transmission {entry.header.transmission})"
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
        packets = sum(len(entry.stored) for entry in self._open.values())
        return packets * self._payload_symbols * _BYTES_PER_SYMBOL

    def _refuse(self, reason: str) -> bool:
        self.refusals.append(reason)
        return False


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
    weighted = one[0] * weights[0] + other[0] * weights[1]
    return torch.where(total > 0, weighted / total.clamp_min(_LEAST_NOISE_VAR), 0.0), torch.reciprocal(total)
