"""Makes header.json with sionna-no-rt 2.2.0, independent of sdrjscc: fields to scrambled bits.

Run it in an environment of its own (it needs numpy 2): `python make_golden.py`.
"""

import json
from pathlib import Path

import numpy as np
import torch
from sionna.phy.fec.crc import CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.nr.utils import generate_prng_seq

# Name and bits in order of transmission, after the version.
FIELDS = {
    "digest": 16,
    "nonce": 8,
    "transmission": 8,
    "packet": 13,
    "packets": 13,
    "mode": 4,
    "prefix": 3,
    "more": 1,
    "width": 12,
    "height": 12,
}
EXAMPLES = (
    (0x3FA1, 0x7B, 200, 4, 17, 0, 0, False, 256, 256),
    (0xFFFF, 0xFF, 255, 8190, 8191, 15, 7, True, 4095, 4095),
    (0, 0, 0, 0, 1, 0, 0, False, 1, 1),
)


def main() -> None:
    entries = []
    for values in EXAMPLES:
        text = f"{1:02b}" + "".join(
            f"{int(v):0{bits}b}" for v, bits in zip(values, FIELDS.values(), strict=True)
        )
        message = torch.tensor([[float(character) for character in text]])
        coded = code(CRCEncoder("CRC16")(message))
        scrambled = coded ^ generate_prng_seq(2000, 0x5D0D).astype(int)
        fields = dict(zip(FIELDS, values, strict=True))
        entries.append({"fields": fields, "bits": np.packbits(scrambled).tobytes().hex()})
    path = Path(__file__).parent / "header.json"
    path.write_text(json.dumps(entries, indent=1) + "\n")


def code(bits: torch.Tensor) -> np.ndarray:
    """Base graph 2, the whole mother code read round to 2000 bits, interleaved for QPSK."""
    encoder = LDPC5GEncoder(108, 540, bg="bg2")
    filled = torch.cat([bits, torch.zeros(1, encoder.k_ldpc - 108)], dim=1)
    word = encoder._encode_fast(filled).numpy().reshape(-1).astype(int)
    buffer = np.concatenate([word[2 * encoder.z : 108], word[encoder.k_ldpc :]])
    return np.tile(buffer, 3)[:2000].reshape(2, 1000).T.reshape(-1)


if __name__ == "__main__":
    main()
