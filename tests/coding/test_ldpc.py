import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.coding._base_graph import lifted_graph
from sdrjscc.coding.ldpc import LdpcCode

FOLDER = Path(__file__).parent / "golden"
VECTORS = np.load(FOLDER / "ldpc.npz")
CASES = sorted({name.rsplit("_", 1)[0] for name in VECTORS.files})
LIFTINGS = json.loads((FOLDER / "sequences.json").read_text())["lifting"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_bits(rows, columns, seed=1):
    return torch.randint(
        0, 2, (rows, columns), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )


def noisy_llr(coded, snr_db, seed=2, bits_per_symbol=2):
    """BPSK or QPSK over AWGN at ``snr_db`` per symbol, as log-likelihood ratios."""
    power = bits_per_symbol * 10 ** (-snr_db / 10) / 2
    noise = torch.randn(coded.shape, generator=torch.Generator().manual_seed(seed)) * math.sqrt(power)
    return 2 * (1 - 2 * coded.to(torch.float32) + noise) / power


@pytest.mark.parametrize("case", CASES)
def test_encoder_equals_sionna(case):
    k, n, base_graph, order = map(int, case.split("_"))
    bits = torch.from_numpy(np.unpackbits(VECTORS[f"{case}_bits"], count=k))[None]
    coded = torch.from_numpy(np.unpackbits(VECTORS[f"{case}_coded"], count=n))[None]
    code = LdpcCode(k, n, base_graph=base_graph or None, modulation_order=order)
    assert torch.equal(code.encode(bits), coded)
    decoded, parity_ok = code.decode(1 - 2 * coded.to(torch.float32))
    assert parity_ok.all()
    assert torch.equal(decoded, bits)


@pytest.mark.parametrize("info_bits", LIFTINGS)
def test_lifting_size_equals_sionna(info_bits):
    graph = LdpcCode(int(info_bits), 2 * int(info_bits))._graph
    assert graph.lifting == LIFTINGS[info_bits]


@pytest.mark.parametrize(("base_graph", "info_bits", "edges"), [(1, 8448, 316), (2, 3840, 197)])
def test_base_graphs_are_whole(base_graph, info_bits, edges):
    graph = lifted_graph(base_graph, info_bits)
    assert graph.rows == {1: 46, 2: 42}[base_graph]
    assert len(graph.columns) == len(graph.shifts) == graph.row_start[-1] == edges
    pairs = [
        (row, int(column))
        for row in range(graph.rows)
        for column in graph.columns[int(graph.row_start[row]) : int(graph.row_start[row + 1])]
    ]
    assert pairs == sorted(set(pairs))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 900), st.floats(0.04, 0.9), st.sampled_from([1, 2, 4, 6]), st.integers(0, 1000))
def test_clean_words_of_any_size_come_back(info_bits, rate, order, seed):
    coded_bits = -(-max(info_bits + 8, round(info_bits / rate)) // order) * order
    code = LdpcCode(info_bits, coded_bits, modulation_order=order)
    bits = random_bits(2, info_bits, seed)
    coded = code.encode(bits)
    assert coded.shape == (2, coded_bits)
    assert coded.dtype == torch.uint8
    decoded, parity_ok = code.decode(8 * (1 - 2 * coded.to(torch.float32)), iterations=50)
    if info_bits / coded_bits < 0.8:
        assert parity_ok.all()
    assert torch.equal(decoded[parity_ok], bits[parity_ok])


def test_code_is_linear():
    code = LdpcCode(500, 1200)
    a, b = random_bits(1, 500, 1), random_bits(1, 500, 2)
    assert torch.equal(code.encode(a) ^ code.encode(b), code.encode(a ^ b))


def test_words_of_a_batch_do_not_meet():
    code = LdpcCode(300, 700)
    llr = noisy_llr(code.encode(random_bits(6, 300)), 1.0)
    together, parity_ok = code.decode(llr)
    for row in range(6):
        alone, ok = code.decode(llr[row : row + 1])
        assert torch.equal(alone[0], together[row])
        assert ok[0] == parity_ok[row]
    assert code.decode(llr[:0])[0].shape == (0, 300)
    assert code.encode(random_bits(0, 300)).shape == (0, 700)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_common_factor_of_the_ratios_is_immaterial(factor):
    code = LdpcCode(300, 700)
    llr = noisy_llr(code.encode(random_bits(4, 300)), 1.0)
    # A power of two, so that rounding is the same.
    scaled = llr * 2.0 ** round(math.log2(factor))
    assert torch.equal(code.decode(scaled)[0], code.decode(llr)[0])


def test_repeats_are_added_up():
    """Each bit three times at -4.8 dB is worth once at 0 dB."""
    once, thrice = LdpcCode(100, 500), LdpcCode(100, 1500)
    bits = random_bits(2, 100)
    mother = once.encode(bits)
    repeated = thrice.encode(bits)
    period = thrice._buffer_bits
    assert torch.equal(repeated[:, :500], mother)
    assert torch.equal(repeated[:, period:], repeated[:, : 1500 - period])
    llr = noisy_llr(repeated, 0.0)
    folded = torch.nn.functional.pad(llr, (0, -1500 % period)).reshape(2, -1, period).sum(1)
    assert torch.allclose(LdpcCode(100, period)._recover(folded), thrice._recover(llr), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_knowing_nothing_is_not_a_codeword(value):
    code = LdpcCode(100, 300)
    bits, parity_ok = code.decode(torch.full((2, 300), value))
    assert not parity_ok.any()
    assert bits.shape == (2, 100)


def test_erasures_and_infinite_ratios_are_decoded():
    code = LdpcCode(400, 1200)
    bits = random_bits(3, 400)
    llr = 1 - 2 * code.encode(bits).to(torch.float32)
    llr[:, ::3] = math.nan
    llr[:, 1::3] *= math.inf
    decoded, parity_ok = code.decode(llr)
    assert parity_ok.all()
    assert torch.equal(decoded, bits)


def test_noise_is_not_a_codeword():
    code = LdpcCode(1000, 2000)
    _, parity_ok = code.decode(torch.randn(50, 2000, generator=torch.Generator().manual_seed(1)))
    assert not parity_ok.any()


@pytest.mark.parametrize(
    ("info_bits", "coded_bits", "snr_db"), [(8000, 16000, 1.15 + 0.3), (8000, 10668, 4.1 + 0.3)]
)
def test_block_error_rate_in_awgn(info_bits, coded_bits, snr_db):
    """0.3 dB above the points for 1e-2 in the literature, QPSK: at 1e-2, 6 of 60 have p = 4e-5."""
    code = LdpcCode(info_bits, coded_bits)
    bits = random_bits(60, info_bits)
    decoded, _ = code.decode(noisy_llr(code.encode(bits), snr_db))
    assert (decoded != bits).any(1).sum() < 6


@pytest.mark.parametrize(
    ("info_bits", "coded_bits", "options"),
    [
        (0, 10, {}),
        (100, 99, {}),
        (8449, 20000, {}),
        (3841, 20000, {}),
        (100, 300, {"base_graph": 3}),
        (100, 301, {"modulation_order": 2}),
        (100, 300, {"modulation_order": 0}),
    ],
)
def test_refuses_what_the_standard_has_not(info_bits, coded_bits, options):
    with pytest.raises(ValueError, match=r"must .* \(got"):
        LdpcCode(info_bits, coded_bits, **options)


def test_refuses_other_shapes():
    code = LdpcCode(100, 300)
    with pytest.raises(ValueError, match=r"bits must have shape \[B, 100\] \(got \[2, 99\]\)"):
        code.encode(torch.zeros(2, 99, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"llr must have shape \[B, 300\] \(got \[300\]\)"):
        code.decode(torch.zeros(300))
