"""What is no array of real numbers is refused, with the place of what is wrong."""

import decimal
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cases import MODES
from oracle import bits
from refusals import refuse

from hingemetrics import hinge_loss

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = np.nan, np.inf


class Shape:
    """What a user may call rows, but NumPy makes an object array of."""


NOT_REAL = {
    "text": "abc",
    "bytes": b"abc",
    "list of text": ["1.0", "0.5", "0.1"],
    "array of text": np.array(["1", "0", "1"]),
    "complex": [1j, 0j, 1 + 0j],
    "complex array": np.ones(3, np.complex64),
    "None": None,
    "list with None": [1.0, None, 0.0],
    "objects": [Shape(), Shape(), Shape()],
    "object array": np.array([1, 0, 1], object),
    "decimals": [decimal.Decimal(1)] * 3,
    "dates": np.array(["2020-01-01"] * 3, "M8[D]"),
    "durations": np.array([1, 0, 1], "m8[s]"),
    "record": np.zeros(3, [("a", "f8"), ("b", "i4")]),
    "set": {0, 1, 2},
    "frozen set": frozenset({0, 1, 2}),
    "dictionary": {0: 1, 1: 0, 2: 1},
    "dictionary values": {0: 1, 1: 0, 2: 1}.values(),
    "generator": (x for x in [1, 0, 1]),
    "map": map(int, "101"),
    "path": Path("preds.npy"),
    "class": Shape,
    "ellipsis": ...,
}


@pytest.mark.parametrize("kind", NOT_REAL)
class TestWrongKind:
    def test_preds(self, kind):
        refuse(TypeError, ["preds"], NOT_REAL[kind], [1, 0, 1])

    def test_target(self, kind):
        refuse(TypeError, ["target"], [1.0, 0.5, 0.1], NOT_REAL[kind])

    def test_sample_weight(self, kind):
        if kind != "None":  # which is the default
            refuse(TypeError, ["sample_weight"], [1.0, 0.5, 0.1], [1, 0, 1], NOT_REAL[kind])


def test_a_generator_is_not_consumed():
    rows = (x for x in [1.0, 0.5])
    with pytest.raises(TypeError, match="preds"):
        hinge_loss(rows, [1, 0])
    assert list(rows) == [1.0, 0.5]


class TestRagged:
    RAGGED = ([[1.0, 2.0], [3.0]], [1.0, [2.0]], [[[1.0], [2.0, 3.0]], [1.0]])

    @pytest.mark.parametrize("ragged", RAGGED)
    def test_names_the_argument(self, ragged):
        refuse(ValueError, ["preds"], ragged, [0, 1])
        refuse(ValueError, ["target"], [0.0, 1.0], ragged)
        refuse(ValueError, ["sample_weight"], [0.0, 1.0], [0, 1], ragged)


class TestLargeInts:
    """Python ints that no 64-bit dtype holds; NumPy makes objects of them."""

    @pytest.mark.parametrize("large", [2**64, -(2**63) - 1, 10**30, 10**400])
    def test_names_the_index(self, large):
        refuse(ValueError, ["preds", "64", "index 1"], [1, large, 0], [1, 0, 1])
        refuse(ValueError, ["preds", "64", "index 1, 0"], [[1, 2], [large, 0]], [1, 0])
        refuse(ValueError, ["target", "64", "index 2"], [0.5, 0.5, 0.5], [1, 0, large])
        refuse(ValueError, ["sample_weight", "64", "index 0"], [0.5, 0.5], [1, 0], [large, 1])

    @pytest.mark.parametrize("fits", [2**63, 2**64 - 1, -(2**63)])
    def test_not_an_int_that_fits(self, fits):
        assert np.isfinite(hinge_loss([fits, 1], [1, 1]))
        refuse(ValueError, ["preds", "64", "index 1"], [fits, 2**64], [1, 0])


class TestMasked:
    def test_while_another_thread_imports_numpy_ma(self, monkeypatch):
        """Numba does, and until it has there is a module with nothing in it."""
        monkeypatch.setitem(sys.modules, "numpy.ma", types.ModuleType("numpy.ma"))
        assert hinge_loss([0.5, 0.5], [1, 1]) == 0.5

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_a_sequence_of_them(self, kind):
        """NumPy would take what is behind the masks for data."""
        row = np.ma.masked_array([0.5, 9.0], [False, True])
        rows, column = kind([row, row]), kind([row[:1], row[1:]])
        refuse(ValueError, ["preds", "masked"], rows, [0, 1])
        refuse(ValueError, ["target", "masked"], [0.5, 0.5], column)
        refuse(ValueError, ["sample_weight", "masked"], [0.5, 0.5], [0, 1], column)

    @pytest.mark.parametrize("rows", [5, 3000])
    def test_masked_entries(self, rows):
        mask = np.arange(rows) == rows - 2
        where = f"index {rows - 2}"
        scores, target, weight = np.zeros(rows), np.ones(rows, int), np.ones(rows)
        masked = np.ma.masked_array
        refuse(ValueError, ["preds", "masked", where], masked(scores, mask), target)
        refuse(ValueError, ["target", "masked", where], scores, masked(target, mask))
        refuse(ValueError, ["sample_weight", "masked", where], scores, target, masked(weight, mask))

    @pytest.mark.parametrize("mode", MODES)
    def test_masked_cell(self, mode):
        preds = np.ma.masked_array(np.zeros((4, 3)), np.arange(12).reshape(4, 3) == 7)
        refuse(ValueError, ["preds", "masked", "index"], preds, [0, 1, 2, 0], mode=mode)

    @pytest.mark.parametrize("mask", [False, np.zeros(3, bool), np.ma.nomask])
    def test_without_masked_entries(self, mask):
        preds = np.ma.masked_array([-2.2, 2.4, 0.1], mask)
        target = np.ma.masked_array([0, 1, 1], mask)
        assert bits(hinge_loss(preds, target)) == bits(hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
