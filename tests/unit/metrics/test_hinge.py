"""`HingeLoss`: what it does beside counting, as the classic torchmetrics class does it."""

import copy
import inspect
import json
import operator
import pickle
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np
import pytest
from cases import Case, forms, name
from oracle import bits, expected, says

from hingemetrics import (
    BootstrapHingeLoss,
    HingeLoss,
    HingeState,
    MulticlassMode,
    RunningHingeLoss,
    hinge_loss,
)

PREDS, TARGET = [-2.2, 2.4, 0.1], [0, 1, 1]
ROWS, CLASSES = [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]], [0, 1, 2]


def fed(*arguments, **configuration):
    """A metric that has seen the binary example."""
    metric = HingeLoss(*arguments, **configuration)
    metric.update(PREDS, TARGET)
    return metric


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


CONFIGURATIONS = (
    {},
    {"squared": True},
    {"multiclass_mode": "one-vs-all"},
    {"multiclass_mode": "one_vs_all", "ignore_index": -1},
    {"ignore_index": np.int64(-100), "squared": True},
)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
class TestCopies:
    COPIES = (
        HingeLoss.clone,
        copy.copy,
        copy.deepcopy,
        *(lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in range(2, 6)),
    )

    @pytest.fixture
    def metric(self, configuration):
        metric = HingeLoss(**configuration)
        metric.update(ROWS, CLASSES)
        metric.update(ROWS, CLASSES, [0.1, 0.2, 0.3])
        return metric

    @pytest.mark.parametrize("duplicate", COPIES)
    def test_equal_but_independent(self, metric, duplicate):
        value, twin = bits(metric.compute()), duplicate(metric)
        assert twin is not metric
        assert type(twin) is HingeLoss
        assert twin.state_dict() == metric.state_dict()
        assert (twin.update_count, bits(twin.compute())) == (2, value)

        twin.update(ROWS, CLASSES)
        assert (twin.state.count, metric.state.count) == (9, 6)
        metric.reset()
        assert (twin.state.count, metric.state.count) == (9, 0)
        twin.merge_state(metric)  # of the same configuration still

    @pytest.mark.parametrize("duplicate", COPIES)
    def test_configuration_comes_along(self, configuration, duplicate):
        twin = duplicate(HingeLoss(**configuration))
        ignored = configuration.get("ignore_index", 0)
        target = [0, ignored, 2]
        assert bits(twin(ROWS, target)) == bits(hinge_loss(ROWS, target, **configuration))

    def test_state_dict_round_trip(self, metric, configuration):
        text = json.dumps(metric.state_dict(), allow_nan=False)
        other = HingeLoss(**configuration)
        other.load_state_dict(json.loads(text))
        assert other.state.to_bytes() == metric.state.to_bytes()
        assert bits(other.compute()) == bits(metric.compute())
        assert other.update_count == 2
        assert other.state_dict() == metric.state_dict()


class Noting(HingeLoss):
    """A metric with something of its own."""

    def __init__(self, *arguments, **configuration):
        super().__init__(*arguments, **configuration)
        self.notes = {"seen": []}


@pytest.mark.parametrize("duplicate", [HingeLoss.clone, copy.deepcopy])
class TestSubclass:
    def test_its_own_attributes_are_copied(self, duplicate):
        metric = Noting()
        metric.notes["seen"].append(1)
        twin = duplicate(metric)
        assert type(twin) is Noting
        twin.notes["seen"].append(2)
        metric.notes["seen"].append(3)
        assert (metric.notes, twin.notes) == ({"seen": [1, 3]}, {"seen": [1, 2]})

    def test_what_refers_to_itself_refers_to_the_copy(self, duplicate):
        metric = Noting()
        metric.notes["seen"].append(metric)
        twin = duplicate(metric)
        assert twin.notes["seen"][0] is twin

    def test_the_group_is_shared(self, duplicate):
        """Its ranks are threads or processes that cannot be copied."""
        group = Rank(World(1), 0)
        metric = Noting(process_group=group, dist_sync_fn=None)
        metric.update(PREDS, TARGET)
        metric.notes["group"] = group
        twin = duplicate(metric)
        assert twin.notes["group"] is group
        twin.update(PREDS, TARGET)
        assert twin.compute() == metric.compute() == hinge_loss(PREDS, TARGET)
        assert group.calls == 2

    def test_the_function_is_shared(self, duplicate):
        sync = gathered([HingeState()])
        twin = duplicate(Noting(dist_sync_fn=sync))
        twin.update(PREDS, TARGET)
        twin.compute()
        assert len(sync.calls) == 1


class TestStateDict:
    def test_fields(self):
        metric = fed(True, "ONE_VS_ALL", ignore_index=-1)
        saved = metric.state_dict()
        assert saved.keys() == {
            "version",
            "squared",
            "multiclass_mode",
            "ignore_index",
            "update_count",
            "state",
        }
        assert saved["squared"] is True
        assert saved["multiclass_mode"] == "one-vs-all"
        assert (saved["ignore_index"], saved["update_count"]) == (-1, 1)
        assert bytes.fromhex(saved["state"]) == metric.state.to_bytes()

    def test_is_a_copy(self):
        metric = fed()
        metric.state_dict().clear()
        saved = metric.state_dict()
        metric.update(PREDS, TARGET)
        metric.load_state_dict(saved)
        assert metric.state.count == 3

    @pytest.mark.parametrize("seen", [True, False])
    def test_before_any_update(self, seen):
        metric = (fed if seen else HingeLoss)()
        metric.load_state_dict(HingeLoss().state_dict())
        assert metric.state == HingeState()
        assert (metric.update_called, metric.update_count) == (False, 0)

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("version", [None, "1", -1, 10**6, True, 1.5]),
            ("squared", [None, "False", 0, 1, True]),
            ("multiclass_mode", [None, 3, "ovr", "one-vs-all", []]),
            ("ignore_index", [0, -100, "-1", 1.0, False]),
            ("update_count", [None, -1, 0, 1.0, "1", True, 2**128, 10**5000, -(10**5000)]),
            ("state", [None, 0, "", "zz", "0", b"", [], "00" * 40]),
        ],
    )
    def test_wrong_value(self, field, values):
        for bad in values:
            self.refused(fed(), {**fed().state_dict(), field: bad}, field)

    def test_no_more_updates_than_can_be_loaded(self):
        """Whatever a metric comes to count, its state_dict is JSON and can be loaded again."""
        metric, most = fed(), 2**128 - 1
        metric.load_state_dict({**metric.state_dict(), "update_count": most})
        saved = metric.state_dict()
        assert json.loads(json.dumps(saved)) == saved
        for add in (
            lambda: metric.update(PREDS, TARGET),
            lambda: metric(PREDS, TARGET),
            lambda: metric.merge_state(metric.state),
            lambda: metric.merge_state(fed()),
            lambda: metric.merge_state(metric),
        ):
            with pytest.raises(ValueError, match=r"fewer than 2\*\*128 updates, got"):
                add()
        metric.merge_state(HingeLoss())
        assert metric.state_dict() == saved

    @pytest.mark.parametrize("field", sorted(HingeLoss().state_dict()))
    def test_missing(self, field):
        saved = fed().state_dict()
        del saved[field]
        self.refused(fed(), saved, field)

    @pytest.mark.parametrize("field", ["preds", "State", "_state", ""])
    def test_unknown(self, field):
        self.refused(fed(), {**fed().state_dict(), field: 1}, repr(field))

    @pytest.mark.parametrize("bad", [None, [], "state", 3, fed, HingeState(), {1, 2}])
    def test_not_a_dictionary(self, bad):
        self.refused(fed(), bad, "state_dict")

    def test_corrupt_state(self):
        saved = fed().state_dict()
        for k, digit in enumerate(saved["state"]):
            text = saved["state"]
            other = text[:k] + ("1" if digit == "0" else "0") + text[k + 1 :]
            self.refused(fed(), {**saved, "state": other}, "state")
            self.refused(fed(), {**saved, "state": text[:k]}, "state")

    def test_state_of_another_configuration(self):
        for other in (fed(True), fed(multiclass_mode="one-vs-all")):
            saved = {**fed().state_dict(), "state": other.state.to_bytes().hex()}
            self.refused(fed(), saved, "squared|multiclass_mode")
            self.refused(fed(), other.state_dict(), "squared|multiclass_mode")

    def refused(self, metric, saved, *words):
        before = metric.state_dict()
        with pytest.raises((ValueError, TypeError), match="".join(f"(?=.*{w})" for w in words)):
            metric.load_state_dict(saved)
        assert metric.state_dict() == before


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


class World:
    """Ranks, each in its thread; their allreduce is mpi4py's: pickled, then added in rank order."""

    def __init__(self, size):
        self.size, self.slots = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=20)

    def run(self, work):
        """`work(rank, group)` on every rank; the list of what they return."""
        with ThreadPoolExecutor(self.size) as pool:
            futures = [pool.submit(work, rank, Rank(self, rank)) for rank in range(self.size)]
            return [future.result() for future in futures]


class Rank:
    def __init__(self, world, rank):
        self.world, self.rank, self.calls = world, rank, 0

    def allreduce(self, obj):
        self.calls += 1
        self.world.slots[self.rank] = pickle.dumps(obj)
        self.world.barrier.wait()
        received = [pickle.loads(slot) for slot in self.world.slots]
        self.world.barrier.wait()
        return reduce(operator.add, received)


def gathered(states):
    """A `dist_sync_fn` that adds the states of other ranks, and remembers its calls."""

    def sync(state, group):
        sync.calls.append((state, group))
        return reduce(operator.add, states, state)

    sync.calls = []
    return sync


class TestRanks:
    @pytest.mark.parametrize("case", forms(90), ids=name)
    def test_compute_is_over_all_ranks(self, case):
        def work(rank, group):
            part = case.rows(slice(rank, None, 3))
            metric = HingeLoss(case.squared, case.mode, process_group=group)
            part.feed(metric)
            values = [bits(metric.compute())]
            part.feed(metric)
            values.append(bits(metric.compute()))
            assert metric.state == part.state() + part.state(), "the local state stays local"
            return values

        value = bits(case.expected())
        assert World(3).run(work) == [[value, value]] * 3

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_a_rank_without_data(self):
        def work(rank, group):
            metric = HingeLoss(multiclass_mode="one-vs-all", process_group=group)
            if rank == 1:
                metric.update(ROWS, CLASSES)
            value = metric.compute()
            assert metric.state.count == 3 * (rank == 1)
            return bits(value)

        value = bits(expected(ROWS, CLASSES, mode="one-vs-all"))
        assert World(3).run(work) == [value] * 3

    def test_forward_is_local_unless_told(self):
        def work(rank, group):
            preds, target = [0.5 - rank], [1]
            local = HingeLoss(process_group=group)
            everywhere = HingeLoss(process_group=group, dist_sync_on_step=True)
            values = [local(preds, target), everywhere(preds, target), everywhere(preds, target)]
            assert everywhere.state.count == 2, "only its own rows are accumulated"
            return [*values, everywhere.compute()]

        assert World(2).run(work) == [[0.5, 1.0, 1.0, 1.0], [1.5, 1.0, 1.0, 1.0]]

    def test_sync_on_compute_off(self):
        def work(rank, group):
            metric = HingeLoss(process_group=group, sync_on_compute=False)
            metric.update([0.5 - rank], [1])
            return metric.compute(), group.calls

        assert World(2).run(work) == [(0.5, 0), (1.5, 0)]

    def test_sync_context(self):
        def work(rank, group):
            metric = HingeLoss(process_group=group)
            metric.update([0.5 - rank], [1])
            with metric.sync_context():
                synced = metric.compute(), metric.state.count
            return *synced, metric.state.count

        assert World(2).run(work) == [(1.0, 2, 1)] * 2


class TestSync:
    """With a `dist_sync_fn` instead of other ranks."""

    OTHER = Case(np.array([-3.0, 0.25]), np.array([1, 1])).state()

    @pytest.fixture
    def metric(self):
        return fed(process_group=Rank(World(1), 0), dist_sync_fn=gathered([self.OTHER]))

    @pytest.fixture
    def everywhere(self, metric):
        return (metric.state + self.OTHER).value()

    def test_compute(self, metric, everywhere):
        local = metric.state
        assert metric.compute() == everywhere != local.value()
        assert metric.state == local

    def test_called_with_state_and_group(self):
        group, fn = Rank(World(1), 0), gathered([self.OTHER])
        metric = fed(process_group=group, dist_sync_fn=fn)
        metric.compute()
        assert fn.calls == [(metric.state, group)]
        assert group.calls == 0

    def test_without_a_group(self):
        """A function may know its group by itself."""
        metric = fed(dist_sync_fn=gathered([self.OTHER]))
        assert metric.compute() == (metric.state + self.OTHER).value()

    @pytest.mark.parametrize("merged", [None, 0.3, b"", HingeState(True), HingeLoss])
    def test_has_to_return_a_state(self, merged):
        metric = fed(process_group=Rank(World(1), 0), dist_sync_fn=lambda state, group: merged)
        before = metric.state
        for ask in (metric.compute, metric.sync):
            with pytest.raises((TypeError, ValueError)):
                ask()
        assert metric.state == before
        metric.update(PREDS, TARGET)  # it is not left synced

    def test_sync_and_unsync(self, metric, everywhere):
        local = metric.state
        metric.sync()
        assert metric.state == local + self.OTHER
        assert metric.compute() == everywhere, "synced once, not again"
        metric.unsync()
        assert metric.state == local
        assert metric.compute() == everywhere
        metric.update(PREDS, TARGET)
        assert metric.state == local + local

    def test_arguments_of_sync(self):
        metric, group, fn = fed(), Rank(World(1), 0), gathered([self.OTHER])
        metric.sync(dist_sync_fn=fn, process_group=group)
        assert fn.calls == [(fed().state, group)]
        assert metric.compute() == (fed().state + self.OTHER).value()
        metric.unsync()
        assert metric.compute() == fed().compute()

    def test_should_not_sync(self, metric):
        local = metric.state
        metric.sync(should_sync=False)
        assert metric.state == local
        metric.update(PREDS, TARGET)
        with metric.sync_context(should_sync=False):
            assert metric.state == local + local
        assert metric.state == local + local

    def test_should_not_unsync(self, metric):
        local = metric.state
        metric.sync()
        metric.unsync(should_unsync=False)
        assert metric.state == local + self.OTHER
        metric.unsync()
        with metric.sync_context(should_unsync=False):
            pass
        assert metric.state == local + self.OTHER
        metric.unsync()
        assert metric.state == local

    def test_synced_metrics_do_not_change(self, metric):
        saved = metric.state_dict()
        metric.sync()
        for change in (
            lambda: metric.update(PREDS, TARGET),
            lambda: metric.forward(PREDS, TARGET),
            lambda: metric(PREDS, TARGET),
            lambda: metric.merge_state(fed()),
            lambda: metric.load_state_dict(saved),
            metric.sync,
        ):
            with pytest.raises(RuntimeError, match="sync"):
                change()
        assert metric.state.count == 5
        metric.unsync()
        assert metric.state_dict() == saved

    def test_a_checkpoint_is_what_is_shown(self, metric, everywhere):
        """Inside `sync_context` that is the total, and copies are the same."""
        before = metric.state_dict()
        with metric.sync_context():
            saved = metric.state_dict()
            assert metric.clone().state_dict() == saved
            assert pickle.loads(pickle.dumps(fed())).state_dict() == before
            total = metric.state
        assert HingeState.from_bytes(bytes.fromhex(saved["state"])) == total
        assert metric.state_dict() == before
        resumed = HingeLoss()
        resumed.load_state_dict(json.loads(json.dumps(saved)))
        assert (resumed.compute(), resumed.state, resumed.update_count) == (everywhere, total, 1)

    def test_a_total_on_each_rank_counts_as_often(self):
        """As load_state_dict says."""
        metric = HingeLoss(dist_sync_fn=lambda state, group: state + state + state)
        metric.update(PREDS, TARGET)
        with metric.sync_context():
            saved = metric.state_dict()
        metric.load_state_dict(saved)
        metric.sync()
        assert metric.state.count == 3 * 3 * 3

    def test_a_checkpoint_of_a_rank_without_data(self):
        """Others have seen something, so there was an update, and it can be loaded."""
        metric = HingeLoss(dist_sync_fn=gathered([self.OTHER]))
        with metric.sync_context():
            saved = metric.state_dict()
        assert saved["update_count"] == 1
        metric.load_state_dict(saved)
        assert metric.state == self.OTHER

    def test_distributed_available(self, metric, everywhere):
        local = metric.state.value()
        for answer, value in ((True, everywhere), (False, local), (1, everywhere), ("", local)):
            asked = []
            available = lambda answer=answer, asked=asked: asked.append(1) or answer  # noqa: E731
            with metric.sync_context(distributed_available=available):
                assert metric.state.value() == value
            assert metric.state.value() == local
            metric.sync(None, None, True, available)
            assert metric.state.value() == value
            metric.unsync(value == everywhere)
            assert len(asked) == 2
            metric.sync(should_sync=False, distributed_available=available)
            assert len(asked) == 2
        with pytest.raises(TypeError, match="distributed_available must be callable, got True"):
            metric.sync(distributed_available=True)
        assert metric.state.value() == local

    @pytest.mark.parametrize("method", [HingeLoss.sync, HingeLoss.sync_context])
    def test_the_classic_arguments(self, method):
        names = ["self", "dist_sync_fn", "process_group", "should_sync"]
        names += ["should_unsync"] * (method is HingeLoss.sync_context)
        assert list(inspect.signature(method).parameters) == [*names, "distributed_available"]

    def test_unsync_when_not_synced(self, metric):
        with pytest.raises(RuntimeError, match="sync"):
            metric.unsync()

    def test_context_restores_on_exceptions(self, metric):
        local = metric.state
        with pytest.raises(KeyError), metric.sync_context():
            raise KeyError
        assert metric.state == local
        metric.update(PREDS, TARGET)

    def test_a_failing_group_leaves_the_metric_alone(self):
        class Broken:
            def allreduce(self, obj):
                raise ConnectionError

        metric = fed(process_group=Broken(), dist_sync_on_step=True)
        before = metric.state_dict()
        for ask in (metric.compute, metric.sync):
            with pytest.raises(ConnectionError):
                ask()
        with pytest.raises(ConnectionError):
            metric(PREDS, TARGET)
        assert metric.state_dict() == before
        metric.update(PREDS, TARGET)
        assert metric.state.count == 6

    @pytest.mark.parametrize("change", ["update", "forward", "reset", "merge"])
    def test_changes_while_it_syncs_are_noticed(self, change):
        def sync(state, group):
            changes[change]()
            return state + self.OTHER

        metric = fed()
        changes = {
            "update": lambda: metric.update([0.5], [1]),
            "forward": lambda: metric([0.5], [1]),
            "merge": lambda: metric.merge_state(self.OTHER),
            "reset": metric.reset,
        }
        with pytest.raises(RuntimeError, match="synced"):
            metric.sync(dist_sync_fn=sync)
        count = {"update": 4, "forward": 4, "merge": 5, "reset": 0}[change]
        assert metric.state.count == count, "neither lost nor undone"
        metric.update(PREDS, TARGET)  # it is not left synced
        assert metric.state.count == count + 3

    def test_a_context_that_syncs_nothing_leaves_the_outer_one(self, metric):
        local = metric.state
        with metric.sync_context():
            with metric.sync_context(should_sync=False):
                assert metric.state == local + self.OTHER
            assert metric.state == local + self.OTHER
            with pytest.raises(RuntimeError, match="sync"):
                metric.update(PREDS, TARGET)
        assert metric.state == local
        metric.update(PREDS, TARGET)

    def test_unsync_inside_a_context(self, metric):
        local = metric.state
        with metric.sync_context():
            metric.unsync()
            metric.update(PREDS, TARGET)
        assert metric.state == local + local, "the update is not undone"

    @pytest.mark.parametrize("more", [False, True])
    def test_reset_inside_a_context(self, metric, more):
        with metric.sync_context():
            metric.reset()
            if more:
                metric.update([0.5], [1])
        assert metric.state.count == metric.update_count == more

    def test_another_sync_inside_a_context(self, metric):
        local = metric.state
        with metric.sync_context():
            metric.unsync()
            metric.sync(dist_sync_fn=gathered([]))
        assert metric.state == local
        with pytest.raises(RuntimeError, match="sync"):
            metric.update(PREDS, TARGET)
        metric.unsync()

    def test_forward_while_synced_asks_no_rank(self):
        """Other ranks may not be there to answer."""
        group = Rank(World(1), 0)
        metric = fed(process_group=group, dist_sync_on_step=True)
        metric.sync()
        assert group.calls == 1
        for change in (metric.forward, metric, metric.update):
            with pytest.raises(RuntimeError, match="sync"):
                change(PREDS, TARGET)
        with pytest.raises(RuntimeError, match="sync"):
            metric.sync()
        assert group.calls == 1

    def test_no_group_no_sync(self):
        metric = fed()
        with metric.sync_context():
            assert metric.compute() == hinge_loss(PREDS, TARGET)
        metric.update(PREDS, TARGET)
        assert metric.state.count == 6


def test_no_warning_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric = HingeLoss(sync_on_compute=True, compute_on_cpu=True)
        metric(PREDS, TARGET)
        metric.update(PREDS, TARGET, [0.0, 0.0, 1.0])
        metric.compute()


SIGNALS = """
import signal, sys
import numpy as np
import hingemetrics as h

h.set_backend(sys.argv[1])
h.set_num_threads(int(sys.argv[2]))
metric, handled = h.HingeLoss(), 0
preds, target = np.full(3_000_000, 0.5), np.ones(3_000_000, np.int32)


def handle(*_):
    global handled
    handled += 1
    assert h.hinge_loss([0.5], [1]) == 0.5
    if sys.argv[3] == "reset":
        metric.reset()
    metric.update([0.25], [1])
    metric.compute()
    signal.setitimer(signal.ITIMER_REAL, 1e-3)


signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 1e-3)
while handled < 10:
    metric.update(preds, target)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(0.5 <= metric.compute() <= 0.75)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["update", "reset"])
def test_a_signal_handler_may_use_the_metric_it_interrupts(python, backend, threads, what):
    run = python("-c", SIGNALS, backend, threads, what)
    assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")


FORKS = """
import os, sys, threading
import numpy as np
import hingemetrics as h
from hingemetrics.metrics import hinge as room

h.set_backend(sys.argv[1])
metric = h.HingeLoss()
metric.update([0.5], [1])
inside, done = threading.Event(), threading.Event()


class Slow:
    def __array__(self, dtype=None, copy=None):
        inside.set()
        done.wait()
        return np.full(3, 0.5)


def stores():
    with room._lock:
        inside.set()
        done.wait()


def runs():
    preds, target = np.full(1_000_000, 0.5), np.ones(1_000_000, int)
    while not done.is_set():
        h.HingeLoss().update(preds, target)
        metric.merge_state(h.HingeState())
        inside.set()


def reads():
    metric.update(Slow(), [1, 1, 1])


thread = threading.Thread(target={"reads": reads, "stores": stores, "runs": runs}[sys.argv[2]])
thread.start()
inside.wait()
statuses = set()
for _ in range(5):
    child = os.fork()
    if not child:
        ok = metric.state.count == 1
        metric.update([0.5, 0.5], [1, 1])
        ok &= metric.state.count == 3
        metric.reset()
        metric.update([0.5, 0.5], [1, 1])
        os._exit(0 if ok and metric.compute() == 0.5 and metric.state.count == 2 else 1)
    statuses.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
done.set()
thread.join()
print(*statuses, metric.state.count)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.parametrize(("where", "count"), [("reads", 4), ("stores", 1), ("runs", 1)])
def test_fork_while_another_thread_updates(python, backend, where, count):
    """The child has the metric as it was, and none of the parent's locks."""
    run = python("-W", "ignore", "-c", FORKS, backend, where)
    assert (run.stdout, run.stderr) == (f"0 {count}\n", "")
