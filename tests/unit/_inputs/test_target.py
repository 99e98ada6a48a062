"""Labels that no sample can have, two codings in one batch, and labels that are ignored."""

import json
import pickle

import numpy as np
import pytest
from cases import MODES, REALS
from oracle import says
from refusals import refuse

from hingemetrics import HingeLoss, hinge_loss

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = np.nan, np.inf


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


def fits(number, dtype):
    """Tell whether a dtype has a number, or one near it that is finite."""
    if dtype == "?":
        return number in (0, 1)
    if np.dtype(dtype).kind == "f":
        return abs(number) <= int(np.finfo(dtype).max)
    return np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


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
