"""A metric over several ranks: `process_group`, `dist_sync_fn`, `sync` and `unsync`."""

import inspect
import json
import pickle

import numpy as np
import pytest
from cases import Case, forms, name
from metrics import CLASSES, PREDS, ROWS, TARGET, fed
from oracle import bits, expected
from ranks import Rank, World, gathered

from hingemetrics import (
    HingeLoss,
    HingeState,
    hinge_loss,
)


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
