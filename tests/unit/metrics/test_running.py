"""A window has the bits of its own updates, however long it has been sliding."""

import copy
import pickle
import threading
from collections import deque

import numpy as np
import pytest
from cases import cases, forms, name
from costs import calls
from hypothesis import given
from hypothesis import strategies as st
from injection import heard_points, inject, raiser
from oracle import bits, expected

from hingemetrics import HingeLoss, HingeState, RunningHingeLoss

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # a NaN of no weight says so


def window_of(case, window):
    return RunningHingeLoss(window, case.squared, case.mode)


@given(cases(cells=2000), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_window_alone_counts(backend, case, window, seed):
    """After each update: the state of a metric that has seen nothing else, to the byte."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(case) + 1, 8))
    metric, kept = window_of(case, window), deque(maxlen=window)
    for start, stop in zip([0, *cuts], [*cuts, len(case)], strict=True):
        batch = case.rows(slice(start, stop))
        batch.feed(metric)
        if len(batch):
            kept.append(batch)
        alone = case.metric()
        for seen in kept:
            seen.feed(alone)
        assert metric.state.to_bytes() == alone.state.to_bytes()
        assert metric.update_count == len(kept)
        if kept:
            assert bits(metric.compute()) == bits(alone.compute())


@pytest.mark.slow
def test_a_million_slides():
    """What was huge, infinite or no number leaves nothing behind."""
    rng = np.random.default_rng(0)
    preds, target = rng.normal(size=1000), rng.integers(0, 2, 1000)
    preds[:-7:50] = np.resize([1e300, -1e300, np.inf, -np.inf, np.nan, 1e-300, 2.0**31], 20)
    weight = rng.choice([0.1, 1e200, 3.0], 1000)
    states = []
    for row in range(1000):
        metric = HingeLoss()
        metric.update(preds[[row]], target[[row]], weight[[row]])
        states.append(metric.state)
    metric = RunningHingeLoss(7)
    for _ in range(1000):
        for state in states:
            metric.merge_state(state)
    value = expected(preds[-7:], target[-7:], sample_weight=weight[-7:])
    assert bits(metric.compute()) == bits(value)
    assert metric.state.to_bytes() == sum(states[-7:], HingeState()).to_bytes()


def test_any_window_costs_the_same(set_backend):
    set_backend("numpy")  # lest the kernels take over in between
    costs = []
    for window in (10, 10, 1000):  # the first time costs more
        metric = RunningHingeLoss(window)
        for _ in range(2 * window):
            metric.update([0.5, -0.25], [1, 0])
        costs.append((calls(lambda m=metric: m.update([0.25], [1])), calls(metric.compute)))
    assert costs[1] == costs[2]


@pytest.mark.parametrize("case", forms(30), ids=name)
def test_forward_is_the_loss_of_the_batch(backend, case):
    metric = window_of(case, 2)
    for start in range(0, 30, 10):
        batch = case.rows(slice(start, start + 10))
        got = metric(batch.preds, batch.target, batch.weight)
        assert bits(got) == bits(batch.expected())
    assert metric.state == case.rows(slice(10, 30)).state()


def test_states_are_updates(backend):
    case = forms(30)[0]
    metric = window_of(case, 2)
    for start in range(0, 30, 10):
        metric.merge_state(case.rows(slice(start, start + 10)).state())
    assert metric.state == case.rows(slice(10, 30)).state()


@pytest.mark.parametrize(
    ("other", "got"),
    [(None, "NoneType$"), (0, "int$"), (HingeLoss(), "HingeLoss; pass its state$")],
)
def test_only_states_are(other, got):
    with pytest.raises(TypeError, match=f"^other must be a HingeState, got {got}"):
        RunningHingeLoss(2).merge_state(other)


def test_states_of_another_configuration():
    with pytest.raises(ValueError, match="configuration"):
        RunningHingeLoss(2).merge_state(HingeState(squared=True))


def test_before_any_update():
    metric = RunningHingeLoss(3)
    assert metric.state == HingeState()
    with pytest.warns(UserWarning, match="NaN"):
        assert np.isnan(metric.compute())


def test_reset():
    metric = RunningHingeLoss(2)
    metric.update([0.5], [0])
    metric.reset()
    assert (metric.update_count, metric.state) == (0, HingeState())
    metric.update([[0.5, 1.0]], [1])  # of another form
    assert metric.compute() == 0.5


def test_ignored_rows_are_an_update_without_samples():
    metric = RunningHingeLoss(2, ignore_index=-1)
    metric.update([0.5], [1])
    metric.update([0.25], [-1])
    assert (metric.update_count, metric.compute()) == (2, 0.5)
    metric.update([0.75, 9.0], [1, -1])
    assert (metric.update_count, metric.compute()) == (2, 0.25)


@pytest.mark.parametrize(
    "bad",
    [([0.5], [2]), ([0.5], [-1]), ([0.5, 0.5], [1]), ([[0.5, 0.5]], [1]), ([0.5], [1], [-1.0])],
)
@pytest.mark.parametrize("entry", ["update", "forward"])
def test_what_is_refused_changes_nothing(bad, entry):
    metric = RunningHingeLoss(2)
    metric.update([0.5], [0])
    before = metric.state
    with pytest.raises(ValueError, match="must"):
        getattr(metric, entry)(*bad)
    assert metric.state == before
    assert metric.update_count == 1


@pytest.mark.parametrize("window", [0, -1])
def test_too_short_a_window(window):
    with pytest.raises(ValueError, match=f"window must be at least 1, got {window}"):
        RunningHingeLoss(window)


def test_too_long_a_window():
    with pytest.raises(ValueError, match=r"window must be below 2\*\*32, got 4294967296"):
        RunningHingeLoss(2**32)


@pytest.mark.parametrize(
    "window", [None, 2.0, "3", True, np.True_, np.array([1, 2]), np.array(2.5)]
)
def test_no_window(window):
    with pytest.raises(TypeError, match="window must be an int, got"):
        RunningHingeLoss(window)


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, RunningHingeLoss.clone, lambda m: pickle.loads(pickle.dumps(m))],
)
def test_copies(duplicate):
    metric = RunningHingeLoss(2, True, "one-vs-all", ignore_index=7)
    for preds in ([0.5, 1.0], [-0.25, 0.75], [3.0, 0.125]):
        metric.update([preds], [1])
    twin = duplicate(metric)
    assert repr(twin) == repr(metric)
    assert twin.state == metric.state
    assert (twin.window, twin.squared, twin.multiclass_mode, twin.ignore_index) == (
        2,
        True,
        "one-vs-all",
        7,
    )


@pytest.mark.parametrize("case", [c for c in forms(40) if c.weight is not None], ids=name)
def test_a_pickle_goes_on(case):
    """Windows of all kinds of totals: none, of narrow digits, of the wide grid, of integers."""
    metric = window_of(case, 4)
    for start in range(0, 40, 4):
        batch = case.rows(slice(start, start + 4))
        if start == 12:
            batch.preds.flat[0] = 1e300
        if start == 28:
            metric.merge_state(HingeState.from_bytes(batch.state().to_bytes()))
            continue
        twin = pickle.loads(pickle.dumps(metric))
        for one in (metric, twin):
            batch.feed(one)
            assert one.update_count == min(start // 4 + 1, 4)
        assert [a.to_bytes() for a in twin._cumulative] == [
            a.to_bytes() for a in metric._cumulative
        ]
        assert twin.state == metric.state


def test_a_large_window_pickles_as_a_few_arrays():
    metric = RunningHingeLoss(3000)
    for _ in range(10):
        metric.update([0.5], [1])
    few = calls(lambda: pickle.dumps(metric))
    for _ in range(2990):
        metric.update([0.5], [1])
    assert calls(lambda: pickle.dumps(metric)) < few + 10 * 2990


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, RunningHingeLoss.clone])
def test_copies_are_independent(duplicate):
    metric = RunningHingeLoss(2)
    metric.update([0.5], [1])
    twin = duplicate(metric)
    twin.update([0.25], [1])
    assert (metric.compute(), twin.compute()) == (0.5, 0.625)


def test_threads_lose_nothing():
    """Each thread's updates are all there, while others look at whole windows only."""
    threads, updates, rows = 4, 300, 3
    metric = RunningHingeLoss(threads * updates)
    counts = set()

    def work():
        for _ in range(updates):
            metric.update([0.5] * rows, [1] * rows)
            metric.forward([0.5] * rows, [1] * rows)
            counts.add(metric.state.count % rows)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counts == {0}
    assert metric.update_count == threads * updates
    assert metric._cumulative[-1].count == 2 * threads * updates * rows
    assert metric.state.count == threads * updates * rows


def test_copies_while_others_update():
    """A copy is of some whole window."""
    metric, stop = RunningHingeLoss(50), threading.Event()
    metric.update([0.5, 0.5], [1, 1])

    def work():
        while not stop.is_set():
            metric.update([0.5, 0.5], [1, 1])

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(100):
            for twin in (metric.clone(), copy.copy(metric)):
                assert twin.state.count == 2 * twin.update_count
    finally:
        stop.set()
        worker.join()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("entry", ["update", "forward", "reset"])
def test_interrupts_anywhere(set_backend, entry, error):
    """What changes the window is done or not done; see test_interrupts.py."""
    set_backend("numpy")
    arguments = () if entry == "reset" else ([0.25], [1])
    start = RunningHingeLoss(2)
    start.update([0.5], [1])
    start.update([-0.5], [1])
    done = start.clone()
    getattr(done, entry)(*arguments)
    seen = set()
    twin = start.clone()  # whose instructions are not counted
    for k in [*heard_points(lambda: getattr(twin, entry)(*arguments)), 10**9]:
        metric = start.clone()
        inject(raiser(error), k, lambda m=metric: getattr(m, entry)(*arguments))
        seen.add([start.state, done.state].index(metric.state))
    assert seen == {0, 1}
