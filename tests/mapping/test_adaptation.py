"""Which order at which SNR: the paper's boundaries, and ranges without gaps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.errors import ConfigError
from sdrjscc.mapping._adaptation import mode_at, snr_boundaries, snr_ranges
from sdrjscc.mapping._constellation import constellation

ORDERS = (2, 4, 16, 64, 256)


def test_boundaries_are_those_of_the_rule():
    assert [round(boundary, 1) for boundary in snr_boundaries(ORDERS)] == [4.3, 12.2, 18.8, 25.0]


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_at_its_boundary_an_order_has_the_symbol_error_rate(mode):
    """Measured over n symbols: a rate of 0.1 deviates by sqrt(0.09 / n)."""
    count, noise_var = 100_000, 10.0 ** (-snr_boundaries(ORDERS)[mode - 1] / 10.0)
    chosen, generator = constellation(ORDERS[mode], "snake"), torch.Generator().manual_seed(mode)
    sent = torch.randint(ORDERS[mode], (count,), generator=generator)
    noise = noise_var**0.5 * torch.randn(count, dtype=torch.complex64, generator=generator)
    received = chosen.at(sent, torch.complex64) + noise
    detected = chosen.hard(received, torch.full((count,), noise_var))
    assert (detected != sent).float().mean().item() == pytest.approx(0.1, abs=5 * (0.09 / count) ** 0.5)


def test_fewer_errors_need_more_snr():
    strict, lax = snr_boundaries(ORDERS, 0.001), snr_boundaries(ORDERS)
    assert all(one > other for one, other in zip(strict, lax, strict=True))


@pytest.mark.parametrize(
    ("snr_db", "mode"), [(-50.0, 0), (4.2, 0), (4.3, 1), (12.3, 2), (24.9, 3), (99.0, 4)]
)
def test_mode_at(snr_db, mode):
    assert mode_at(ORDERS, snr_db) == mode


@given(st.floats(-5.0, 30.0), st.lists(st.sampled_from(ORDERS), min_size=1, unique=True).map(sorted))
def test_the_mode_is_that_of_the_range(snr_db, orders):
    lowest, highest = snr_ranges(orders, -5.0, 30.0)[mode_at(orders, snr_db)]
    assert lowest <= snr_db <= highest


def test_ranges_leave_no_gap():
    ranges = snr_ranges(ORDERS, -5.0, 30.0)
    assert (ranges[0][0], ranges[-1][1]) == (-5.0, 30.0)
    assert [upper for _, upper in ranges[:-1]] == [lower for lower, _ in ranges[1:]]
    assert snr_ranges((16,), 3.0, 9.0) == ((3.0, 9.0),)


@pytest.mark.parametrize("orders", [(4, 2), (4, 4), (2, 8), (4, 16, 32)])
def test_orders_without_a_rule(orders):
    with pytest.raises(ConfigError, match=r"orders must be 2 or squares, and ascend"):
        snr_boundaries(orders)


@pytest.mark.parametrize("limits", [(5.0, 30.0), (-5.0, 24.0)])
def test_limits_within_the_boundaries(limits):
    with pytest.raises(ConfigError, match=r"must be below 4\.3 and above 25\.0 dB"):
        snr_ranges(ORDERS, *limits)
    with pytest.raises(ConfigError, match="must be ascending"):
        snr_ranges((4,), 3.0, 3.0)
