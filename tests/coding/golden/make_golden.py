"""Makes ldpc.npz and sequences.json with sionna-no-rt 2.2.0, which is independent of sdrjscc.

Run it in an environment of its own (it needs numpy 2): `python make_golden.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
from sionna.phy.fec.crc import CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.nr.utils import generate_prng_seq

HERE = Path(__file__).parent
# The largest lifting size of each of the eight sets: with full rate matching length, every
# entry of both base graphs takes part unreduced.
LARGEST_LIFTINGS = (256, 384, 320, 224, 288, 352, 208, 240)
# Information bits, coded bits, base graph (0: the standard's choice), modulation order.
CASES = [
    *((22 * z, 66 * z, 1, 1) for z in LARGEST_LIFTINGS),
    *((10 * z, 50 * z, 2, 1) for z in LARGEST_LIFTINGS),
    (12, 60, 0, 1),
    (20, 40, 0, 2),
    (108, 540, 0, 2),
    (193, 700, 0, 4),
    (292, 320, 0, 1),
    (293, 600, 0, 2),
    (561, 1200, 0, 6),
    (641, 960, 0, 8),
    (3824, 5712, 0, 4),
    (3825, 7650, 0, 2),
    (4000, 4800, 0, 6),
    (8000, 16000, 0, 2),
    (8448, 10138, 0, 2),
]
REPEATED_CODED_BITS = 2000


def main() -> None:
    generator = np.random.default_rng(20240229)
    arrays = {}
    for k, n, base_graph, order in CASES:
        encoder = LDPC5GEncoder(
            k,
            n,
            num_bits_per_symbol=order if order > 1 else None,
            bg=f"bg{base_graph}" if base_graph else None,
        )
        bits = generator.integers(0, 2, (1, k))
        coded = encoder(torch.tensor(bits, dtype=torch.float32)).numpy()
        store(arrays, f"{k}_{n}_{base_graph}_{order}", bits, coded)
    repetition(arrays, generator)
    np.savez_compressed(HERE / "ldpc.npz", **arrays)
    (HERE / "sequences.json").write_text(json.dumps(sequences(generator), indent=1) + "\n")


def repetition(arrays: dict, generator: np.random.Generator) -> None:
    """sionna refuses rates under 1/5: read its whole mother code round and round by hand."""
    encoder = LDPC5GEncoder(108, 540, bg="bg2")
    z = encoder.z
    bits = generator.integers(0, 2, (1, 108))
    filled = np.concatenate([bits, np.zeros((1, encoder.k_ldpc - 108))], axis=1)
    word = encoder._encode_fast(torch.tensor(filled, dtype=torch.float32)).numpy().reshape(1, -1)
    buffer = np.concatenate([word[:, 2 * z : 108], word[:, encoder.k_ldpc :]], axis=1)
    coded = np.tile(buffer, 4)[:, :REPEATED_CODED_BITS]
    store(arrays, f"108_{REPEATED_CODED_BITS}_2_1", bits, coded)


def store(arrays: dict, name: str, bits: np.ndarray, coded: np.ndarray) -> None:
    arrays[f"{name}_bits"] = np.packbits(bits.astype(np.uint8))
    arrays[f"{name}_coded"] = np.packbits(coded.astype(np.uint8))


def sequences(generator: np.random.Generator) -> dict:
    message = generator.integers(0, 2, 200)
    result = {"message": as_text(message)}
    for degree in ("CRC16", "CRC24A"):
        coded = CRCEncoder(degree)(torch.tensor(message[None], dtype=torch.float32)).numpy()[0]
        result[degree] = as_text(coded[200:])
    result["gold"] = {str(c): as_text(generate_prng_seq(200, c)) for c in (0, 1, 0x5D0D, 2**31 - 1)}
    sizes = [12, 48, 100, 192, 193, 292, 293, 560, 561, 640, 641, 1000, 3824, 3825, 5000, 8000, 8448]
    result["lifting"] = {str(k): LDPC5GEncoder(k, 2 * k).z for k in sizes}
    return result


def as_text(bits: np.ndarray) -> str:
    return "".join(str(int(bit)) for bit in bits)


if __name__ == "__main__":
    main()
