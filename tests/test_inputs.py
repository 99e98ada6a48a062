"""Bad input gets one error that names the argument, the value and the index, and counts nothing."""

import decimal
from pathlib import Path

import numpy as np
import pytest
from reference import bits, says
from strategies import MODES

from hingemetrics import HingeLoss, hinge_loss

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = np.nan, np.inf


def refuse(error, words, preds, target, sample_weight=None, ignore_index=None, mode=None):
    """Both doors refuse in the same words, and nothing is half-counted."""
    options = {"multiclass_mode": mode, "ignore_index": ignore_index}
    with pytest.raises(error, match=says(*words)) as one:
        hinge_loss(preds, target, sample_weight=sample_weight, **options)
    metric = HingeLoss(**options)
    nothing = metric.state.to_bytes()
    with pytest.raises(error, match=says(*words)) as other:
        metric.update(preds, target, sample_weight)
    assert type(one.value) is type(other.value)
    assert str(one.value) == str(other.value)
    assert (metric.state.to_bytes(), metric.update_count) == (nothing, 0)


def spoilt(array, index, value):
    copy = np.array(array)
    copy[index] = value
    return copy


PLACES = [(0, 1), (5, 10), (255, 600), (256, 600), (2048, 5000), (70_000, 100_000)]


@pytest.mark.parametrize(("index", "rows"), PLACES)
class TestIndex:
    """The index is that of the caller's row, in whichever block the row is looked at."""

    @pytest.mark.parametrize("dtype", ["i8", "f4", ">i4", "f8"])
    def test_binary_label(self, index, rows, dtype):
        target = spoilt(np.ones(rows, dtype), index, 7)
        refuse(ValueError, ["target", f"index {index}"], np.zeros(rows), target)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("label", [3, -1, 100])
    def test_class_label(self, index, rows, mode, label):
        target = spoilt(np.ones(rows, int), index, label)
        words = ["target", str(label), f"index {index}"]
        refuse(ValueError, words, np.zeros((rows, 3)), target, mode=mode)

    @pytest.mark.parametrize("bad", [-1.0, NAN, INF])
    def test_weight(self, index, rows, bad):
        weight = spoilt(np.ones(rows), index, bad)
        words = ["sample_weight", f"index {index}"]
        refuse(ValueError, words, np.zeros(rows), np.ones(rows), weight)
        refuse(ValueError, words, np.zeros((rows, 3)), np.ones(rows), weight, mode="one-vs-all")

    def test_after_ignored_rows(self, index, rows):
        target = np.full(rows, -1)
        target[index] = 7
        words = ["target", "7", f"index {index}"]
        refuse(ValueError, words, np.zeros(rows), target, ignore_index=-1)
        refuse(ValueError, words, np.zeros((rows, 3)), target, ignore_index=-1)

        weight = spoilt(np.full(rows, NAN), index, -2.0)
        target[index] = 1
        with pytest.raises(ValueError, match=f"sample_weight.*-2.*index {index}"):
            hinge_loss(np.zeros(rows), target, sample_weight=weight, ignore_index=-1)

    def test_column_of_labels(self, index, rows):
        target = spoilt(np.ones(rows, int), index, 7)[:, None]
        refuse(ValueError, ["target", "7"], np.zeros((rows, 1)), target)

    def test_strided(self, index, rows):
        target = spoilt(np.ones(rows, int), index, 7)
        words = ["target", "7", f"index {index}"]
        refuse(ValueError, words, np.zeros(rows), np.repeat(target, 3)[::3])


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "dtype", "text"),
        [
            (2, int, "2"),
            (-2, int, "-2"),
            (0.25, float, "0.25"),
            (0.3, float, "0.3"),
            (1.0000000000000002, float, "1.0000000000000002"),
            (NAN, float, "nan"),
            (INF, float, "inf"),
            (2**40, int, str(2**40)),
            (2**40 + 1, int, str(2**40 + 1)),
            (2**32, int, str(2**32)),
            (-(2**63), int, str(-(2**63))),
            (2**63 + 5, np.uint64, str(2**63 + 5)),
            (2**64 - 1, np.uint64, str(2**64 - 1)),
            (255, np.uint8, "255"),
        ],
    )
    @pytest.mark.parametrize("mode", [None, *MODES])
    def test_outside(self, label, dtype, text, mode):
        target = np.array([1, 0, 1, label, 1], dtype)
        preds = np.zeros(5 if mode is None else (5, 2))
        refuse(ValueError, ["target", text, "index 3"], preds, target, mode=mode)

    def test_what_it_must_be(self):
        refuse(ValueError, ["target", "0", "1"], np.zeros(3), [0, 1, 5])
        refuse(ValueError, ["target", "4"], np.zeros((3, 4)), [0, 1, 77])

    def test_a_class_of_many(self):
        preds = np.zeros((2, 1000))
        assert hinge_loss(preds, [0, 999]) == 1.0
        refuse(ValueError, ["target", "1000", "index 1"], preds, [0, 1000])

    @pytest.mark.parametrize("mode", MODES)
    def test_signed_coding_is_not_for_classes(self, mode):
        refuse(ValueError, ["target", "-1", "index 0"], np.zeros((2, 2)), [-1, 1], mode=mode)


class TestMixedCodings:
    WORDS = ("target", "0", "-1", "ignore_index=-1")

    @pytest.mark.parametrize("target", [[0, -1], [-1, 0], [1, 1, 0, -1, 1], [0.0, -1.0]])
    def test_one_batch(self, target):
        refuse(ValueError, self.WORDS, np.zeros(len(target)), target)

    @pytest.mark.parametrize("rows", [600, 100_000])
    def test_far_apart(self, rows):
        target = np.ones(rows, int)
        target[[0, -1]] = 0, -1
        refuse(ValueError, self.WORDS, np.zeros(rows), target)

    @pytest.mark.parametrize(("first", "second"), [(0, -1), (-1, 0)])
    def test_updates(self, first, second):
        metric = HingeLoss()
        metric.update([0.5, 0.5], [1, first])
        metric.update([0.5], [1])
        before = metric.state
        for entry in (metric.update, metric.forward):
            with pytest.raises(ValueError, match=says(*self.WORDS)):
                entry([0.5, 0.5], [1, second])
        assert metric.state.to_bytes() == before.to_bytes()
        assert metric.update_count == 2

    @pytest.mark.parametrize(("first", "second"), [(0, -1), (-1, 0)])
    def test_merges(self, first, second):
        a, b = HingeLoss(), HingeLoss()
        a.update([0.5, 0.5], [1, first])
        b.update([0.5, 0.5], [1, second])
        before = a.state.to_bytes()
        with pytest.raises(ValueError, match=says("ignore_index=-1")):
            a.merge_state(b)
        with pytest.raises(ValueError, match=says("ignore_index=-1")):
            a.state + b.state
        assert a.state.to_bytes() == before

    def test_ones_go_with_both(self):
        a = HingeLoss()
        for target in ([1, 1], [1, -1], [1, 1]):
            a.update([0.5, 0.5], target)
        assert a.state.count == 6

    def test_ignored_rows_have_no_coding(self):
        metric = HingeLoss(ignore_index=-1)
        metric.update([0.5, 0.5], [1, -1])
        metric.update([0.5, -0.5], [1, 0])
        assert metric.compute() == 0.5

    def test_after_reset_and_after_unmerge(self):
        """A coding is counted, not flagged: it goes with the last row that had it."""
        metric = HingeLoss()
        metric.update([0.5, 0.5], [1, 0])
        signed = HingeLoss()
        signed.update([0.5], [-1])
        left = (metric.state + metric.state) - metric.state - metric.state
        assert left + signed.state == signed.state
        metric.reset()
        metric.update([0.5], [-1])
        assert metric.state == signed.state


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


class TestMasked:
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


class TestWeights:
    @pytest.mark.parametrize(
        ("bad", "text"),
        [(-1.0, "-1"), (-5e-324, "-5e-324"), (NAN, "nan"), (INF, "inf"), (-INF, "-inf")],
    )
    @pytest.mark.parametrize("mode", [None, *MODES])
    def test_value(self, bad, text, mode):
        preds = np.zeros(4 if mode is None else (4, 3))
        with pytest.raises(ValueError, match=rf"(?s)(?=.*sample_weight)(?=.*{text})(?=.*index 2)"):
            hinge_loss(preds, np.ones(4), multiclass_mode=mode, sample_weight=[1, 1, bad, 1])
        refuse(
            ValueError, ["sample_weight", "index 2"], preds, np.ones(4), [1, 1, bad, 1], mode=mode
        )

    def test_integer(self):
        weight = np.array([1, -7], np.int8)
        refuse(ValueError, ["sample_weight", "-7", "index 1"], [0.0, 0.0], [1, 0], weight)

    def test_even_where_the_loss_is_zero(self):
        refuse(ValueError, ["sample_weight", "index 1"], [9.0, 9.0], [1, 1], [1, NAN])


class TestDisagreement:
    """A metric has seen one form of input, and keeps to it."""

    BINARY = ([0.5, 0.5], [1, 0])
    THREE = ([[0.5, 0.1, 0.2]] * 2, [1, 0])
    FOUR = ([[0.5, 0.1, 0.2, 0.3]] * 2, [1, 0])

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("first", "second", "words"),
        [
            (BINARY, THREE, ["preds", "binary", "3"]),
            (THREE, BINARY, ["preds", "binary", "3"]),
            (THREE, FOUR, ["preds", "3", "4"]),
            (FOUR, THREE, ["preds", "3", "4"]),
        ],
    )
    def test_update(self, first, second, words, mode):
        metric = HingeLoss(multiclass_mode=mode)
        metric.update(*first)
        before = metric.state.to_bytes()
        for entry in (metric.update, metric.forward):
            with pytest.raises(ValueError, match=says(*words)):
                entry(*second)
        assert (metric.state.to_bytes(), metric.update_count) == (before, 1)

        metric.reset()
        metric.update(*second)
        assert metric.state.count == 2

    @pytest.mark.parametrize("mode", MODES)
    def test_merge(self, mode):
        for first in (self.BINARY, self.THREE, self.FOUR):
            for second in (self.BINARY, self.THREE, self.FOUR):
                a, b = HingeLoss(multiclass_mode=mode), HingeLoss(multiclass_mode=mode)
                a.update(*first)
                b.update(*second)
                if first is second:
                    a.merge_state(b)
                    assert a.state.count == 4
                    continue
                before = a.state.to_bytes()
                with pytest.raises(ValueError, match=r"class|binary"):
                    a.merge_state(b)
                assert a.state.to_bytes() == before

    @pytest.mark.parametrize("shape", [(0,), (0, 1), (0, 3), (0, 4)])
    @pytest.mark.parametrize("first", [BINARY, THREE])
    def test_an_empty_batch_never_disagrees(self, first, shape):
        metric = HingeLoss()
        metric.update(np.zeros(shape), np.zeros(0, int))
        assert metric.state.num_classes is None
        metric.update(*first)
        before = metric.state.to_bytes()
        metric.update(np.zeros(shape), np.zeros(0, int))
        assert metric.state.to_bytes() == before
