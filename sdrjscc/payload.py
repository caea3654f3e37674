"""What a codec hands to a mapper: the payload's kind and the plan of one transmission."""

from dataclasses import dataclass
from enum import StrEnum


class PayloadKind(StrEnum):
    """The three things a codec may emit.

    * ``LATENT``: real tensor ``[B, k, d]``, d real values per channel symbol
      (d = 2: in-phase and quadrature; d = 1: a real symbol).
    * ``INDICES``: integer tensor ``[B, k]``, one codeword index per channel symbol.
    * ``BITS``: uint8 tensor ``[B, n_bits]`` of zeros and ones.
    """

    LATENT = "latent"
    INDICES = "indices"
    BITS = "bits"


@dataclass(frozen=True)
class Plan:
    """What one picture costs on the channel, known before it is encoded.

    Attributes:
        width, height: size in pixels of what the codec sees (padded to its multiple).
        symbols: k, the number of complex channel symbols.
        kind: what ``encode`` returns and ``decode`` takes.
        mode: modulation order index, baseline MCS, or 0 for analog (header field).
        prefix: rate prefix (header field), 0 for the full rate.
        values: of a latent, the real values that one symbol carries; ``None``: not said, so that
            a mapping which takes another number is found only when a picture is sent.
    """

    width: int
    height: int
    symbols: int
    kind: PayloadKind
    mode: int = 0
    prefix: int = 0
    values: int | None = None
