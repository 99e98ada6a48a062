"""Bad input gets one error that names the argument, the value and the index, and counts nothing."""

import numpy as np
import pytest
from cases import MODES
from oracle import bits, says
from refusals import refuse, spoilt

from hingemetrics import HingeLoss, hinge_loss

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = np.nan, np.inf


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
