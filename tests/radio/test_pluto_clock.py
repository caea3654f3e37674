"""How many samples a PlutoSDR lost, and where: hand-worked cases of a thousand samples a second."""

import pytest

from sdrjscc.radio._pluto_clock import CaptureClock


@pytest.fixture
def clock():
    """Receptions of 100 samples, four kernel buffers; the last one ended at 10.0 s."""
    return CaptureClock(1000.0, 100, 4, now_s=10.0)


def test_nothing_is_lost_where_the_device_says_so(clock):
    assert [clock.received(10.0 + 0.1 * i, 10.1 + 0.1 * i, False) for i in range(5)] == [0] * 5
    assert clock.received(15.0, 15.0, False) == 0  # late, but four buffers held it


def test_a_gap_lies_behind_the_buffers_that_were_full(clock):
    # 10.1, 10.2 and 10.3 are the ends of what was full; asked for again at 10.8: 500 samples are lost
    assert clock.received(10.8, 10.8, True) == 0
    assert [clock.received(10.8, 10.8, False) for _ in range(2)] == [0, 0]
    assert clock.received(10.8, 10.9, False) == 500
    assert clock.received(10.9, 11.0, False) == 0


def test_a_second_gap_counts_from_behind_the_first(clock):
    clock.received(10.8, 10.8, True)  # 500 lost; captured again from 10.8 to 10.9
    assert clock.received(11.4, 11.4, True) == 0  # 10.2; behind it 10.3, and 10.9: full again for 500
    assert [clock.received(11.4, 11.4, False) for _ in range(3)] == [0, 500, 500]


def test_a_loss_shorter_than_the_clocks_agree_is_still_a_loss(clock):
    clock.received(10.1, 10.1, True)
    assert [clock.received(10.2, 10.2, False) for _ in range(3)] == [0, 0, 1]


def test_a_new_connection_has_lost_the_time_between(clock):
    assert clock.resumed(12.5) == 2400
    assert clock.received(12.5, 12.6, False) == 0


def test_a_new_connection_forgets_the_gaps_of_the_old_one(clock):
    clock.received(10.8, 10.8, True)
    clock.resumed(12.0)
    assert [clock.received(12.1, 12.1, False) for _ in range(4)] == [0] * 4
