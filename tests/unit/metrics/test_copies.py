"""Copies of a metric: `clone`, `copy`, `pickle` and `state_dict`."""

import copy
import json
import pickle

import numpy as np
import pytest
from metrics import CLASSES, PREDS, ROWS, TARGET, fed
from oracle import bits
from ranks import Rank, World, gathered

from hingemetrics import (
    HingeLoss,
    HingeState,
    hinge_loss,
)

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
