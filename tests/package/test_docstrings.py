"""Examples in docstrings: public names have one, and all are true."""

import doctest
import importlib

import house
import pytest

import hingemetrics

WITH_EXAMPLE = {*hingemetrics.__all__} - {
    *("Interval", "MulticlassMode", "__version__"),  # shown where they are used
    *("get_backend", "get_num_threads"),  # shown by what sets them
}


@pytest.mark.parametrize("name", sorted(WITH_EXAMPLE))
def test_there_is_one(name):
    assert ">>> " in getattr(hingemetrics, name).__doc__


@pytest.mark.parametrize("module", sorted(house.PATHS.keys() - {"__main__"}))
def test_they_run(module):
    if house.room(module) == "distributed":
        pytest.importorskip("dask")
    name = f"hingemetrics.{module}".removesuffix(".")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
