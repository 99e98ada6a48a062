"""`compare`, `HingeComparison` and `loss_interval`: arguments, refusals, copies, edges."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from cases import MODES
from oracle import bits, says

from hingemetrics import (
    Comparison,
    ComparisonState,
    HingeComparison,
    HingeLoss,
    Interval,
    MulticlassMode,
    compare,
    hinge_loss,
    loss_interval,
)

PREDS, BASELINE, TARGET = [-2.2, 0.5, 0.25, 2.0], [-1.5, 0.75, 0.5, 1.0], [0, 1, 1, 1]
ROWS = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]]
OTHERS = [[0.5, 0.2, 0.2], [0.5, 1.1, 0.9], [2.0, -0.5, 0.25]]
CLASSES = [0, 1, 2]
CONFIGURATIONS = (
    {},
    {"squared": True, "confidence_level": 0.5},
    {"multiclass_mode": "one-vs-all", "ignore_index": -1},
)


def fed(**configuration):
    metric = HingeComparison(**configuration)
    metric.update(ROWS, OTHERS, CLASSES, [0.5, 1.0, 2.0])
    return metric


class TestRefusals:
    """The same through both doors, and nothing is half-counted."""

    @pytest.mark.parametrize(
        ("error", "words", "changed"),
        [
            (ValueError, ["baseline_preds", "(3,)", "(4,)"], {"baseline_preds": BASELINE[:3]}),
            (
                ValueError,
                ["baseline_preds", "shape of preds", "(4,)", "(4, 2)"],
                {"baseline_preds": np.zeros((4, 2))},
            ),
            (ValueError, ["preds", "(3,)", "(4,)"], {"preds": PREDS[:3]}),
            (TypeError, ["baseline_preds", "real"], {"baseline_preds": ["a", "b", "c", "d"]}),
            (TypeError, ["baseline_preds", "real"], {"baseline_preds": np.array(BASELINE) * 1j}),
            (ValueError, ["baseline_preds"], {"baseline_preds": 0.5}),
            (TypeError, ["baseline_preds"], {"baseline_preds": None}),
            (TypeError, ["preds", "real"], {"preds": ["a", "b", "c", "d"]}),
            (ValueError, ["target", "3", "index 2"], {"target": [0, 1, 3, 1]}),
            (ValueError, ["target", "mixed", "index 3"], {"target": [0, 1, 1, -1]}),
            (ValueError, ["target", "nan", "index 1"], {"target": [0, np.nan, 1, 1]}),
            (ValueError, ["sample_weight", "index 3"], {"sample_weight": [1, 1, 1, -1]}),
            (ValueError, ["sample_weight", "inf", "index 0"], {"sample_weight": [np.inf, 1, 1, 1]}),
            (ValueError, ["sample_weight", "(4,)", "(3,)"], {"sample_weight": [1, 1, 1]}),
        ],
    )
    def test_data(self, error, words, changed):
        good = {"preds": PREDS, "baseline_preds": BASELINE, "target": TARGET, "sample_weight": None}
        with pytest.raises(error, match=says(*words)) as one:
            compare(**good | changed)
        metric = HingeComparison()
        metric.update(**good)
        before = metric.state
        with pytest.raises(error, match=says(*words)) as other:
            metric.update(**good | changed)
        assert str(one.value) == str(other.value)
        assert type(one.value) is type(other.value)
        assert metric.state is before

    def test_a_target_at_the_end_of_many_blocks(self):
        """What was summed of the blocks before is gone."""
        rows = 70_000
        preds, target = np.zeros(rows), np.ones(rows, int)
        metric = HingeComparison()
        metric.update(preds[:5], preds[:5] + 1, target[:5])
        before = metric.state
        target[-1] = 2
        with pytest.raises(ValueError, match=f"got 2 at index {rows - 1}"):
            metric.update(preds, preds, target)
        assert metric.state is before

    @pytest.mark.parametrize("other", [(PREDS, BASELINE, TARGET), (np.eye(2), np.eye(2), [0, 1])])
    def test_another_form(self, other):
        metric = fed()
        before = metric.state
        with pytest.raises(ValueError, match=says("preds", "after 3 classes")):
            metric.update(*other)
        assert metric.state is before

    @pytest.mark.parametrize(
        ("error", "bad"),
        [
            *((ValueError, level) for level in (0.0, 1.0, -0.5, 1.5, float("nan"), float("inf"))),
            *((TypeError, level) for level in (0, 1, "0.95", None, True, 0.5j, [0.95])),
        ],
    )
    def test_confidence_level(self, error, bad):
        for call in (
            lambda: compare(PREDS, BASELINE, TARGET, confidence_level=bad),
            lambda: loss_interval(PREDS, TARGET, confidence_level=bad),
            lambda: HingeComparison(confidence_level=bad),
            lambda: fed().state.comparison(bad),
        ):
            with pytest.raises(error, match=says("confidence_level", "between", str(bad))):
                call()

    @pytest.mark.parametrize(
        ("error", "word", "configuration"),
        [
            (TypeError, "squared", {"squared": 1}),
            (ValueError, "multiclass_mode", {"multiclass_mode": "ovr"}),
            (TypeError, "ignore_index", {"ignore_index": 0.5}),
        ],
    )
    def test_configuration(self, error, word, configuration):
        for call in (
            lambda: compare(PREDS, BASELINE, TARGET, **configuration),
            lambda: loss_interval(PREDS, TARGET, **configuration),
            lambda: HingeComparison(**configuration),
        ):
            with pytest.raises(error, match=says(word)):
                call()

    def test_interval_of_bad_data(self):
        with pytest.raises(ValueError, match=says("target", "7", "index 2")):
            loss_interval(PREDS, [0, 1, 7, 1])

    def test_merging(self):
        metric = fed()
        before = metric.state
        binary = HingeComparison()
        binary.update(PREDS, BASELINE, TARGET)
        for error, words, other in (
            (TypeError, ["other", "HingeComparison", "HingeLoss"], HingeLoss()),
            (TypeError, ["other", "ComparisonState", "bytes"], before.to_bytes()),
            (ValueError, ["squared"], HingeComparison(True)),
            (ValueError, ["multiclass_mode"], ComparisonState(False, "one-vs-all")),
            (ValueError, ["ignore_index", "None", "7"], HingeComparison(ignore_index=7)),
            (ValueError, ["classes", "binary"], binary),
        ):
            with pytest.raises(error, match=says(*words)):
                metric.merge_state(other)
        assert metric.state is before


class TestCall:
    def test_a_comparison(self):
        found = compare(PREDS, BASELINE, TARGET)
        assert type(found) is Comparison
        assert all(type(number) is float for number in found[:-1])
        assert type(found.count) is int
        assert found._fields == (
            *("value", "baseline", "difference", "stderr", "low", "high"),
            "count",
        )
        assert found == (0.3125, 0.1875, 0.125, *found[3:6], 4)
        assert found.stderr == np.sqrt(1 / 192)

    def test_of_classes(self):
        found = compare(ROWS, OTHERS, CLASSES, multiclass_mode=MulticlassMode.ONE_VS_ALL)
        assert all(numbers.shape == (3,) for numbers in found[:-1])
        assert all(numbers.dtype == np.float64 for numbers in found[:-1])
        assert bits(found.value) == bits(hinge_loss(ROWS, CLASSES, False, "one-vs-all"))

    def test_a_higher_level_is_a_wider_interval(self):
        levels = (5e-324, 0.5, 0.95, np.float32(0.99), float(np.nextafter(1.0, 0.0)))
        found = [compare(PREDS, BASELINE, TARGET, confidence_level=level) for level in levels]
        lengths = [one.high - one.low for one in found]
        assert lengths == sorted(lengths)
        assert (lengths[0], len(set(lengths))) == (0.0, 5)
        assert np.isfinite(lengths).all()
        metric = HingeComparison(confidence_level=0.5)
        metric.update(PREDS, BASELINE, TARGET)
        assert metric.compute() == found[1] == metric.state.comparison(0.5)

    def test_an_interval(self):
        found = loss_interval(PREDS, TARGET)
        assert type(found) is Interval
        assert found.value == hinge_loss(PREDS, TARGET)
        assert found.low < found.value < found.high

    def test_updates_of_other_kinds(self):
        """Lists, arrays of other dtypes, columns of one: all of the same numbers."""
        whole = compare(PREDS, BASELINE, TARGET)
        wide = np.array(BASELINE, np.longdouble)[:, np.newaxis]
        assert compare(PREDS, wide, np.array(TARGET, float)) == whole
        assert compare(np.array(PREDS, np.float32), BASELINE, TARGET).baseline == whole.baseline


class TestNothing:
    @pytest.mark.parametrize("mode", MODES)
    def test_no_rows(self, mode):
        empty = np.zeros((0, 3))
        for call, shape in (
            (lambda: compare(empty, empty, [], False, mode), (3,) * (mode == MODES[1])),
            (lambda: compare([], [], [], False, mode), ()),
            (lambda: compare([0.5], [0.5], [7], False, mode, ignore_index=7), ()),
            (lambda: HingeComparison(False, mode).compute(), ()),
            (lambda: loss_interval(empty, [], False, mode), (3,) * (mode == MODES[1])),
        ):
            found = self.warned(call, "no sample was seen")
            for number in found[:-1]:
                assert np.shape(number) == shape
                assert np.isnan(number).all()
            if isinstance(found, Comparison):
                assert found.count == 0

    def test_no_weight(self):
        zero = [0.0] * 4
        found = self.warned(
            lambda: compare(PREDS, BASELINE, TARGET, sample_weight=zero), "all weights are zero"
        )
        assert np.isnan(found[:-1]).all()
        assert found.count == 4
        metric = HingeComparison()
        metric.update(PREDS, BASELINE, TARGET, zero)
        assert np.isnan(self.warned(metric.compute, "all weights are zero").difference)
        metric.update(PREDS[:2], BASELINE[:2], TARGET[:2])
        assert metric.compute().difference == (0.0 + 0.25) / 2

    def test_one_row(self):
        found = compare(PREDS[1:2], BASELINE[1:2], TARGET[1:2])
        assert found[:3] == (0.5, 0.25, 0.25)
        assert np.isnan(found[3:6]).all()
        assert found.count == 1
        assert np.isnan(loss_interval([0.5], [1])[1:]).all()

    def test_an_update_without_rows(self):
        metric = fed()
        before = metric.state
        metric.update(np.zeros((0, 3)), np.zeros((0, 3)), [])
        assert metric.state == before

    def warned(self, call, why):
        """What a call returns that warns once, at the line of the caller."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = call()
        (warning,) = caught
        assert warning.category is UserWarning
        assert str(warning.message) == f"the mean hinge loss is NaN: {why}"
        assert warning.filename == __file__
        return found


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
class TestMetric:
    COPIES = (
        HingeComparison.clone,
        copy.copy,
        copy.deepcopy,
        *(lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in range(2, 6)),
    )

    @pytest.mark.parametrize("duplicate", COPIES)
    def test_copies(self, configuration, duplicate):
        metric = fed(**configuration)
        twin = duplicate(metric)
        assert type(twin) is HingeComparison
        assert (twin.state, repr(twin)) == (metric.state, repr(metric))
        twin.update(ROWS, OTHERS, CLASSES)
        assert (twin.state.count, metric.state.count) == (6, 3)
        metric.reset()
        assert metric.state == HingeComparison(**configuration).state
        assert twin.state.count == 6
        metric.merge_state(twin)
        assert metric.state == twin.state

    def test_attributes(self, configuration):
        metric = fed(**configuration)
        assert metric.squared is configuration.get("squared", False)
        assert metric.multiclass_mode is MulticlassMode(
            configuration.get("multiclass_mode", "crammer-singer")
        )
        assert metric.ignore_index == configuration.get("ignore_index")
        assert metric.confidence_level == configuration.get("confidence_level", 0.95)
        assert eval(repr(metric), {"HingeComparison": HingeComparison}).state.count == 0
        for name, value in configuration.items():
            assert f"{name}={value!r}" in repr(metric)

    def test_the_state(self, configuration):
        metric = fed(**configuration)
        state = metric.state
        metric.update(ROWS, OTHERS, CLASSES)
        assert (state.count, state.num_classes) == (3, 3)
        assert repr(state).startswith("ComparisonState(squared=")
        for attribute in ("count", "squared", "note"):
            with pytest.raises(AttributeError):
                setattr(state, attribute, 1)
        assert len({state, metric.state, fed(**configuration).state}) == 2
