"""An operation that is interrupted or runs out of memory is done or not done, never half done."""

import _thread
import gc
import pickle
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

import numpy as np
import pytest
from cases import form
from injection import (
    ERRORS,
    Steps,
    heard_points,
    inject,
    raiser,
)
from metrics import snapshot
from oracle import bits

from hingemetrics import HingeComparison, HingeLoss, hinge_loss
from hingemetrics._engine import backend, machine_code, measure
from hingemetrics.metrics import _base as room

ROWS = 12


@pytest.fixture
def other_thread():
    with ThreadPoolExecutor(1) as pool:
        yield lambda call: pool.submit(call).result(timeout=300)


def is_free(lock):
    """Whether a thread can take a lock now."""
    taken = lock.acquire(blocking=False)
    if taken:
        lock.release()
    return taken


class Group:
    """Another rank, which has seen something too."""

    def __init__(self, state):
        self.state = state

    def allreduce(self, state):
        return state + self.state


class Work(NamedTuple):
    """A metric that has seen one update, and an operation on it."""

    start: HingeLoss
    run: Callable[[HingeLoss], object]


def work(name, case):
    start = case.feed(HingeLoss(case.squared, case.mode, process_group=Group(case.state())))
    other, saved, batch = start.clone(), case.metric().state_dict(), (case.preds, case.target)
    if name == "unsync":
        start.sync()
    calls = {
        "update": lambda metric: metric.update(*batch, case.weight),
        "forward": lambda metric: metric(*batch, case.weight),
        "merge a state": lambda metric: metric.merge_state(other.state),
        "merge a metric": lambda metric: metric.merge_state(other),
        "load_state_dict": lambda metric: metric.load_state_dict(saved),
        "reset": HingeLoss.reset,
        "sync": HingeLoss.sync,
        "unsync": HingeLoss.unsync,
    }
    return Work(start, calls[name])


BINARY, CRAMMER_SINGER, ONE_VS_ALL = (
    form(ROWS, None, None, False, None),
    form(ROWS, 3, "crammer-singer", True, "tenths"),
    form(ROWS, 3, "one-vs-all", False, "tenths"),
)
WHAT = [
    *((tier, "update", BINARY, error) for tier in ("numpy", "numba") for error in ERRORS),
    ("numba", "forward", CRAMMER_SINGER, KeyboardInterrupt),
    ("numpy", "load_state_dict", CRAMMER_SINGER, MemoryError),
    *(
        ("numpy", name, ONE_VS_ALL, error)
        for name in ("merge a state", "merge a metric", "reset", "sync", "unsync")
        for error in ERRORS
    ),
]


LONG = [("numpy", "update", MemoryError), ("numpy", "load_state_dict", MemoryError)]


@pytest.mark.parametrize(
    ("tier", "name", "case", "error"),
    [
        pytest.param(
            *(tier, name, case, error),
            id="-".join((tier, name, error.__name__)),
            marks=pytest.mark.more if (tier, name, error) in LONG else [],
        )
        for tier, name, case, error in WHAT
    ],
)
def test_an_error_anywhere(set_backend, other_thread, tier, name, case, error):
    """Before every single instruction: what was, until the one assignment, then what will be."""
    set_backend(tier)
    start, run = work(name, case)
    whole = start.clone()
    run(whole)
    before, after = snapshot(start), snapshot(whole)
    assert before != after
    seen = []
    for k in count():
        metric = start.clone()
        found = inject(raiser(error), k, lambda metric=metric: run(metric))
        now = snapshot(metric)
        if not other_thread(lambda: is_free(room._lock)):
            # Where no signal is heard: from the last instruction of a with block to its end.
            assert not found.heard, (k, found)
            room._lock.release()
        if not found.reached:
            break
        assert now in (before, after), (k, found)
        assert found.raised or now == after, "an error that is swallowed stops nothing"
        if found.raised:
            seen.append(now)
        if now == before:
            run(metric)
            assert snapshot(metric) == after
    assert now == after
    commit = seen.count(before)
    assert seen == [before] * commit + [after] * (len(seen) - commit)
    assert 0 < commit < len(seen)


def test_an_interrupted_call_keeps_nothing():
    """Not in a cycle either: a file there would be closed, with a warning, during another test."""
    preds = np.zeros(3)
    gone = weakref.ref(preds)
    gc.disable()
    try:
        found = inject(raiser(KeyboardInterrupt), 50, lambda p=preds: hinge_loss(p, [1, 0, 1]))
        assert found.raised
        del preds
        assert gone() is None
    finally:
        gc.enable()


STEPS = [5, pytest.param(1, marks=pytest.mark.more)]  # a quick run tries one instruction in five


THREADED = [
    ("numpy", "update", 2, KeyboardInterrupt),
    ("numpy", "update", 3, MemoryError),
    ("numpy", "forward", 2, MemoryError),
    ("numba", "update", 2, MemoryError),
    ("numba", "update", 3, KeyboardInterrupt),
    ("numba", "forward", 3, KeyboardInterrupt),
]


@pytest.mark.parametrize(
    ("tier", "entry", "number", "error", "step"),
    [
        ("numpy", "update", 2, KeyboardInterrupt, 17),  # some 1000 to 4000 instructions
        ("numba", "forward", 3, MemoryError, 7),
        *(pytest.param(*threaded, 1, marks=pytest.mark.more) for threaded in THREADED),
    ],
)
def test_an_error_anywhere_with_threads(
    set_backend, set_num_threads, monkeypatch, other_thread, tier, entry, number, error, step
):
    """The same where others help: which of the rows this thread takes is never the same twice.

    A quick run tries one instruction in `step`.
    """
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 4)  # three spans
    set_backend(tier)
    set_num_threads(number)
    start, run = work(entry, BINARY)
    whole = start.clone()
    run(whole)
    before, after = snapshot(start), snapshot(whole)
    other_thread(int)  # from here on there is one more thread
    seen, unreached, alive = [], 0, _thread._count()
    for k in count(0, step):
        metric = start.clone()
        found = inject(raiser(error), k, lambda metric=metric: run(metric))
        now = snapshot(metric)
        if not other_thread(lambda: is_free(room._lock)):
            assert not found.heard, (k, found)
            room._lock.release()
        assert now in (before, after), (k, found)
        assert found.raised or now == after
        if now == before:
            run(metric)
            assert snapshot(metric) == after
        if found.raised:
            seen.append(now)
        unreached += not found.reached
        if unreached == 20:
            break
    assert seen.count(before) > 100 / step
    deadline = time.monotonic() + 300
    while _thread._count() > alive:
        assert time.monotonic() < deadline, "a thread is left"
        time.sleep(0.001)


@pytest.mark.parametrize("step", STEPS)
def test_an_error_anywhere_in_a_context(step):
    """Either this rank's state is back, or all of what all ranks saw is there until `unsync`."""
    start, _ = work("sync", BINARY)
    local, whole = snapshot(start), start.clone()
    whole.sync()
    synced, seen = snapshot(whole), []

    def block(metric):
        with metric.sync_context():
            assert snapshot(metric) == synced

    for k in count(0, step):
        metric = start.clone()
        found = inject(raiser(KeyboardInterrupt), k, lambda metric=metric: block(metric))
        seen.append(snapshot(metric))
        if seen[-1] == synced:
            metric.unsync()
        assert snapshot(metric) == local
        if not room._lock._is_owned():
            block(metric)
        else:
            room._lock.release()
        if not found.reached:
            break
    assert set(seen) == {local, synced}
    assert seen[-1] == local


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_anywhere_in_a_call(set_backend, error, step):
    """A call that was interrupted leaves nothing behind that the next one could see."""
    set_backend("numba")
    case = BINARY
    wanted, raised = bits(case.loss()), 0
    for k in count(0, step):
        found = inject(raiser(error), k, case.loss)
        assert bits(case.loss()) == wanted == bits(case.expected())
        raised += found.raised
        if not found.reached:
            break
    assert raised > 100 / step


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # between open and with
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_anywhere_on_the_way_to_a_kernel(set_backend, other_thread, error, step):
    """What was loaded halfway is loaded again, or done without: nobody waits, no bit changes."""
    set_backend("auto")
    wanted, raised = bits(BINARY.loss()), 0
    for k in count(0, step):
        machine_code.in_library.cache_clear()
        machine_code._library.cache_clear()
        found = inject(raiser(error), k, lambda: backend.kernel("binary", np.dtype(float)))
        assert other_thread(lambda: bits(BINARY.loss())) == wanted, (k, found)
        if found.raised:
            assert backend.kernel("binary", np.dtype(float)) == machine_code.in_library(*KEY), k
        raised += found.raised
        if not found.reached:
            break
    machine_code.in_library.cache_clear()
    machine_code._library.cache_clear()
    assert raised > 100 / step


KEY = ("binary", np.dtype(float))


COMPARED = {
    "update": lambda metric: metric.update([[0.5, 0.1]] * 2, [[0.2, 1e300]] * 2, [1, 0], [1, 2]),
    "merge": lambda metric: metric.merge_state(metric.clone()),
    "reset": HingeComparison.reset,
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", COMPARED)
def test_an_error_anywhere_in_a_comparison(set_backend, other_thread, name, error):
    """The same; of the many instructions of an update a few, but all those at its end."""
    set_backend("numpy")
    start = HingeComparison(multiclass_mode="one-vs-all")
    start.update([[0.5, 0.25]], [[0.25, 0.75]], [1])
    run, whole = COMPARED[name], start.clone()
    with (steps := Steps(lambda number, frame: None)):
        run(whole)
    before, after, seen = start.state, whole.state, []
    assert before != after
    last = max(steps.number - 60, 0)
    for k in (*range(0, last, 1999), *range(last, steps.number)):
        metric = start.clone()
        found = inject(raiser(error), k, lambda metric=metric: run(metric))
        if not other_thread(lambda: is_free(room._lock)):
            assert not found.heard, (k, found)
            room._lock.release()
        assert found.reached
        assert found.raised or metric.state == after
        seen.append(metric.state)
        if metric.state == before:
            run(metric)
            assert metric.state == after
    commit = seen.count(before)
    assert seen == [before] * commit + [after] * (len(seen) - commit)
    assert 0 < commit < len(seen)


READS = {
    "state_dict": (HingeLoss.state_dict, lambda text: (text["state"], text["update_count"])),
    "pickle": (pickle.dumps, lambda data: snapshot(pickle.loads(data))),
    "clone": (HingeLoss.clone, lambda metric: snapshot(metric)),
    "compute": (HingeLoss.compute, lambda value: value),
    "merge": (lambda metric: merged(metric), lambda metric: snapshot(metric)),
}


def merged(metric):
    whole = HingeLoss()
    whole.merge_state(metric)
    return whole


@pytest.mark.parametrize("name", READS)
def test_an_update_anywhere_in_a_read(set_backend, name):
    """Whenever another thread updates, a read returns what was seen before it or after it."""
    set_backend("numpy")
    take, shown = READS[name]
    start = HingeLoss()
    start.update([0.5], [1])
    whole = start.clone()
    whole.update([0.25], [1])
    before, after = shown(take(start)), shown(take(whole))
    seen = []
    for k in heard_points(lambda: take(start)):
        metric, got = start.clone(), []
        inject(
            lambda metric=metric: metric.update([0.25], [1]),
            k,
            lambda metric=metric, got=got: got.append(take(metric)),
        )
        assert snapshot(metric) == snapshot(whole)
        seen += map(shown, got)
    assert set(seen) == {before, after}


CHANGES = {
    "update": lambda metric: metric.update([0.25], [1]),
    "merge": lambda metric: metric.merge_state(QUARTER),
    "reset": HingeLoss.reset,
    "load": lambda metric: metric.load_state_dict(SAVED),
}
QUARTER = BINARY.state()
SAVED = BINARY.feed(BINARY.metric()).state_dict()


@pytest.mark.parametrize("inner", CHANGES)
@pytest.mark.parametrize("outer", ["update", "forward", "merge", "reset"])
def test_a_change_anywhere_in_a_change(set_backend, outer, inner):
    """A change inside another, as by a signal handler, comes before it or after it."""
    set_backend("numpy")
    start = HingeLoss()
    start.update([0.5], [1])
    changes = {**CHANGES, "forward": lambda metric: metric([0.5], [1])}
    orders = []
    for first, second in ((outer, inner), (inner, outer)):
        metric = start.clone()
        changes[first](metric)
        changes[second](metric)
        orders.append(snapshot(metric))
    metric = start.clone()
    points = heard_points(lambda: changes[outer](metric))
    for k in points:
        metric = start.clone()
        inject(
            lambda metric=metric: changes[inner](metric),
            k,
            lambda metric=metric: changes[outer](metric),
        )
        assert snapshot(metric) in orders, k
    assert len(points) >= (1 if outer == "reset" else 10)
