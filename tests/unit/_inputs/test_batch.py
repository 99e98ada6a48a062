"""Bad input gets one error that names the argument, the value and the index, and counts nothing."""

import decimal
import json
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cases import MODES, REALS
from oracle import bits, says

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

    def test_comes_whole_out_of_another_process(self):
        with pytest.raises(ValueError, match="mixed") as caught:
            hinge_loss([0.5, 0.5], [0, -1])
        received = pickle.loads(pickle.dumps(caught.value))
        assert (type(received), received.args) == (type(caught.value), caught.value.args)

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

    @pytest.mark.parametrize("rows", [9, 600, 40_000])
    @pytest.mark.parametrize("first", [0, -1])
    def test_reduction_none(self, rows, first):
        target = np.ones(rows, int)
        target[[1, -2]] = first, -1 - first
        with pytest.raises(ValueError, match=says(*self.WORDS, f"index {rows - 2}")):
            hinge_loss(np.zeros(rows), target, reduction="none")

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize(("earlier", "later"), [(0, -1), (-1, 0)])
    @pytest.mark.parametrize("index", [6, 700, 5000])
    def test_index_in_one_batch(self, short_spans, threads, earlier, later, index):
        """It is that of the row from which on there are two codings; ignored rows count as rows."""
        short_spans(threads)
        target = np.ones(6000, int)
        target[[0, 2, 3]] = 7, earlier, earlier
        target[[index, -1]] = later
        words = [*self.WORDS, f"index {index}"]
        refuse(ValueError, words, np.zeros(6000), target, ignore_index=7)

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize(("first", "second"), [(0, -1), (-1, 0)])
    @pytest.mark.parametrize("index", [5, 700, 5000])
    def test_index_across_updates(self, short_spans, threads, first, second, index):
        short_spans(threads)
        metric = HingeLoss(ignore_index=7)
        metric.update([0.5, 0.5], [1, first])
        before = metric.state.to_bytes()
        target = np.ones(6000, int)
        target[[0, 3]] = 7, first
        target[[index, -1]] = second
        with pytest.raises(ValueError, match=says(*self.WORDS, f"index {index}")):
            metric.update(np.zeros(6000), target)
        assert metric.state.to_bytes() == before

    @pytest.mark.parametrize(("earlier", "later"), [(0, -1), (-1, 0)])
    def test_index_after_updates_of_no_coding(self, earlier, later):
        metric = HingeLoss()
        metric.update([0.5, 0.5], [1, 1])
        with pytest.raises(ValueError, match=says(*self.WORDS, "index 3")):
            metric.update(np.zeros(4), [1, earlier, 1, later])

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

    @pytest.mark.parametrize("mode", [None, *MODES])
    def test_beyond_float64(self, mode):
        """A longdouble is finite and yet no weight, where it is wider than a double."""
        preds, weight = np.zeros(4 if mode is None else (4, 3)), np.ones(4, np.longdouble)
        weight[2] = np.longdouble("1e400")
        words = ["sample_weight", "index 2"]
        refuse(ValueError, words, preds, np.ones(4), weight, mode=mode)
        weight[2] = np.longdouble("1e-400")
        expected = hinge_loss(preds, np.ones(4), multiclass_mode=mode, sample_weight=[1, 1, 0, 1])
        found = hinge_loss(preds, np.ones(4), multiclass_mode=mode, sample_weight=weight)
        assert bits(found) == bits(expected)

    def test_even_where_the_loss_is_zero(self):
        refuse(ValueError, ["sample_weight", "index 1"], [9.0, 9.0], [1, 1], [1, NAN])


def fits(number, dtype):
    """Tell whether a dtype has a number, or one near it that is finite."""
    if dtype == "?":
        return number in (0, 1)
    if np.dtype(dtype).kind == "f":
        return abs(number) <= int(np.finfo(dtype).max)
    return np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


class TestFirstBad:
    """Of several bad rows the first is named, whatever is wrong with it."""

    ROWS = 6000

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("mode", [None, *MODES])
    @pytest.mark.parametrize(("one", "other"), [(3, 4), (255, 256), (300, 5700), (4095, 4096)])
    def test_index(self, short_spans, threads, mode, one, other):
        short_spans(threads)
        preds = np.zeros(self.ROWS if mode is None else (self.ROWS, 3))
        target, weight = np.ones(self.ROWS, int), np.ones(self.ROWS)
        label, index = spoilt(target, [one, other], 7), f"index {one}"
        refuse(ValueError, ["target", "7", index], preds, label, mode=mode)
        refuse(ValueError, ["target", index], preds, label, spoilt(weight, other, -1), mode=mode)
        heavy = spoilt(weight, [one, other], -1)
        refuse(ValueError, ["sample_weight", index], preds, target, heavy, mode=mode)
        label = spoilt(target, other, 7)
        refuse(ValueError, ["sample_weight", index], preds, label, heavy, mode=mode)

    def test_reduction_none(self):
        target, weight = np.ones(self.ROWS, int), np.ones(self.ROWS)
        label, heavy = spoilt(target, [500, 5000], 7), spoilt(weight, [400, 4000], -1)
        for weight, words in ((None, ["target", "index 500"]), (heavy, ["weight", "index 400"])):
            with pytest.raises(ValueError, match="".join(f"(?=.*{word})" for word in words)):
                hinge_loss(np.zeros(self.ROWS), label, sample_weight=weight, reduction="none")


NUMBERS = (0, 1, 100, 127, 255, 2048, 2049, 2**24, 2**24 + 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63)
NUMBERS += (2**64 - 1, 2**64, 10**30, 10**400)
NUMBERS += tuple(-n for n in NUMBERS[1:])


# What a longdouble tells apart where float64 does not; elsewhere longdouble is float64.
WIDE = [
    n
    for n in (2**63, 2**63 + 1, 2**64 - 1, 2**64, -(2**63) - 2, 3 * 2**70, 2**1500)
    if np.isfinite(np.longdouble(n)) and int(np.longdouble(n)) == n
]


class TestIgnoreIndex:
    """Rows of exactly this target are left out, whatever the dtype."""

    @pytest.mark.parametrize(
        ("target", "ignored"),
        [([2**63 + 1, 1], 2**63), ([2**53 + 1, 0.0, 1], 2**53), ((1.0, 2**53 + 1), 2**60)],
    )
    def test_integers_that_a_list_rounds(self, target, ignored):
        """NumPy makes float64 of such a list, and of the label one that might be ignored."""
        label = max(target)
        with pytest.raises(ValueError, match=says("target", f"got {label} at index")):
            hinge_loss([0.5] * len(target), target, ignore_index=ignored)
        array = np.array([2**63 + 1, 1], "u8")
        assert hinge_loss([0.5, 0.25], array, ignore_index=2**63 + 1) == 0.75

    @pytest.mark.parametrize("dtype", REALS)
    @pytest.mark.parametrize("ignored", NUMBERS, ids=lambda n: str(n)[:24])
    def test_exact(self, dtype, ignored):
        for label in (n for n in NUMBERS if fits(n, dtype)):
            target = np.array([label], dtype)
            metric, whole = HingeLoss(ignore_index=ignored), int(target[0])
            if whole == ignored and abs(whole) >> 63 and dtype != "u8":
                continue  # see the next test
            if whole in (0, 1, -1) or whole == ignored:
                metric.update([0.5], target)
                assert metric.state.count == (whole != ignored), (label, dtype)
            else:
                with pytest.raises(ValueError, match=says("target", "index 0")):
                    metric.update([0.5], target)

    @pytest.mark.parametrize(
        ("ignored", "dtype"),
        [
            (-(2**63), "i8"),
            (-(2**63), "f8"),
            (2**63, "f4"),
            (2**63, "f8"),
            (2**64, "f8"),
            (2**64 - 1, "u8"),
            *[(n, "g") for n in WIDE],
        ],
    )
    def test_beyond_any_label(self, ignored, dtype):
        metric = HingeLoss(ignore_index=ignored)
        metric.update([0.5, 0.5], np.array([ignored, 1], dtype))
        assert metric.state.count == 1

    @pytest.mark.parametrize("ignored", WIDE)
    @pytest.mark.parametrize("target", WIDE)
    def test_longdoubles_beyond_any_label(self, ignored, target):
        metric = HingeLoss(ignore_index=ignored)
        if ignored == target:
            metric.update([0.5, 0.5], np.array([target, 1], np.longdouble))
            assert metric.state.count == 1
        else:
            with pytest.raises(ValueError, match=says("target", "index 0")):
                metric.update([0.5, 0.5], np.array([target, 1], np.longdouble))

    def test_under_any_floating_point_settings(self):
        with np.errstate(all="raise"):
            for dtype in ("f2", "f4", "f8", "g"):
                metric = HingeLoss(ignore_index=10**400)
                metric.update([0.5, 0.5], np.array([1, 0], dtype))
                assert metric.state.count == 2

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_longest(self, sign):
        """It is JSON in a state_dict, and can be printed, however long Python lets integers be."""
        longest = HingeLoss(ignore_index=sign * (2**2048 - 1))
        assert json.loads(json.dumps(longest.state_dict())) == longest.state_dict()
        assert str(2**2048 - 1) in repr(longest)
        with pytest.raises(ValueError, match="ignore_index must be of at most 2048 bits, got 2049"):
            HingeLoss(ignore_index=sign * 2**2048)
        with pytest.raises(ValueError, match="ignore_index must be of at most 2048 bits"):
            hinge_loss([0.5], [1], ignore_index=sign * 10**5000)

    def test_neighbours(self):
        for dtype, label in ((np.float16, 2048), (np.float32, 2**24), (np.float64, 2**53)):
            target = np.array([label, 0], dtype)
            refuse(ValueError, ["target", "index 0"], [0.5, 0.5], target, ignore_index=label + 1)
            assert hinge_loss([0.5, 0.5], target, ignore_index=label) == 1.5

    def test_a_class_next_to_it_is_kept(self):
        metric = HingeLoss(ignore_index=2049)
        metric.update(np.zeros((2, 2050)), np.array([2048, 0], np.float16))
        assert metric.state.count == 2

    def test_not_a_number_is_no_target(self):
        for target in ([NAN, 1.0], [INF, 1.0], [0.5, 1.0]):
            for ignored in (0, -(2**63), 2**63 - 1, 10**400):
                words = ["target", "index 0"]
                refuse(ValueError, words, [0.5, 0.5], target, ignore_index=ignored)


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

    OTHERS = ((), (3,), (4,))

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("seen", OTHERS)
    @pytest.mark.parametrize("entry", ["update", "forward"])
    @pytest.mark.filterwarnings("ignore:the mean hinge loss is NaN:UserWarning")
    def test_nor_does_one_of_ignored_rows(self, short_spans, threads, mode, seen, entry):
        short_spans(threads)
        metric = HingeLoss(multiclass_mode=mode, ignore_index=-1)
        metric.update(np.zeros((2, *seen)), [1, 0])
        before = metric.state.to_bytes()
        for shape in set(self.OTHERS) - {seen}:
            preds, target = np.zeros((6000, *shape)), np.full(6000, -1)
            getattr(metric, entry)(preds, target)
            assert metric.state.to_bytes() == before
            target[4000] = 1
            with pytest.raises(ValueError, match=says("preds", "form")):
                getattr(metric, entry)(preds, target)
            assert metric.state.to_bytes() == before

    @pytest.mark.parametrize("shape", OTHERS)
    @pytest.mark.filterwarnings("ignore:the mean hinge loss is NaN:UserWarning")
    def test_update_and_forward_count_ignored_rows_alike(self, shape):
        counts = []
        for entry in ("update", "forward"):
            metric = HingeLoss(ignore_index=-1)
            metric.update([0.5, 0.5], [1, 0])
            getattr(metric, entry)(np.zeros((2, *shape)), [-1, -1])
            counts.append(metric.update_count)
        assert counts[0] == counts[1]
