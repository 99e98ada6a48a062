"""Examples in the docstrings of private modules; those of public names have a file of their own."""

import doctest
import importlib

import house
import pytest


@pytest.mark.parametrize("module", sorted(house.PATHS.keys() - {"__main__"}))
def test_they_run(module):
    if house.room(module) == "distributed":
        pytest.importorskip("dask")
    name = f"hingemetrics.{module}".removesuffix(".")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
