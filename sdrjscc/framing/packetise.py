"""A transmission's symbols spread over its packets, and gathered again from what arrived.

Slot s of ``packets * payload_symbols`` slots carries symbol ``permutation(s) mod k``, so a lost
packet or a faded carrier costs every part of the picture a little. Slots beyond k repeat symbols:
diversity instead of padding. A fixed pseudo-random sign at each slot of a packet whitens
correlated symbols, which would raise the peak power of the OFDM signal.
"""

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from sdrjscc.coding.lfsr import sign_sequence
from sdrjscc.coding.permutation import Permutation
from sdrjscc.errors import FramingError
from sdrjscc.framing.header import MAX_PACKETS

_PERMUTATION_KEY = 0x5D15C
_SIGN_SEED = 0x3A51
_KEPT_SLOTS = 1 << 19
"""Transmissions up to this size (1,400x1,400 px at 1/12) keep their permutation, 4 MiB each."""
_LEAST_NOISE_VAR = 1e-15
"""-150 dB: what float32 symbols cannot resolve; keeps weights finite without any channel."""


def packet_count(symbols: int, payload_symbols: int) -> int:
    """Packets for a transmission of ``symbols`` with ``payload_symbols`` in each.

    Raises:
        FramingError: nothing to send, or more packets than the header can count.
    """
    if symbols < 1 or payload_symbols < 1:
        raise FramingError(
            f"symbols and payload_symbols must be at least 1 (got {symbols} and {payload_symbols})"
        )
    packets = -(-symbols // payload_symbols)
    if packets > MAX_PACKETS:
        raise FramingError(
            f"a transmission must fit in {MAX_PACKETS} packets (got {packets}: {symbols} symbols, "
            f"{payload_symbols} a packet)"
        )
    return packets


def packetise(symbols: Tensor, payload_symbols: int) -> Tensor:
    """Spread a transmission over packets.

    Args:
        symbols: complex64 ``[k]``, k at least 1.
        payload_symbols: symbols a packet.

    Returns:
        complex64 ``[packets, payload_symbols]``; differentiable.

    Raises:
        FramingError: see :func:`packet_count`.
    """
    packets = packet_count(len(symbols), payload_symbols)
    source = _source(torch.arange(packets), packets, payload_symbols, len(symbols))
    return symbols[source] * _signs(payload_symbols).to(symbols.device)


def depacketise(received: Mapping[int, tuple[Tensor, Tensor]], packets: int, k: int) -> tuple[Tensor, Tensor]:
    """Gather a transmission from the packets that arrived; time and memory grow with them and k.

    Args:
        received: by packet index, symbols complex64 ``[P]`` and noise_var float32 ``[P]``.
        packets: packets of the transmission.
        k: symbols of the transmission.

    Returns:
        symbols complex64 ``[k]`` and noise_var float32 ``[k]``. Copies of a symbol are combined
        by inverse noise variance; a symbol of which nothing arrived is 0 with infinite variance.

    Raises:
        FramingError: an index, a shape, or ``packets`` does not fit the transmission.
    """
    if not received:
        return torch.zeros(k, dtype=torch.complex64), torch.full((k,), torch.inf)
    indices = torch.tensor(list(received))
    symbols, noise_var = _stacked(received)
    payload_symbols = symbols.shape[1]
    if packet_count(k, payload_symbols) != packets:
        raise FramingError(
            f"{k} symbols in packets of {payload_symbols} must be {packet_count(k, payload_symbols)} packets "
            f"(got {packets})"
        )
    if not (int(indices.min()) >= 0 and int(indices.max()) < packets):
        raise FramingError(f"packet indices must be 0..{packets - 1} (got {sorted(received)})")
    source = _source(indices, packets, payload_symbols, k).reshape(-1).to(symbols.device)
    symbols = symbols * _signs(payload_symbols).to(symbols.device)
    usable = torch.isfinite(symbols) & (noise_var < torch.inf)
    weight = torch.where(usable, 1.0 / noise_var.clamp_min(_LEAST_NOISE_VAR), 0.0)
    weighted = torch.where(usable, symbols * weight, 0.0)
    total = weight.new_zeros(k).index_add(0, source, weight.reshape(-1))
    combined = symbols.new_zeros(k).index_add(0, source, weighted.reshape(-1))
    return combined / torch.where(total > 0, total, 1.0), 1.0 / total


def _source(indices: Tensor, packets: int, payload_symbols: int, k: int) -> Tensor:
    """Which symbol each slot of the given packets carries, int64 ``[packets given, payload_symbols]``."""
    if packets * payload_symbols <= _KEPT_SLOTS:
        return _whole_source(packets, payload_symbols, k)[indices]
    return _computed_source(indices, packets, payload_symbols, k)


@lru_cache(maxsize=4)
def _whole_source(packets: int, payload_symbols: int, k: int) -> Tensor:
    with torch.inference_mode(mode=False):  # what a receiver asked for first, training can use
        return _computed_source(torch.arange(packets), packets, payload_symbols, k)


def _computed_source(indices: Tensor, packets: int, payload_symbols: int, k: int) -> Tensor:
    slots = indices.unsqueeze(1) * payload_symbols + torch.arange(payload_symbols)
    return Permutation(packets * payload_symbols, _PERMUTATION_KEY).forward(slots) % k


@lru_cache(maxsize=2)
def _signs(payload_symbols: int) -> Tensor:
    with torch.inference_mode(mode=False):
        return sign_sequence(_SIGN_SEED, payload_symbols)


def _stacked(received: Mapping[int, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    shapes = {tuple(tensor.shape) for pair in received.values() for tensor in pair}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise FramingError(f"all packets must have one length (got shapes {sorted(shapes)})")
    symbols, noise_var = zip(*received.values(), strict=True)
    return torch.stack(symbols), torch.stack(noise_var)
