"""`HingeLoss`: what it does beside counting, as the classic torchmetrics class does it."""

import inspect
import warnings

import numpy as np
import pytest
from cases import forms, name
from metrics import CLASSES, PREDS, ROWS, TARGET, fed
from oracle import bits, expected, says

from hingemetrics import (
    BootstrapHingeLoss,
    HingeLoss,
    HingeState,
    MulticlassMode,
    RunningHingeLoss,
    hinge_loss,
)


class TestConstruction:
    def test_signature(self):
        parameters = list(inspect.signature(HingeLoss).parameters.values())
        assert [(p.name, p.default) for p in parameters[:4]] == [
            ("squared", False),
            ("multiclass_mode", None),
            ("compute_on_step", None),
            ("ignore_index", None),
        ]
        kinds = [p.kind for p in parameters[3:]]
        assert kinds == [inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD]

    def test_positional(self):
        metric = HingeLoss(True, "one-vs-all")
        metric.update(ROWS, CLASSES)
        assert bits(metric.compute()) == bits(expected(ROWS, CLASSES, True, "one-vs-all"))

    @pytest.mark.parametrize("flag", [True, False])
    def test_compute_on_step_does_nothing_but_warn(self, flag):
        with pytest.warns(DeprecationWarning, match="compute_on_step"):
            metric = HingeLoss(compute_on_step=flag)
        assert metric(PREDS, TARGET) == hinge_loss(PREDS, TARGET)
        assert metric.compute() == hinge_loss(PREDS, TARGET)

    @pytest.mark.parametrize(
        ("option", "good"),
        [
            ("compute_on_cpu", [False, True]),
            ("dist_sync_on_step", [False, True]),
            ("sync_on_compute", [False, True]),
            ("process_group", [None]),
            ("dist_sync_fn", [None, max]),
        ],
    )
    def test_options(self, option, good):
        for value in good:
            HingeLoss(**{option: value})
        for bad in ("yes", 1, 0.5, [True], object()):
            with pytest.raises(TypeError, match=says(option)):
                HingeLoss(**{option: bad})

    @pytest.mark.parametrize("option", ["reduction", "sample_weight", "num_classes", "Squared"])
    def test_unknown_option(self, option):
        with pytest.raises(TypeError, match=says(option)):
            HingeLoss(**{option: None})

    def test_constants(self):
        for thing in (HingeLoss, HingeLoss()):
            assert thing.higher_is_better is False
            assert thing.is_differentiable is True

    @pytest.mark.parametrize("name", ["higher_is_better", "is_differentiable"])
    @pytest.mark.parametrize(
        "metric", [HingeLoss(), RunningHingeLoss(2), BootstrapHingeLoss()], ids=repr
    )
    def test_constants_of_an_instance(self, metric, name):
        before = getattr(metric, name)
        with pytest.raises(AttributeError, match=f"{name} is a constant"):
            setattr(metric, name, not before)
        with pytest.raises(AttributeError):
            delattr(metric, name)
        assert getattr(metric, name) is before

    def test_constants_of_a_subclass(self):
        class Higher(HingeLoss):
            higher_is_better = True

        assert (Higher().higher_is_better, HingeLoss().higher_is_better) == (True, False)


class TestUpdateAndCompute:
    @pytest.mark.parametrize("case", forms(64), ids=name)
    def test_accumulates(self, case):
        metric = case.metric()
        for stop in range(8, 65, 8):
            case.rows(slice(stop - 8, stop)).feed(metric)
            so_far = case.rows(slice(stop))
            assert bits(metric.compute()) == bits(so_far.expected())
            assert bits(metric.compute()) == bits(so_far.expected())

    def test_weighted_and_unweighted_updates_mix(self):
        metric = fed()
        metric.update(PREDS, TARGET, [0.1, 2.0, 0.3])
        metric.update(PREDS, TARGET, sample_weight=[5, 0, 1])
        weight = [1, 1, 1, 0.1, 2.0, 0.3, 5, 0, 1]
        value = expected(PREDS * 3, TARGET * 3, sample_weight=weight)
        assert bits(metric.compute()) == bits(value)

    def test_ignore_index(self):
        metric = HingeLoss(ignore_index=-1)
        metric.update([*PREDS, np.nan], [*TARGET, -1])
        assert metric.compute() == hinge_loss(PREDS, TARGET)
        assert metric.state.count == 3

    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    def test_compute_before_update_warns(self, mode):
        metric = HingeLoss(multiclass_mode=mode)
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(metric.compute()).all()
        metric.update(ROWS, CLASSES)
        metric.reset()
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(metric.compute()).all()

    def test_all_zero_weight_warns(self):
        metric = HingeLoss()
        metric.update(PREDS, TARGET, [0, 0, 0])
        with pytest.warns(UserWarning, match="weight"):
            assert np.isnan(metric.compute())
        metric.update(PREDS, TARGET)
        assert bits(metric.compute()) == bits(hinge_loss(PREDS, TARGET))

    def test_types(self):
        metric = fed()
        assert type(metric.compute()) is float
        metric = HingeLoss(multiclass_mode="one-vs-all")
        metric.update(ROWS, CLASSES)
        assert (metric.compute().dtype, metric.compute().shape) == (np.float64, (3,))

    def test_result_may_be_mutated(self):
        metric = HingeLoss(multiclass_mode="one-vs-all")
        value = expected(ROWS, CLASSES, mode="one-vs-all")
        for result in (metric.forward(ROWS, CLASSES), metric.compute(), metric.state.value()):
            result[:] = -7
            assert bits(metric.compute()) == bits(value)
            assert bits(metric.state.value()) == bits(value)

    def test_inputs_may_be_mutated_afterwards(self):
        preds, target, weight = np.array(PREDS), np.array(TARGET), np.ones(3)
        metric = HingeLoss()
        metric.update(preds, target, weight)
        preds[:], target[:], weight[:] = 9, 0, 5
        assert metric.compute() == hinge_loss(PREDS, TARGET)

    def test_no_stale_value(self):
        metric, other = fed(), HingeLoss()
        other.update([0.0], [1])
        before, saved = metric.compute(), other.state_dict()

        metric.update([-5.0], [1])
        assert metric.compute() == expected([*PREDS, -5.0], [*TARGET, 1]) != before
        metric.merge_state(other)
        assert metric.compute() == expected([*PREDS, -5.0, 0.0], [*TARGET, 1, 1])
        metric.load_state_dict(saved)
        assert metric.compute() == 1.0
        metric([0.5], [1])
        assert metric.compute() == 0.75
        metric.reset()
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(metric.compute())
        metric.update(PREDS, TARGET)
        assert metric.compute() == before

    def test_reset(self):
        metric = fed(True)
        metric.reset()
        assert metric.state == HingeState(squared=True)
        assert (metric.update_called, metric.update_count) == (False, 0)

    def test_update_count(self):
        metric = HingeLoss()
        assert (metric.update_called, metric.update_count) == (False, 0)
        metric.update(PREDS, TARGET)
        metric(PREDS, TARGET)
        metric.forward(PREDS, TARGET)
        assert (metric.update_called, metric.update_count) == (True, 3)

    @pytest.mark.parametrize("case", forms(20), ids=name)
    def test_an_empty_batch_changes_nothing(self, case):
        metric = case.feed(case.metric())
        case.rows(slice(0)).feed(metric)
        with pytest.warns(UserWarning, match="."):
            assert np.isnan(metric(*([case.preds[:0], case.target[:0]]))).all()
        assert metric.state == case.state()
        assert bits(metric.compute()) == bits(case.loss())

    def test_empty_lists_are_no_update(self):
        metric = HingeLoss()
        metric.update([], [])
        assert (metric.update_called, metric.update_count) == (False, 0)
        with pytest.warns(UserWarning, match="NaN"):
            metric.forward([], [])
        assert (metric.update_called, metric.update_count) == (False, 0)

    def test_an_empty_batch_has_classes(self):
        """Its one-vs-all value has as many entries as it has columns."""
        metric = HingeLoss(multiclass_mode="one-vs-all")
        with pytest.warns(UserWarning, match="NaN"):
            found = metric(np.zeros((0, 3)), np.zeros(0, int))
        assert bits(found) == bits(np.full(3, np.nan))
        assert metric.state == HingeState(False, "one-vs-all")


class Watched:
    """An array that counts how often it is asked for its data."""

    def __init__(self, data):
        self.data, self.reads = np.asarray(data), 0

    def __array__(self, dtype=None, copy=None):
        self.reads += 1
        return self.data if dtype is None else self.data.astype(dtype)


class TestForward:
    @pytest.mark.parametrize("case", forms(40), ids=name)
    @pytest.mark.parametrize("entry", ["forward", "__call__"])
    def test_value_of_the_batch_and_accumulates(self, case, entry):
        metric = case.metric()
        for start in range(0, 40, 10):
            batch = case.rows(slice(start, start + 10))
            value = getattr(metric, entry)(batch.preds, batch.target, batch.weight)
            assert bits(value) == bits(batch.expected())
            assert bits(metric.compute()) == bits(case.rows(slice(start + 10)).expected())

    @pytest.mark.parametrize(("kind", "more"), [(HingeLoss, ()), (RunningHingeLoss, (2,))])
    def test_a_subclass_without_weights(self, kind, more):
        """Its `forward` is called with what the caller gave, and nothing else."""

        class Plain(kind):
            def forward(self, preds, target):
                return 2.0 * super().forward(preds, target)

        metric = Plain(*more)
        assert metric(PREDS, TARGET) == 2.0 * hinge_loss(PREDS, TARGET)
        with pytest.raises(TypeError, match="argument"):
            metric(PREDS, TARGET, [1.0, 1.0, 1.0])
        assert metric.compute() == hinge_loss(PREDS, TARGET)

    @pytest.mark.parametrize("entry", ["update", "forward", "__call__"])
    def test_touches_the_data_once(self, entry):
        batch = Watched(ROWS), Watched(CLASSES), Watched([0.5, 2.0, 1.0])
        metric = HingeLoss()
        getattr(metric, entry)(*batch)
        assert [argument.reads for argument in batch] == [1, 1, 1]
        assert metric.compute() == expected(ROWS, CLASSES, sample_weight=[0.5, 2.0, 1.0])


class TestMerge:
    @pytest.mark.parametrize("what", ["metric", "state"])
    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_merges(self, case, what):
        one, other = (case.rows(slice(k, None, 2)) for k in range(2))
        metric, more = one.feed(one.metric()), other.feed(other.metric())
        metric.merge_state(more if what == "metric" else more.state)
        assert bits(metric.compute()) == bits(case.expected())
        assert more.state == other.state(), "the other stays as it was"

    def test_into_a_fresh_metric(self):
        metric = HingeLoss()
        metric.merge_state(fed())
        assert metric.compute() == hinge_loss(PREDS, TARGET)
        metric.merge_state(HingeLoss())
        assert metric.compute() == hinge_loss(PREDS, TARGET)

    def test_with_itself(self):
        metric = fed()
        metric.merge_state(metric)
        assert metric.state.count == 6
        assert metric.compute() == hinge_loss(PREDS, TARGET)

    @pytest.mark.parametrize("seen", [True, False])
    @pytest.mark.parametrize(
        ("one", "other", "word"),
        [
            ({}, {"squared": True}, "squared"),
            ({"squared": True}, {}, "squared"),
            ({}, {"multiclass_mode": "one-vs-all"}, "multiclass_mode"),
            ({"multiclass_mode": "one-vs-all"}, {"multiclass_mode": None}, "multiclass_mode"),
            ({}, {"ignore_index": 0}, "ignore_index"),
            ({"ignore_index": -1}, {"ignore_index": -2}, "ignore_index"),
        ],
    )
    def test_compares_the_whole_configuration(self, one, other, word, seen):
        a, b = (fed if seen else HingeLoss)(**one), (fed if seen else HingeLoss)(**other)
        before = a.state.to_bytes()
        with pytest.raises(ValueError, match=says(word)):
            a.merge_state(b)
        if word != "ignore_index":  # which a state does not know
            with pytest.raises(ValueError, match=says(word)):
                a.merge_state(b.state)
        assert a.state.to_bytes() == before

    def test_same_configuration_in_other_words(self):
        metric = fed()
        metric.merge_state(fed(multiclass_mode="CRAMMER_SINGER"))
        metric.merge_state(fed(multiclass_mode=MulticlassMode.CRAMMER_SINGER))
        assert metric.state.count == 9

    @pytest.mark.parametrize("other", [None, 3, "state", b"", [], {}, HingeLoss, HingeState])
    def test_wrong_kind(self, other):
        with pytest.raises(TypeError):
            fed().merge_state(other)


class TestState:
    def test_is_a_snapshot(self):
        metric = fed()
        state = metric.state
        assert isinstance(state, HingeState)
        metric.update(PREDS, TARGET)
        assert (state.count, metric.state.count) == (3, 6)

    def test_cannot_be_assigned(self):
        with pytest.raises(AttributeError):
            fed().state = HingeState()


class TestObject:
    def test_equality_and_hash_are_identity(self):
        one, other = fed(), fed()
        assert one == one
        assert one != other
        assert len({one, other, one}) == 2
        before = hash(one)
        one.update(PREDS, TARGET)
        assert hash(one) == before

    def test_not_iterable(self):
        with pytest.raises(TypeError, match="iter"):
            iter(fed())
        with pytest.raises(TypeError):
            list(fed())
        with pytest.raises(TypeError):
            bool(0.3 in fed())

    @pytest.mark.parametrize(
        ("metric", "parts"),
        [
            (HingeLoss(), ["HingeLoss("]),
            (HingeLoss(True), ["HingeLoss(", "squared=True"]),
            (HingeLoss(multiclass_mode="ONE_VS_ALL"), ["HingeLoss(", "one-vs-all"]),
            (HingeLoss(ignore_index=-1), ["HingeLoss(", "ignore_index=-1"]),
        ],
    )
    def test_repr(self, metric, parts):
        assert all(part in repr(metric) for part in parts)
        assert "\n" not in repr(metric)


def test_no_warning_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric = HingeLoss(sync_on_compute=True, compute_on_cpu=True)
        metric(PREDS, TARGET)
        metric.update(PREDS, TARGET, [0.0, 0.0, 1.0])
        metric.compute()
