"""Any sequence of operations on metrics and states is the rows they have seen, and nothing else.

The model of a metric is a plain list of rows with labels and weights. After every step each metric
must be what its rows make it: its value by the oracle, its bytes by another order of the rows.
"""

import copy
import json
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from oracle import bits, cells, reduced

from hingemetrics import HingeLoss, HingeState

IGNORED = -7
CLASSES = 3
FORMS = ("binary", "crammer-singer", "one-vs-all")
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.25, 2.0**30, -1e16, 1e300, -1e300, 5e-324, 1e-310]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.floats(-4, 4),
    st.floats(),
)
WEIGHTS = st.one_of(st.sampled_from([0.0, 1.0, 0.1, 5e-324, 1e308]), st.floats(0, 10))


class Model:
    """A metric beside the rows it has seen, and those of the other ranks while it is synced."""

    def __init__(self, metric, rows=(), updates=0, others=None):
        self.metric = metric
        self.rows = list(rows)
        self.updates = updates
        self.others = others

    def like(self, metric):
        """The model of a copy."""
        return Model(metric, self.rows, self.updates, self.others)

    @property
    def all_rows(self):
        """What `state` is of."""
        return self.rows + (self.others or [])


class OtherRanks:
    """A process group whose other ranks have seen a state."""

    def __init__(self, state):
        self.state = state

    def allreduce(self, state):
        return state + self.state


class Machine(RuleBasedStateMachine):
    """Metrics and states of one configuration."""

    metrics = Bundle("metrics")
    states = Bundle("states")  # with their rows

    def __init__(self):
        super().__init__()
        self.models, self.known = [], []

    @initialize(
        form=st.sampled_from(FORMS), squared=st.booleans(), negative=st.sampled_from((0, -1))
    )
    def configure(self, form, squared, negative):
        self.form, self.squared = form, squared
        self.labels = (1, negative) if form == "binary" else tuple(range(CLASSES))

    # The model

    def kept(self, model):
        self.models.append(model)
        return model

    def kept_state(self, state, rows):
        self.known.append((state, rows))
        return state, rows

    def fresh(self):
        mode = None if self.form == "binary" else self.form
        return HingeLoss(self.squared, mode, ignore_index=IGNORED)

    def rows(self, data):
        """A batch, ignored rows included."""
        score = SCORES
        if self.form != "binary":
            score = st.lists(SCORES, min_size=CLASSES, max_size=CLASSES).map(tuple)
        label = st.sampled_from((*self.labels, *self.labels, IGNORED))
        return data.draw(st.lists(st.tuples(score, label, WEIGHTS), max_size=5), label="rows")

    def arrays(self, rows, weighted=True):
        """Rows as arguments."""
        shape = (len(rows),) if self.form == "binary" else (len(rows), CLASSES)
        preds = np.array([row for row, _, _ in rows], float).reshape(shape)
        target = np.array([label for _, label, _ in rows], np.int64)
        return preds, target, np.array([w for _, _, w in rows]) if weighted else None

    def batch(self, data):
        """A batch as arguments, and the rows of it that count."""
        rows = self.rows(data)
        weighted = data.draw(st.booleans(), label="weighted")
        preds, target, weight = self.arrays(rows, weighted)
        if weighted:
            weight[target == IGNORED] = math.nan
        rows = [(row, label, weight if weighted else 1.0) for row, label, weight in rows]
        return (preds, target, weight), [row for row in rows if row[1] != IGNORED]

    def some_row(self):
        return (0.5 if self.form == "binary" else (0.5,) * CLASSES, 1, 1.0)

    def value(self, rows):
        """What the oracle says."""
        table = [
            [w * loss for loss in cells(listed(row), label, self.squared, self.form)]
            for row, label, w in rows
        ]
        weights = [w for _, _, w in rows]
        means = [reduced(column, weights, "mean") for column in zip(*table, strict=True)]
        if not rows:
            return math.nan
        return np.array(means) if self.form == "one-vs-all" else means[0]

    def rebuilt(self, rows):
        """The state of the same rows, the last one first."""
        metric = self.fresh()
        metric.update(*self.arrays(rows[::-1]))
        return metric.state

    def change(self, model, call, rows=None, more=(), updates=0):
        """Change a metric and its model; a synced metric must refuse."""
        if model.others is not None:
            with pytest.raises(RuntimeError, match="unsynced before"):
                call()
            return None
        value = call()
        model.rows = (model.rows if rows is None else list(rows)) + list(more)
        model.updates += updates
        return value

    # The rules

    @rule(target=metrics, data=st.data())
    def new(self, data):
        arrays, rows = self.batch(data)
        metric = self.fresh()
        metric.update(*arrays)
        return self.kept(Model(metric, rows, int(len(arrays[1]) > 0)))

    @rule(model=metrics, data=st.data())
    def update(self, model, data):
        arrays, rows = self.batch(data)
        call = lambda: model.metric.update(*arrays)  # noqa: E731
        self.change(model, call, more=rows, updates=len(arrays[1]) > 0)

    @rule(
        model=metrics, data=st.data(), call=st.sampled_from((HingeLoss.forward, HingeLoss.__call__))
    )
    def forward(self, model, data, call):
        arrays, rows = self.batch(data)
        value = self.change(
            model, lambda: call(model.metric, *arrays), more=rows, updates=len(arrays[1]) > 0
        )
        if model.others is None:
            if self.form == "one-vs-all" and not rows:
                assert bits(value) == bits(np.full(CLASSES, math.nan))
            else:
                assert bits(value) == bits(self.value(rows))

    @rule(model=metrics, other=metrics)
    def merge(self, model, other):
        call = lambda: model.metric.merge_state(other.metric)  # noqa: E731
        if other.others is None:
            self.change(model, call, more=other.rows, updates=other.updates)
        else:
            with pytest.raises(RuntimeError, match="unsynced before"):
                call()

    @rule(model=metrics, known=states)
    def merge_a_state(self, model, known):
        state, rows = known
        self.change(model, lambda: model.metric.merge_state(state), more=rows, updates=1)

    @rule(target=states, model=metrics)
    def state(self, model):
        return self.kept_state(model.metric.state, model.all_rows)

    @rule(target=states, one=states, two=states)
    def add(self, one, two):
        (a, rows), (b, more) = one, two
        assert a + b == b + a
        assert (a + b) - b == a
        assert sum([a, b]) == a + b
        return self.kept_state(a + b, rows + more)

    @rule(target=metrics, model=metrics, taken=st.integers(0, 2**20 - 1))
    def unmerge(self, model, taken):
        """What is left when some rows are taken out, in a metric of its own."""
        whole, rows, parts = model.metric.state, model.all_rows, ([], [])
        for k, row in enumerate(rows):
            parts[taken >> k % 20 & 1].append(row)
        metric = self.fresh()
        metric.merge_state(whole - self.rebuilt(parts[1]))
        with pytest.raises(ValueError, match="never added"):
            whole - self.rebuilt([*rows, *(rows[:1] or [self.some_row()])])
        return self.kept(Model(metric, parts[0], 1))

    @rule(target=states, known=states, cut=st.integers(0))
    def through_bytes(self, known, cut):
        state, rows = known
        data = state.to_bytes()
        with pytest.raises(ValueError, match="the bytes of a HingeState"):
            HingeState.from_bytes(data[: cut % len(data)])
        again = HingeState.from_bytes(data)
        assert (again, hash(again)) == (state, hash(state))
        return self.kept_state(again, rows)

    @rule(model=metrics, other=metrics)
    def through_json(self, model, other):
        saved = json.loads(json.dumps(other.metric.state_dict()))
        self.change(model, lambda: model.metric.load_state_dict(saved), rows=other.all_rows)
        if model.others is None:
            model.updates = other.updates or int(len(other.all_rows) > 0)

    @rule(model=metrics)
    def through_pickle(self, model):
        model.metric = pickle.loads(pickle.dumps(model.metric))

    @rule(
        target=metrics,
        model=metrics,
        duplicate=st.sampled_from((copy.copy, copy.deepcopy, HingeLoss.clone)),
    )
    def duplicate(self, model, duplicate):
        return self.kept(model.like(duplicate(model.metric)))

    @rule(model=metrics)
    def reset(self, model):
        model.metric.reset()
        model.rows, model.updates, model.others = [], 0, None

    @rule(model=metrics, other=metrics)
    def sync_or_unsync(self, model, other):
        group = OtherRanks(other.metric.state)
        if model.others is None:
            with pytest.raises(RuntimeError, match="synced before"):
                model.metric.unsync()
            model.metric.sync(process_group=group)
            model.others = other.all_rows
        else:
            with pytest.raises(RuntimeError, match="unsynced before"):
                model.metric.sync(process_group=group)
            model.metric.unsync()
            model.others = None

    @rule(model=metrics, data=st.data(), forward=st.booleans())
    def bad_update(self, model, data, forward):
        """It raises, and the invariants say that it changed nothing."""
        (preds, target, _), _ = self.batch(data)
        preds = np.concatenate([preds, np.zeros((2, *preds.shape[1:]))])
        target, weight = np.append(target, self.labels[:2]), np.ones(len(preds))
        change = data.draw(st.integers(0, 7), label="what is bad")
        if change == 0:
            target[-1] = 3
        elif change == 1:  # both codings, or no class
            target[-2:] = (0, -1)
        elif change == 2:
            weight[-1] = data.draw(st.sampled_from((-0.5, math.nan, math.inf)))
        elif change == 3:
            weight = weight[1:]
        elif change == 4:
            target = target[1:]
        elif change == 5:
            preds = preds.astype(complex)
        elif change == 6:
            preds = [None] * len(target)
        else:
            target = target + 0.5
        entry = model.metric.forward if forward else model.metric.update
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            entry(preds, target, weight)

    @rule(model=metrics, field=st.sampled_from(("version", "squared", "update_count", "state")))
    def bad_merge_and_load(self, model, field):
        saved = model.metric.state_dict()
        for wrong in (None, -1, "", "00", 10**5000):
            with pytest.raises((TypeError, ValueError)):
                model.metric.load_state_dict({**saved, field: wrong})
        mode = None if self.form == "one-vs-all" else "one-vs-all"
        for other in (HingeState(not self.squared), HingeState(self.squared, mode), None, b""):
            with pytest.raises((TypeError, ValueError, RuntimeError)):
                model.metric.merge_state(other)
        if model.rows:
            wide = HingeLoss(self.squared, None if self.form == "binary" else self.form)
            wide.update(np.zeros((1, CLASSES + 1)), [0])
            with pytest.raises((ValueError, RuntimeError)):
                model.metric.merge_state(wide.state)

    # What always holds

    @invariant()
    def metrics_are_their_rows(self):
        for model in self.models:
            metric, rows = model.metric, model.all_rows
            assert metric.update_count == model.updates
            assert metric.update_called == (model.updates > 0)
            assert metric.state.count == len(rows)
            assert metric.state.to_bytes() == self.rebuilt(rows).to_bytes()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the mean of nothing
                assert bits(metric.compute()) == bits(self.value(rows))
            saved = bytes.fromhex(metric.state_dict()["state"])
            assert saved == metric.clone().state.to_bytes() == self.rebuilt(rows).to_bytes()

    @invariant()
    def states_do_not_change(self):
        for state, rows in self.known:
            assert state.to_bytes() == self.rebuilt(rows).to_bytes()


def listed(row):
    """A row as the oracle takes it."""
    return list(row) if isinstance(row, tuple) else row


@pytest.mark.filterwarnings("ignore:the mean hinge loss is NaN:UserWarning")
def test_any_sequence(backend):
    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=25))
