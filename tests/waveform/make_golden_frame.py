"""Makes golden_frame.npz: preamble, header grid and a frame in plain numpy, from the definitions alone.

Run by hand (python tests/waveform/make_golden_frame.py) only when the frame version changes. Nothing
of the package is imported: sums are written out as the definition has them, without any FFT.
"""

from pathlib import Path

import numpy as np

N, CP, SIDE, SPACING = 256, 16, 104, 26
HEADER_SYMBOLS, PAYLOAD_SYMBOLS = 5, 3
HEADER_SEED, PAYLOAD_SEED = 0x5DA1, 0x0FD3


def gold(c_init, length):
    """TS 38.211, 5.2.1, bit by bit."""
    x1 = [1] + [0] * 30
    x2 = [c_init >> i & 1 for i in range(31)]
    for n in range(1600 + length):
        x1.append(x1[n + 3] ^ x1[n])
        x2.append(x2[n + 3] ^ x2[n + 2] ^ x2[n + 1] ^ x2[n])
    return [x1[n + 1600] ^ x2[n + 1600] for n in range(length)]


def pilot_values(seed, count):
    c = gold(seed, 2 * count)
    return [complex(1 - 2 * c[2 * i], 1 - 2 * c[2 * i + 1]) / np.sqrt(2) for i in range(count)]


def chirp(sign):
    """512 samples: unit-modulus spectrum on bins -208..208 without 0, group delay 256 +- k 512/416."""
    n = np.arange(512)
    total = np.zeros(512, dtype=complex)
    for k in [*range(-208, 0), *range(1, 209)]:
        phase = -2 * np.pi * sign * (k / 2 + k * k / 832)
        total += np.exp(1j * (phase + 2 * np.pi * k * n / 512))
    return total / np.sqrt(416)


def with_prefix(block):
    return np.concatenate([block[-CP:], block])


def ofdm(data, symbols, seed):
    carriers = [*range(-SIDE, 0), *range(1, SIDE + 1)]
    pilots = iter(pilot_values(seed, symbols * (2 * SIDE // SPACING)))
    data = iter(data)
    n = np.arange(N)
    blocks = []
    for m in range(symbols):
        block = np.zeros(N, dtype=complex)
        for i, k in enumerate(carriers):
            is_pilot = (i + 5 * m) % SPACING == 0
            block += next(pilots if is_pilot else data) * np.exp(2j * np.pi * k * n / N)
        blocks.append(with_prefix(block / np.sqrt(2 * SIDE)))
    return np.concatenate(blocks)


def main():
    header = [np.exp(1j * np.pi * (2 * (i * i % 4) + 1) / 4) for i in range(200 * HEADER_SYMBOLS)]
    payload = [np.exp(2j * np.pi * i * i / 601) for i in range(200 * PAYLOAD_SYMBOLS)]
    preamble = np.concatenate([with_prefix(chirp(1)), with_prefix(chirp(-1))])
    frame = np.concatenate(
        [preamble, ofdm(header, HEADER_SYMBOLS, HEADER_SEED), ofdm(payload, PAYLOAD_SYMBOLS, PAYLOAD_SEED)]
    )
    np.savez_compressed(
        Path(__file__).with_name("golden_frame.npz"),
        header=np.array(header, dtype=np.complex64),
        payload=np.array(payload, dtype=np.complex64),
        frame=frame.astype(np.complex64),
    )


if __name__ == "__main__":
    main()
