import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc import errors, units

ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_the_users_and_has_an_exit_code(kind):
    assert issubclass(kind, errors.SdrJsccError)
    assert kind.exit_code in (2, 3)
    assert kind.__doc__


def test_radio_errors_alone_exit_with_3():
    assert [kind.__name__ for kind in ERRORS if kind.exit_code == 3] == ["RadioError"]


@pytest.mark.parametrize(("level_db", "power"), [(0.0, 1.0), (10.0, 10.0), (-30.0, 1e-3), (3.0, 1.9952623)])
def test_decibels_are_of_power(level_db, power):
    assert units.from_db(level_db) == pytest.approx(power)
    assert units.to_db(power) == pytest.approx(level_db, abs=1e-6)


@given(st.floats(-300.0, 300.0))
def test_decibels_round_trip(level_db):
    assert units.to_db(units.from_db(level_db)) == pytest.approx(level_db, abs=1e-9)


def test_no_power_is_minus_infinity_and_less_is_nothing():
    assert units.to_db(0.0) == -math.inf
    assert math.isnan(units.to_db(-1.0))


def test_ppm_of_a_carrier():
    assert units.ppm_to_hz(20.0, 2.4e9) == pytest.approx(48e3)
    assert units.ppm_to_hz(-1.0, 1e6) == pytest.approx(-1.0)
