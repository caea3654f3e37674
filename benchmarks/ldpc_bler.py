"""Es/N0 at which the separation baseline loses one segment in a hundred, for each of its schemes.

    python benchmarks/ldpc_bler.py [--blocks 1000] [--json FILE]

Blocks of 8,000 information bits (3,840 at rate 1/5) through the codec's own code, interleaver, square
QAM and exact log-likelihood ratios, over white noise. Beside it: payload headers lost at 3 dB less.
Goals are those of NR LDPC in the literature; schemes between them have none.
"""

import argparse
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdrjscc.codecs import _transport
from sdrjscc.codecs._mcs import SCHEMES, Mcs
from sdrjscc.coding.ldpc import LdpcCode
from sdrjscc.mapping.base import Mapper, build_mapper

GOALS_DB = {
    "BPSK 1/5": -6.25,
    "QPSK 1/3": -0.65,
    "QPSK 1/2": 1.15,
    "QPSK 3/4": 4.1,
    "16QAM 1/2": 6.3,
    "16QAM 3/4": 10.1,
    "64QAM 2/3": 13.6,
    "64QAM 5/6": 16.9,
    "256QAM 2/3": 18.2,
    "256QAM 5/6": 22.2,
}
INFO_BITS, INFO_BITS_LOW_RATE = 8000, 3840
BATCH, ENOUGH_ERRORS, STEP_DB, GOAL_RATE = 50, 40, 0.1, 0.01


def received(mapper: Mapper, coded: Tensor, snr_db: float, generator: torch.Generator) -> Tensor:
    """Log-likelihood ratios of coded bits ``[B, E]`` after white noise."""
    symbols = mapper.map(coded)
    noise_var = 10.0 ** (-snr_db / 10.0)
    noise = torch.randn(symbols.shape, dtype=symbols.dtype, generator=generator) * math.sqrt(noise_var)
    return mapper.demap(symbols + noise, torch.full(symbols.shape, noise_var))


def error_rate(code: LdpcCode, mapper: Mapper, snr_db: float, blocks: int) -> float:
    """Share of blocks lost; scrambled, since the bits are random."""
    generator = torch.Generator().manual_seed(1)
    errors = sent = 0
    while sent < blocks and errors < ENOUGH_ERRORS:
        bits = torch.randint(0, 2, (BATCH, code.info_bits), generator=generator, dtype=torch.uint8)
        decoded, _ = code.decode(received(mapper, code.encode(bits), snr_db, generator))
        errors += int((decoded != bits).any(1).sum())
        sent += BATCH
    return errors / sent


def threshold_db(code: LdpcCode, mapper: Mapper, expected_db: float, blocks: int) -> float:
    """Es/N0 for the goal's rate: from 0.6 dB below what is expected upwards, log-linear at the end."""
    snr_db, rate = expected_db - 0.6, 1.0
    while True:
        previous, snr_db = rate, snr_db + STEP_DB
        rate = error_rate(code, mapper, snr_db, blocks)
        if rate <= GOAL_RATE:
            slope = math.log(previous / max(rate, 0.1 / blocks))
            return snr_db - STEP_DB * (1.0 - math.log(previous / GOAL_RATE) / slope)


def headers_lost(scheme: Mcs, mapper: Mapper, snr_db: float, count: int) -> int:
    """Payload headers lost of ``count``, or read wrongly."""
    generator = torch.Generator().manual_seed(2)
    plan = _transport.layout(4000, scheme)
    sent = _transport.PayloadHeader(1234, 0, (120, 90, 60))
    coded = _transport.encode(sent, bytes(10), plan)[None]
    # without its segments: only the header's bits are noisy here, and decoded
    header_only = _transport.Layout(scheme, plan.header_bits, (), 0)
    lost = 0
    for _ in range(count):
        llr = received(mapper, coded[:, : plan.header_bits], snr_db, generator)[0]
        lost += _transport.decode(llr, header_only)[0] != sent
    return lost


def measure(scheme: Mcs, blocks: int) -> dict[str, Any]:
    """One row of the table."""
    mapper = build_mapper({"name": "qam", "takes": "bits", "orders": [scheme.order]})
    info_bits = INFO_BITS_LOW_RATE if scheme.rate <= Fraction(1, 4) else INFO_BITS
    coded_bits = -(-info_bits // scheme.rate // scheme.bits) * scheme.bits
    code = LdpcCode(info_bits, int(coded_bits), modulation_order=scheme.bits)
    reached_db = threshold_db(code, mapper, scheme.snr_db, blocks)
    goal_db = GOALS_DB.get(scheme.name)
    return {
        "scheme": scheme.name,
        "info_bits": info_bits,
        "snr_db": round(reached_db, 2),
        "goal_snr_db": goal_db,
        "above_goal_db": None if goal_db is None else round(reached_db - goal_db, 2),
        "header_bits": _transport.layout(4000, scheme).header_bits,
        "headers_lost_3_db_below": headers_lost(scheme, mapper, reached_db - 3.0, blocks),
        "headers": blocks,
    }


def main() -> None:
    """Measure, print a line each, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=1000, help="most blocks at each Es/N0")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for scheme in SCHEMES:
        rows.append(measure(scheme, arguments.blocks))
        print(rows[-1], flush=True)
    results = {"blocks": arguments.blocks, "error_rate": GOAL_RATE, "schemes": rows}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
