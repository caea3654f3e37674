"""Modulation and coding schemes of the separation baseline: the header's mode is an index here."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Mcs:
    """One scheme.

    Attributes:
        order: M of the square QAM (2: BPSK).
        rate: nominal rate of the LDPC code.
        snr_db: Es/N0 in white noise at which one block of about 8,000 bits in a hundred is lost, as
            ``benchmarks/ldpc_bler.py`` measures it.
    """

    order: int
    rate: Fraction
    snr_db: float

    @property
    def bits(self) -> int:
        """Coded bits a symbol."""
        return self.order.bit_length() - 1

    @property
    def name(self) -> str:
        """Such as ``16QAM 3/4``."""
        modulation = {2: "BPSK", 4: "QPSK"}.get(self.order, f"{self.order}QAM")
        return f"{modulation} {self.rate}"


SCHEMES = (
    Mcs(2, Fraction(1, 5), -6.5),
    Mcs(4, Fraction(1, 3), -1.0),
    Mcs(4, Fraction(1, 2), 1.15),
    Mcs(4, Fraction(2, 3), 3.2),
    Mcs(4, Fraction(3, 4), 4.15),
    Mcs(4, Fraction(5, 6), 5.3),
    Mcs(16, Fraction(1, 2), 6.5),
    Mcs(16, Fraction(2, 3), 8.9),
    Mcs(16, Fraction(3, 4), 10.2),
    Mcs(16, Fraction(5, 6), 11.55),
    Mcs(64, Fraction(2, 3), 13.8),
    Mcs(64, Fraction(3, 4), 15.4),
    Mcs(64, Fraction(5, 6), 17.05),
    Mcs(256, Fraction(2, 3), 18.4),
    Mcs(256, Fraction(3, 4), 20.35),
    Mcs(256, Fraction(5, 6), 22.4),
)
"""In the order of their SNR. Between them lie 1 to 6 dB; a header can state 16."""


def scheme_at(snr_db: float) -> int:
    """Index of the fastest scheme whose blocks arrive at this SNR; the first one below all."""
    return max(0, bisect_right([scheme.snr_db for scheme in SCHEMES], snr_db) - 1)
