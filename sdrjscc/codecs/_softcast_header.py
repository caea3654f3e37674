"""What a SoftCast receiver has to be told, as bits, and the bits as QPSK that very low SNR can read.

Fields in order of transmission, most significant bit first: the three planes' means 10 bits each, the
power scale 20, the smallest and largest variance 8 each, the level of every chunk's variance 3,
CRC-24A. They are coded with 5G-NR LDPC base graph 2, repeated beyond the mother code's rate of
1/5, and scrambled: the all-zero word must not be what an unmodulated carrier says.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sdrjscc.coding.crc import crc24a
from sdrjscc.coding.ldpc import LdpcCode
from sdrjscc.coding.lfsr import gold_sequence

_MEAN_BITS, _SCALE_BITS, _BOUND_BITS, _LEVEL_BITS = 10, 20, 8, 3
_FIXED = (_MEAN_BITS, _MEAN_BITS, _MEAN_BITS, _SCALE_BITS, _BOUND_BITS, _BOUND_BITS)
_TOP_MEAN, _TOP_SCALE = (1 << _MEAN_BITS) - 1, (1 << _SCALE_BITS) - 1
_TOP_BOUND, _TOP_LEVEL = (1 << _BOUND_BITS) - 1, (1 << _LEVEL_BITS) - 1
_MEAN_FROM, _MEAN_STEP = -1.0, 3.0 / (1 << _MEAN_BITS)
_BOUND_FROM_DB, _BOUND_STEP_DB = -96.0, 0.75
_SCALE_FROM, _SCALE_STEPS = -32, 1 << (_SCALE_BITS - 6)
"""The power scale is a power of two from 2**-32 to 2**32, in so many steps an octave."""
_CRC_BITS = 24
_SCRAMBLER = 0x50F7
_ITERATIONS = 50
_LARGEST_LLR = 30.0


@dataclass(frozen=True)
class Message:
    """Fields of the header, as the integers that are sent.

    Attributes:
        means: of the planes.
        scale: of the transmitted power.
        low, high: bounds of the variances.
        levels: int64 ``[chunks]``, 0 to 7, on the CPU.
    """

    means: tuple[int, int, int]
    scale: int
    low: int
    high: int
    levels: Tensor

    @property
    def plane_means(self) -> Tensor:
        """Means of the planes, float64 ``[3]``."""
        return torch.tensor(self.means, dtype=torch.float64) * _MEAN_STEP + _MEAN_FROM

    @property
    def amplitude(self) -> float:
        """What the shaped coefficients are multiplied by."""
        return float(2.0 ** (0.5 * (_SCALE_FROM + self.scale / _SCALE_STEPS)))

    @property
    def variances(self) -> Tensor:
        """Variances of the chunks, float64 ``[chunks]``."""
        steps = self.low + (self.levels - 1).double() * (self.high - self.low) / (_TOP_LEVEL - 1)
        return torch.pow(10.0, (steps * _BOUND_STEP_DB + _BOUND_FROM_DB) / 10.0)


def quantised_means(means: Tensor) -> tuple[int, int, int]:
    """Fields of the three planes' means."""
    steps = ((means.double() - _MEAN_FROM) / _MEAN_STEP).round().clamp(0, _TOP_MEAN)
    first, second, third = (int(step) for step in steps.tolist())
    return first, second, third


def quantised_scale(power: float, unscaled: float) -> int:
    """The largest scale at which values of power ``unscaled`` do not exceed ``power``."""
    octaves = math.log2(power / unscaled) if unscaled > 0.0 else math.inf
    steps = min((octaves - _SCALE_FROM) * _SCALE_STEPS, _TOP_SCALE)
    return max(0, math.floor(steps))


def quantised_variances(variances: Tensor, sizes: tuple[int, ...], values: int) -> tuple[int, int, Tensor]:
    """Bounds and levels of the chunks' variances.

    Args:
        variances: float64 ``[chunks]`` on the CPU.
        sizes: coefficients in each.
        values: how many coefficients can be sent.

    Returns:
        ``low``, ``high`` and ``levels`` of the message: level 1 is the weakest chunk that is sent,
        or a part of it, 7 the strongest; those that cannot be sent are 0.
    """
    steps = ((10.0 * variances.log10() - _BOUND_FROM_DB) / _BOUND_STEP_DB).clamp(0.0, _TOP_BOUND)
    ranked = steps.argsort(descending=True, stable=True)
    fitting = int((torch.tensor(sizes)[ranked].cumsum(0) < values).sum())
    weakest = float(steps[ranked[min(fitting, len(sizes) - 1)]])
    low, high = math.floor(weakest), math.ceil(float(steps.max()))
    levels = 1 + ((steps - low) * (_TOP_LEVEL - 1) / max(1, high - low)).round().long()
    return low, high, torch.where(steps < low, 0, levels)


def header_symbols(chunks: int, expansion: int) -> int:
    """QPSK symbols of a header for so many chunks and coded bits a bit."""
    return -(-_code_bits(chunks) * expansion // 2)


def encode_header(message: Message, expansion: int) -> Tensor:
    """The header's values, 1 or -1: float32 ``[2 * header_symbols]`` on the CPU."""
    fixed = torch.tensor([*message.means, message.scale, message.low, message.high])
    owner, shift = _places(_widths(len(message.levels)))
    bits = (torch.cat([fixed, message.levels])[owner] >> shift & 1).to(torch.uint8).unsqueeze(0)
    coded = _code(len(message.levels), expansion).encode(torch.cat([bits, crc24a(bits)], dim=1))[0]
    return (1.0 - 2.0 * coded.float()) * _scrambling(len(coded))


def decode_header(values: Tensor, noise_var: Tensor, chunks: int, expansion: int) -> Message | None:
    """Read a header.

    Args:
        values: received values ``[2 * header_symbols]``, finite.
        noise_var: of the symbol that each belongs to, of the same shape; infinite where lost.
        chunks: number of levels.
        expansion: coded bits a bit.

    Returns:
        The message, or ``None`` unless parity and CRC agree.
    """
    received, noise_var = values.cpu(), noise_var.cpu()
    # beyond two deviations a symbol is no more certain: a jammed one must not outweigh many others
    limit = 0.5**0.5 * (1.0 + 2.0 * noise_var.sqrt())
    llr = (8.0**0.5 * received.clamp(-limit, limit) / noise_var).nan_to_num(0.0)
    llr = llr.clamp(-_LARGEST_LLR, _LARGEST_LLR) * _scrambling(len(values))
    words, parity_ok = _code(chunks, expansion).decode(llr.unsqueeze(0), _ITERATIONS)
    bits, checksum = words[:, :-_CRC_BITS], words[:, -_CRC_BITS:]
    if not (bool(parity_ok[0]) and torch.equal(crc24a(bits), checksum)):
        return None
    owner, shift = _places(_widths(chunks))
    fields = torch.zeros(len(_FIXED) + chunks, dtype=torch.int64)
    fields.index_add_(0, owner, bits[0].to(torch.int64) << shift)
    first, second, third, scale, low, high = fields[: len(_FIXED)].tolist()
    return Message((first, second, third), scale, low, high, fields[len(_FIXED) :])


def _widths(chunks: int) -> tuple[int, ...]:
    return (*_FIXED, *(_LEVEL_BITS,) * chunks)


def _code_bits(chunks: int) -> int:
    return sum(_widths(chunks)) + _CRC_BITS


@lru_cache(maxsize=8)
def _code(chunks: int, expansion: int) -> LdpcCode:
    return LdpcCode(_code_bits(chunks), 2 * header_symbols(chunks, expansion), base_graph=2)


@lru_cache(maxsize=8)
def _places(widths: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """For each bit the index of its field and its place in it, int64."""
    with torch.inference_mode(mode=False):
        shift = torch.cat([torch.arange(width - 1, -1, -1) for width in widths])
        return torch.arange(len(widths)).repeat_interleave(torch.tensor(widths)), shift


@lru_cache(maxsize=8)
def _scrambling(length: int) -> Tensor:
    with torch.inference_mode(mode=False):
        return 1.0 - 2.0 * gold_sequence(_SCRAMBLER, length).float()
