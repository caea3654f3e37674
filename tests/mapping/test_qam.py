import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_examples import noisy, seeded

from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import constellation
from sdrjscc.mapping.base import build_mapper
from sdrjscc.payload import PayloadKind

ORDERS = (2, 4, 16, 64, 256, 1024)


def qam(**options):
    return build_mapper({"name": "qam", **options})


def test_the_mode_chooses_the_order():
    mapper = qam(orders=[4, 4, 256])
    assert [len(mapper.points(mode)) for mode in range(3)] == [4, 4, 256]
    with pytest.raises(ConfigError, match=r"mode must be one of the 3 that mapping qam has \(got 3\)"):
        mapper.points(3)


def test_an_index_is_its_point():
    for points in ("gray", "natural", "snake"):
        for mode, order in enumerate(ORDERS):
            indices = torch.arange(order).unsqueeze(0)
            expected = constellation(order, points).points.to(torch.complex64)
            assert torch.equal(qam(points=points).map(indices, mode)[0], expected)


def test_bits_are_the_label_from_its_most_significant():
    """b0 b1 b2 b3 = 1 0 1 1 in 16-QAM: I = -(2 + 1), Q = 2 + 1, over sqrt(10) (TS 38.211, 5.1.4)."""
    mapped = qam(takes="bits").map(torch.tensor([[1, 0, 1, 1]], dtype=torch.uint8), 2)
    torch.testing.assert_close(mapped, torch.tensor([[-3 + 3j]]) / 10**0.5)


@given(st.integers(0, 5), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_bits_come_back(mode, symbols, seed):
    bits = torch.randint(2, (2, symbols * (1, 2, 4, 6, 8, 10)[mode]), generator=seeded(seed)).to(torch.uint8)
    soft, hard = qam(takes="bits"), qam(takes="bits", demap="hard")
    assert soft.kind is PayloadKind.BITS
    received, noise_var = noisy(60.0)(soft.map(bits, mode))
    assert torch.equal((soft.demap(received, noise_var, mode) < 0).to(torch.uint8), bits)
    assert torch.equal(hard.demap(received, noise_var, mode), bits)


def test_the_three_ways_to_demap_an_index_agree():
    indices = torch.randint(16, (2, 500), generator=seeded())
    received, noise_var = noisy(12.0)(qam(points="snake").map(indices, 2))
    posterior = qam(points="snake").demap(received, noise_var, 2)
    mean = qam(points="snake", demap="mean").demap(received, noise_var, 2)
    hard = qam(points="snake", demap="hard").demap(received, noise_var, 2)
    assert posterior.shape == (2, 500, 16)
    torch.testing.assert_close(mean, posterior @ torch.arange(16.0))
    assert torch.equal(hard, posterior.argmax(-1))
    assert mean.dtype == torch.float32
    assert hard.dtype == torch.int64


def test_a_lost_symbol():
    symbols, lost = torch.full((1, 1), complex("nan")), torch.full((1, 1), torch.inf)
    assert torch.equal(qam().demap(symbols, lost, 2), torch.full((1, 1, 16), 1 / 16))
    assert qam(demap="mean").demap(symbols, lost, 2).item() == 7.5
    assert torch.equal(qam(takes="bits").demap(symbols, lost, 2), torch.zeros(1, 4))


def test_bits_must_fill_symbols():
    with pytest.raises(
        ConfigError, match=r"bits \[B, n\] with n a multiple of 4 \(got torch.uint8 \[1, 6\]\)"
    ):
        qam(takes="bits").map(torch.zeros(1, 6, dtype=torch.uint8), 2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"orders": [8]}, r"mapping\.orders\.0: .*\(got 8\)"),
        ({"orders": []}, r"mapping\.orders: .*at least 1"),
        ({"orders": [2] * 17}, r"mapping\.orders: .*at most 16"),
        ({"takes": "bits", "points": "snake"}, "points must be 'gray' for bits"),
        ({"takes": "bits", "demap": "mean"}, "demap must be 'llr' or 'hard' for bits"),
        ({"demap": "llr"}, "demap must be 'llr' or 'hard' for bits"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        qam(**options)
