"""Machine code, with and without a cache on disk."""

import pickle

import numba
import pytest

from sdrjscc.compiled import machine_code


@pytest.mark.parametrize("fault", [RuntimeError("no locator"), OSError(28, "full"), pickle.UnpicklingError()])
def test_compiles_without_a_usable_disk_cache(monkeypatch, fault):
    def njit(*arguments, cache=False, **options):
        if cache:
            raise fault
        return original(*arguments, **options)

    original = numba.njit
    monkeypatch.setattr(numba, "njit", njit)
    doubled = machine_code("i8(i8)")(lambda number: 2 * number)
    assert doubled(21) == 42


def test_faults_of_a_compiled_function_are_not_hidden():
    with pytest.raises(numba.core.errors.TypingError):
        machine_code("i8(i8)")(lambda number: number.no_such_thing)
