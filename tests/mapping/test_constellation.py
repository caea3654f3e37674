"""Square QAM against the standard's formulas, closed-form error rates and brute force."""

import math

import pytest
import torch
from payload_examples import noisy, seeded

from sdrjscc.mapping._constellation import constellation

ORDERS = [2, 4, 16, 64, 256, 1024]
ARRANGEMENTS = ["gray", "natural", "snake"]
SYMBOLS = 40_000


def standard_axis(order, b):
    """One axis of 3GPP TS 38.211, clauses 5.1.3 to 5.1.7, as printed; b are every other bit."""
    return {
        4: lambda: 1 - 2 * b[0],
        16: lambda: (1 - 2 * b[0]) * (2 - (1 - 2 * b[1])),
        64: lambda: (1 - 2 * b[0]) * (4 - (1 - 2 * b[1]) * (2 - (1 - 2 * b[2]))),
        256: lambda: (1 - 2 * b[0]) * (8 - (1 - 2 * b[1]) * (4 - (1 - 2 * b[2]) * (2 - (1 - 2 * b[3])))),
        1024: lambda: (
            (1 - 2 * b[0])
            * (16 - (1 - 2 * b[1]) * (8 - (1 - 2 * b[2]) * (4 - (1 - 2 * b[3]) * (2 - (1 - 2 * b[4])))))
        ),
    }[order]()


STANDARD_POWER = {4: 2, 16: 10, 64: 42, 256: 170, 1024: 682}


@pytest.mark.parametrize("order", [4, 16, 64, 256, 1024])
def test_gray_points_are_those_of_the_standard(order):
    count = int(math.log2(order))
    for label, point in enumerate(constellation(order, "gray").points.tolist()):
        bits = [int(bit) for bit in f"{label:0{count}b}"]
        expected = complex(standard_axis(order, bits[0::2]), standard_axis(order, bits[1::2]))
        assert point == pytest.approx(expected / math.sqrt(STANDARD_POWER[order]), abs=1e-12)


def test_gray_16qam_by_hand():
    """The table of TS 38.211, 5.1.4 worked out on paper: label b0 b1 b2 b3, times sqrt(10)."""
    table = [
        1 + 1j, 1 + 3j, 3 + 1j, 3 + 3j, 1 - 1j, 1 - 3j, 3 - 1j, 3 - 3j,
        -1 + 1j, -1 + 3j, -3 + 1j, -3 + 3j, -1 - 1j, -1 - 3j, -3 - 1j, -3 - 3j,
    ]  # fmt: skip
    points = constellation(16, "gray").points * math.sqrt(10.0)
    torch.testing.assert_close(points, torch.tensor(table, dtype=torch.complex128))


def test_bpsk_by_hand():
    """Bits lie on the diagonal (TS 38.211, 5.1.2), indices on the real axis."""
    diagonal = complex(math.sqrt(0.5), math.sqrt(0.5))
    assert constellation(2, "gray").points.tolist() == pytest.approx([diagonal, -diagonal])
    assert constellation(2, "natural").points.tolist() == [-1.0, 1.0]
    assert constellation(2, "snake").points.tolist() == [-1.0, 1.0]


def test_natural_and_snake_16qam_by_hand():
    rows = [[complex(i, q) for i in (-3, -1, 1, 3)] for q in (-3, -1, 1, 3)]
    natural = [point for row in rows for point in row]
    snake = rows[0] + rows[1][::-1] + rows[2] + rows[3][::-1]
    for name, expected in (("natural", natural), ("snake", snake)):
        points = constellation(16, name).points * math.sqrt(10.0)
        torch.testing.assert_close(points, torch.tensor(expected, dtype=torch.complex128))


@pytest.mark.parametrize("order", ORDERS)
def test_neighbours(order):
    """In the snake, j and j + 1 are neighbours; in Gray order, neighbours differ in one bit."""
    snake = constellation(order, "snake").points
    least = (snake[1:] - snake[:1]).abs().min()
    torch.testing.assert_close((snake[1:] - snake[:-1]).abs(), least.expand(order - 1))
    gray = constellation(order, "gray").points
    near = (gray[:, None] - gray).abs() < 1.01 * least
    for one, other in near.nonzero().tolist():
        assert (one ^ other).bit_count() == (one != other)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("order", ORDERS)
def test_all_is_what_brute_force_over_the_points_gives(order, arrangement):
    chosen = constellation(order, arrangement)
    sent = chosen.points[torch.randint(order, (60,), generator=seeded())]
    noise_var = 10.0 ** (3.0 * torch.rand(60, dtype=torch.float64, generator=seeded(1)) - 3.0)
    received = sent + noise_var.sqrt() * torch.randn(60, dtype=torch.complex128, generator=seeded(2))
    distances = (received[:, None] - chosen.points).abs().square()
    posterior = (-distances / noise_var[:, None]).softmax(-1)
    assert torch.equal(chosen.hard(received, noise_var), distances.argmin(-1))
    torch.testing.assert_close(chosen.posterior(received, noise_var), posterior)
    values = torch.randn(order, dtype=torch.float64, generator=seeded(3))
    torch.testing.assert_close(chosen.posterior_mean(values, received, noise_var), posterior @ values)
    if arrangement == "gray":
        labels = torch.arange(order)[:, None] >> torch.arange(chosen.bits - 1, -1, -1)
        log = -distances / noise_var[:, None]
        expected = [log[:, bit == 0].logsumexp(-1) - log[:, bit == 1].logsumexp(-1) for bit in (labels & 1).T]
        torch.testing.assert_close(chosen.llr(received, noise_var), torch.stack(expected, -1))


def q_function(x):
    return 0.5 * math.erfc(x / math.sqrt(2.0))


def symbol_error_rate(order, snr):
    """Proakis and Salehi: square QAM as two independent PAM of sqrt(M) levels."""
    if order == 2:
        return q_function(math.sqrt(2.0 * snr))
    axis = 2.0 * (1.0 - 1.0 / math.sqrt(order)) * q_function(math.sqrt(3.0 * snr / (order - 1)))
    return 1.0 - (1.0 - axis) ** 2


@pytest.mark.parametrize(
    ("order", "snr_db"), list(zip(ORDERS, [0.0, 4.3, 12.2, 18.8, 25.0, 31.0], strict=True))
)
def test_symbol_error_rate_is_that_of_theory(order, snr_db):
    for arrangement in ARRANGEMENTS:
        chosen = constellation(order, arrangement)
        sent = torch.randint(order, (SYMBOLS,), generator=seeded())
        received, noise_var = noisy(snr_db, seed=1)(chosen.at(sent, torch.complex64))
        measured = (chosen.hard(received, noise_var) != sent).float().mean().item()
        expected = symbol_error_rate(order, 10.0 ** (snr_db / 10.0))
        # Binomial: five standard deviations.
        assert measured == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / SYMBOLS))


@pytest.mark.parametrize("order", ORDERS)
def test_llr_and_posterior_mean_what_they_say(order):
    """Bits are wrong as often as 1 / (1 + e^|LLR|) says; the sent point is as probable as P says."""
    chosen = constellation(order, "gray")
    snr_db = 3.0 * chosen.bits - 3.0
    sent = torch.randint(order, (SYMBOLS // 4,), generator=seeded())
    received, noise_var = noisy(snr_db, seed=1)(chosen.at(sent, torch.complex128))
    bits = sent[:, None] >> torch.arange(chosen.bits - 1, -1, -1) & 1
    ratio = chosen.llr(received, noise_var)
    predicted = torch.sigmoid(-ratio.abs())
    wrong = ((ratio < 0) != bits).double() - predicted
    # Errors given the received symbols are independent of sign; at most bits-fold correlated.
    deviation = math.sqrt(chosen.bits * (predicted * (1 - predicted)).sum().item())
    assert abs(wrong.sum().item()) < 5 * deviation
    posterior = chosen.posterior(received, noise_var)
    surprise = posterior.gather(-1, sent[:, None]).squeeze(-1) - posterior.square().sum(-1)
    assert abs(surprise.mean().item()) < 5 * surprise.std().item() / len(sent) ** 0.5


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("held", [0.0, 7.0, float("nan"), float("-inf")])
def test_a_lost_symbol_says_nothing(order, arrangement, held):
    chosen = constellation(order, arrangement)
    symbol = torch.tensor([complex(held, held)], dtype=torch.complex64)
    lost = torch.tensor([torch.inf])
    assert torch.equal(chosen.posterior(symbol, lost), torch.full((1, order), 1.0 / order))
    assert 0 <= chosen.hard(symbol, lost).item() < order
    if arrangement == "gray":
        assert torch.equal(chosen.llr(symbol, lost), torch.zeros(1, chosen.bits))


def test_no_noise_is_no_division_by_zero():
    for order in ORDERS:
        chosen = constellation(order, "gray")
        symbols = chosen.points.to(torch.complex64)
        posterior = chosen.posterior(symbols, torch.zeros(order))
        assert torch.equal(posterior, torch.eye(order))
        assert chosen.llr(symbols, torch.zeros(order)).isfinite().all()
