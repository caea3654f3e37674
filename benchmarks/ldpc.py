"""Speed of the LDPC code and the Es/N0 at which it loses one block in a hundred, and header losses.

    python benchmarks/ldpc.py [--blocks 1500] [--json FILE]

Speeds are information bits per second of processor time on one core. Modulations are those of
3GPP TS 38.211, clause 5.1, over AWGN with exact bit-wise log-likelihood ratios.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from sdrjscc.coding.ldpc import LdpcCode
from sdrjscc.framing.header import HEADER_SYMBOLS, Header, decode_headers, encode_headers, warm_up

# Modulation, bits a symbol, rate, information bits, Es/N0 in dB to be reached within 0.3 dB.
POINTS = (
    ("BPSK", 1, 1 / 5, 3840, -6.25),
    ("QPSK", 2, 1 / 3, 8000, -0.65),
    ("QPSK", 2, 1 / 2, 8000, 1.15),
    ("QPSK", 2, 3 / 4, 8000, 4.1),
    ("16QAM", 4, 1 / 2, 8000, 6.3),
    ("16QAM", 4, 3 / 4, 8000, 10.1),
    ("64QAM", 6, 2 / 3, 8000, 13.6),
    ("64QAM", 6, 5 / 6, 8000, 16.9),
    ("256QAM", 8, 2 / 3, 8000, 18.2),
    ("256QAM", 8, 5 / 6, 8000, 22.2),
)
BATCH = 50
ENOUGH_ERRORS = 40


def levels(order: int) -> tuple[Tensor, Tensor]:
    """Unit-power levels of one dimension and their bits, ``[points]`` and ``[points, bits]``."""
    bits = torch.cartesian_prod(*[torch.arange(2)] * order).reshape(-1, order)
    level = torch.ones(len(bits))
    for i in range(order - 1, -1, -1):
        level = (1 - 2 * bits[:, i]) * (2 ** (order - 1 - i) - level * (i < order - 1))
    return level / level.square().mean().sqrt(), bits


def received_llr(coded: Tensor, order: int, snr_db: float, generator: torch.Generator) -> Tensor:
    """Modulate, add noise, and demodulate coded bits ``[B, E]``."""
    # All but BPSK carry half the power, bits and noise in each of two dimensions.
    bits_each = order if order == 1 else order // 2
    noise_var = 10 ** (-snr_db / 10) * (0.5 if order == 1 else 1.0)
    points, labels = levels(bits_each)
    split = coded.reshape(len(coded), -1, bits_each, 1 if order == 1 else 2)
    weights = (1 << torch.arange(bits_each - 1, -1, -1)).reshape(-1, 1)
    sent = points[(split.to(torch.int64) * weights).sum(2)]
    noisy = sent + torch.randn(sent.shape, generator=generator) * math.sqrt(noise_var)
    metric = -((noisy.unsqueeze(-1) - points) ** 2) / (2 * noise_var)
    ratios = [
        metric[..., labels[:, i] == 0].logsumexp(-1) - metric[..., labels[:, i] == 1].logsumexp(-1)
        for i in range(bits_each)
    ]
    return torch.stack(ratios, 2).reshape(coded.shape)


def block_errors(code: LdpcCode, snr_db: float, blocks: int) -> tuple[float, float]:
    """Block error rate and decoded information bits per second."""
    generator = torch.Generator().manual_seed(1)
    errors, sent, seconds = 0, 0, 0.0
    while sent < blocks and errors < ENOUGH_ERRORS:
        bits = torch.randint(0, 2, (BATCH, code.info_bits), generator=generator, dtype=torch.uint8)
        llr = received_llr(code.encode(bits), code.modulation_order, snr_db, generator)
        start = time.thread_time()
        decoded, _ = code.decode(llr)
        seconds += time.thread_time() - start
        errors += int((decoded != bits).any(1).sum())
        sent += BATCH
    return errors / sent, sent * code.info_bits / seconds


def threshold_db(code: LdpcCode, start_db: float, blocks: int) -> float:
    """Es/N0 of block error rate 1e-2, from steps of 0.1 dB, log-linear between the last two."""
    snr_db, rate = start_db, 1.0
    while True:
        previous, snr_db = rate, snr_db + 0.1
        rate, _ = block_errors(code, snr_db, blocks)
        if rate <= 0.01:
            slope = math.log(previous / max(rate, 0.1 / blocks))
            return snr_db - 0.1 * (1 - math.log(previous / 0.01) / slope)


def measure_point(name: str, order: int, rate: float, info_bits: int, goal_db: float, blocks: int) -> dict:
    """One row of the table."""
    code = LdpcCode(info_bits, round(info_bits / rate / order) * order, modulation_order=order)
    reached_db = threshold_db(code, goal_db - 0.8, blocks)
    _, speed_at = block_errors(code, reached_db, BATCH)
    _, speed_above = block_errors(code, reached_db + 1, BATCH)
    return {
        "modulation": name,
        "rate": round(rate, 3),
        "info_bits": info_bits,
        "snr_db": round(reached_db, 2),
        "goal_snr_db": goal_db,
        "at_threshold_mbit_s": round(speed_at / 1e6, 1),
        "1_db_above_mbit_s": round(speed_above / 1e6, 1),
    }


def measure_header(snr_db: float, headers: int) -> dict:
    """Headers lost in AWGN when the channel is known; ``-inf`` is noise alone."""
    generator = torch.Generator().manual_seed(1)
    header = Header(0x3FA1, 7, 9, 2, 5, 1, 3, True, 768, 512)
    clean = encode_headers([header]) * (0.0 if snr_db == -math.inf else 1.0)
    noise_var = 1.0 if snr_db == -math.inf else 10 ** (-snr_db / 10)
    got, seconds = [], 0.0
    while len(got) < headers:
        noise = torch.randn(500, HEADER_SYMBOLS, dtype=torch.complex64, generator=generator)
        start = time.thread_time()
        got += decode_headers(clean + noise * math.sqrt(noise_var), torch.full(noise.shape, noise_var))
        seconds += time.thread_time() - start
    return {
        "snr_db": snr_db if math.isfinite(snr_db) else None,
        "headers": len(got),
        "lost": got.count(None),
        "wrong": len(got) - got.count(None) - got.count(header),
        "headers_per_s": round(len(got) / seconds),
    }


def main() -> None:
    """Measure, print a line each, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=1500, help="most blocks at each Es/N0")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    results: dict = {"blocks": [], "headers": []}
    for snr_db in (-5.5, -6.5, -8.0, -math.inf):
        results["headers"].append(measure_header(snr_db, 10 * arguments.blocks))
        print(results["headers"][-1], flush=True)
    for point in POINTS:
        results["blocks"].append(measure_point(*point, arguments.blocks))
        print(results["blocks"][-1], flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
