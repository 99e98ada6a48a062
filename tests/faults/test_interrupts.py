"""What is interrupted anywhere, or runs out of memory, is as it was, or done: never in between."""

import _thread
import pickle
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

import numpy as np
import pytest
from cases import form, forms, name
from injection import (
    ERRORS,
    heard_points,
    inject,
    raiser,
)
from oracle import bits, expected

from hingemetrics import HingeLoss
from hingemetrics._core import exact, losses
from hingemetrics._engine import kernels
from hingemetrics._engine import measure as engine
from hingemetrics._inputs import batch as inputs
from hingemetrics.metrics import hinge as room

ROWS = 12


@pytest.fixture
def other_thread():
    with ThreadPoolExecutor(1) as pool:
        yield lambda call: pool.submit(call).result(timeout=60)


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


def snapshot(metric):
    """Everything that was seen."""
    state, updates, local = metric._seen
    return state.to_bytes(), updates, None if local is None else local.to_bytes()


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


@pytest.mark.parametrize(
    ("tier", "name", "case", "error"),
    WHAT,
    ids=["-".join((tier, name, error.__name__)) for tier, name, _, error in WHAT],
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


@pytest.mark.parametrize(
    ("tier", "entry", "number", "error"),
    [
        ("numpy", "update", 2, KeyboardInterrupt),
        ("numpy", "update", 3, MemoryError),
        ("numpy", "forward", 2, MemoryError),
        ("numba", "update", 2, MemoryError),
        ("numba", "update", 3, KeyboardInterrupt),
        ("numba", "forward", 3, KeyboardInterrupt),
    ],
)
def test_an_error_anywhere_with_threads(
    set_backend, set_num_threads, monkeypatch, other_thread, tier, entry, number, error
):
    """The same where others help: which of the rows this thread takes is never the same twice."""
    monkeypatch.setattr(engine, "_THREAD_ELEMENTS", 4)  # three spans
    set_backend(tier)
    set_num_threads(number)
    start, run = work(entry, BINARY)
    whole = start.clone()
    run(whole)
    before, after = snapshot(start), snapshot(whole)
    other_thread(int)  # from here on there is one more thread
    seen, unreached, alive = [], 0, _thread._count()
    for k in count():
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
    assert seen.count(before) > 100
    deadline = time.monotonic() + 60
    while _thread._count() > alive:
        assert time.monotonic() < deadline, "a thread is left"
        time.sleep(0.001)


def test_an_error_anywhere_in_a_context():
    """Either this rank's state is back, or all of what all ranks saw is there until `unsync`."""
    start, _ = work("sync", BINARY)
    local, whole = snapshot(start), start.clone()
    whole.sync()
    synced, seen = snapshot(whole), []

    def block(metric):
        with metric.sync_context():
            assert snapshot(metric) == synced

    for k in count():
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


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_anywhere_in_a_call(set_backend, error):
    """A call that was interrupted leaves nothing behind that the next one could see."""
    set_backend("numba")
    case = BINARY
    wanted, raised = bits(case.loss()), 0
    for k in count():
        found = inject(raiser(error), k, case.loss)
        assert bits(case.loss()) == wanted == bits(case.expected())
        raised += found.raised
        if not found.reached:
            break
    assert raised > 100


@pytest.mark.parametrize("wait", [False, True])
def test_an_error_anywhere_on_the_way_to_a_kernel(monkeypatch, other_thread, wait):
    """No thread is left to wait for a compiler that was interrupted."""
    monkeypatch.setattr(kernels, "_compile", lambda form, dtype: len)
    key = ("binary", np.dtype(float))
    for k in count():
        monkeypatch.setattr(kernels, "_compiled", {})
        found = inject(raiser(KeyboardInterrupt), k, lambda: kernels.get(*key, wait))
        if found.heard or not found.raised:
            assert other_thread(lambda: is_free(kernels._lock)), (k, found)
            assert kernels._compiling is None, (k, found)
            assert other_thread(lambda: kernels.get(*key, wait=False)) is len
        monkeypatch.setattr(kernels, "_compiling", None)
        monkeypatch.setattr(kernels, "_lock", threading.Lock())
        if not found.reached:
            break
    assert k > 10


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
    """Whenever another thread updates: what is read is what was before, or is after."""
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
    """As a signal handler would: the one change is before the other, or after it."""
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


class Failing:
    """NumPy, whose k-th call runs out of memory."""

    def __init__(self, k):
        self.left = k

    def __getattr__(self, name):
        found = getattr(np, name)
        if isinstance(found, (type, np.ufunc)) or not callable(found):
            return found

        def call(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                raise MemoryError(name)
            return found(*arguments, **options)

        return call


@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("case", forms(ROWS), ids=name)
def test_no_memory_for_an_array(set_backend, monkeypatch, case, entry):
    """Whichever array it is that NumPy has no room for."""
    set_backend("numpy")
    huge = case.arrays(np.copy)
    huge.preds[0], huge.preds[1] = -1e300, 1e300  # needs the whole grid of digits as well
    huge.preds[:2].flat[0] = 0.5
    metric = huge.feed(huge.metric())
    before = snapshot(metric)
    for k in count():
        failing = Failing(k)
        for module in (exact, losses, engine, inputs):
            monkeypatch.setattr(module, "np", failing)
        try:
            getattr(metric, entry)(huge.preds, huge.target, huge.weight)
        except MemoryError:
            assert snapshot(metric) == before
        else:
            break
        finally:
            monkeypatch.undo()
            set_backend("numpy")
    assert k > 2
    assert failing.left >= 0
    assert metric.state == huge.state() + huge.state()


class Raising:
    """An array that cannot be read."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error

    def __len__(self):
        raise self.error

    def __getitem__(self, index):
        raise self.error


@pytest.mark.parametrize("argument", range(3))
@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError, ZeroDivisionError])
def test_arguments_that_raise(argument, entry, error):
    metric = BINARY.feed(BINARY.metric())
    before = snapshot(metric)
    arguments = [BINARY.preds, BINARY.target, np.ones(ROWS)]
    arguments[argument] = Raising(error("mine"))
    with pytest.raises((error, TypeError, ValueError)):
        getattr(metric, entry)(*arguments)
    assert snapshot(metric) == before


class Reentrant:
    """An array that, when read, changes the metric it is for."""

    def __init__(self, change):
        self.change = change

    def __array__(self, dtype=None, copy=None):
        self.change()
        return np.full(2, 0.5)


@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("argument", range(3))
def test_arguments_that_update_the_metric(backend, entry, argument):
    """Both updates count."""
    metric = HingeLoss()
    arguments = [[0.5, 0.5], [1, 1], [1.0, 1.0]]
    change = Reentrant(lambda: metric.update([0.25], [1]))
    if argument == 1:
        change.__class__ = ReentrantLabels
    arguments[argument] = change
    value = getattr(metric, entry)(*arguments)
    assert (metric.state.count, metric.update_count) == (3, 2)
    weight = [1.0, 1.0, 1.0] if argument < 2 else [0.5, 0.5, 1.0]
    assert bits(metric.compute()) == bits(
        expected([0.5, 0.5, 0.25], [1, 1, 1], sample_weight=weight)
    )
    assert value in (None, 0.5)


class ReentrantLabels(Reentrant):
    """The same as labels."""

    def __array__(self, dtype=None, copy=None):
        self.change()
        return np.ones(2, int)


@pytest.mark.parametrize("entry", ["update", "forward"])
def test_arguments_that_reset_the_metric(backend, entry):
    metric = HingeLoss()
    metric.update([0.25], [1])
    getattr(metric, entry)(Reentrant(metric.reset), [1, 1])
    assert (metric.state.count, metric.update_count, metric.compute()) == (2, 1, 0.5)


class Shrinking:
    """A sequence that gets shorter while it is read."""

    def __init__(self):
        self.values = [0.5] * 8

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        self.values = self.values[:-1]
        return self.values[index]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (x for x in [0.5]),
        lambda: iter([0.5]),
        lambda: map(float, "1"),
        lambda: {0.5},
        lambda: {0.5: 1}.keys(),
        Shrinking,
    ],
)
def test_no_arrays(make):
    metric = BINARY.feed(BINARY.metric())
    before = snapshot(metric)
    for entry in (metric.update, metric.forward):
        with pytest.raises((TypeError, ValueError, IndexError)):
            entry(make(), [1])
    assert snapshot(metric) == before


SIGNALS = """
import random, signal, sys
import numpy as np
import hingemetrics as h
from hingemetrics._engine import measure as engine

h.set_backend(sys.argv[1])
h.set_num_threads(int(sys.argv[3]))
engine._THREAD_ELEMENTS = 300  # threads share what is small, too
rng, metric = random.Random(int(sys.argv[4])), h.HingeLoss()
preds, target = np.linspace(-2, 2, 3000), np.arange(3000) % 2
batch = h.HingeLoss()
batch.update(preds, target)
batch, start = batch.state, batch.state


armed = False


def interrupt(*_):
    if armed:  # a signal that another thread took may be heard late
        raise KeyboardInterrupt


def run(call):
    global armed
    try:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 1e-4))
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            armed = False
    except KeyboardInterrupt:
        armed = False
        return True
    return False


signal.signal(signal.SIGALRM, interrupt)
outcomes = dict.fromkeys(((i, c) for i in (False, True) for c in (False, True)), 0)
whole = metric.state
for round in range(int(sys.argv[2])):
    if round % 2:
        call = lambda: metric.update(preds, target)
    else:
        call = lambda: metric.merge_state(batch)
    interrupted = run(call)
    changed = metric.state != whole
    if changed:
        whole += batch
    assert metric.state == whole, round
    assert metric.update_count * 3000 == metric.state.count, round
    outcomes[interrupted, changed] += 1
assert not outcomes[False, False]
assert outcomes[True, False] > 0, outcomes
assert outcomes[False, True] > 0, outcomes
print("right")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    ("rounds", "seed"), [(1000, 7), pytest.param(1000, 8, marks=pytest.mark.slow)]
)
def test_signals_at_random(python, backend, number, rounds, seed):
    """Whatever Ctrl-C hits, real and asynchronous, all of an update is in or nothing of it."""
    run = python("-c", SIGNALS, backend, rounds, number, seed)
    assert (run.returncode, run.stdout, run.stderr) == (0, "right\n", "")


NO_GENERATOR = """
import _testcapi


def pair():
    return tuple(i for i in (1, 2))


for k in range(30):
    _testcapi.set_nomemory(k, k + 1)
    try:
        pair()
    except MemoryError:
        pass
    finally:
        _testcapi.remove_mem_hooks()
"""
ALLOCATIONS = """
import itertools
import sys
import _testcapi
import numpy as np
import hingemetrics as h

h.set_backend(sys.argv[1])
preds, target = np.array([0.5, -0.25, -1e300]), np.array([1, 0, 1])
start = h.HingeLoss()
start.update(preds, target)
saved = h.HingeLoss().state_dict()
calls = [
    lambda metric: metric.update(preds, target),
    lambda metric: metric(preds, target),
    lambda metric: metric.merge_state(start),
    lambda metric: metric.load_state_dict(saved),
]


def snapshot(metric):
    return metric.state.to_bytes(), metric.update_count


for call in calls:
    whole = start.clone()
    call(whole)
    before, after = snapshot(start), snapshot(whole)
    failed = passed = 0
    for k in itertools.count():
        metric = start.clone()
        raised = False
        _testcapi.set_nomemory(k, k + 1)
        try:
            call(metric)
        except (MemoryError, SystemError):  # SystemError: NumPy does not always say why it failed
            raised = True
        finally:
            _testcapi.remove_mem_hooks()
        now = snapshot(metric)
        assert now == before if raised else now == after, k
        call(metric)
        failed, passed = failed + raised, 0 if raised else passed + 1
        if passed == 30:  # not one that was caught: there are no more
            break
    assert failed > 5
print("right")
"""


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 itself crashes when memory runs out")
def test_allocations_that_fail(python, backend):
    """One after another, in Python's own allocators."""
    pytest.importorskip("_testcapi")
    if python("-c", NO_GENERATOR).returncode < 0:
        pytest.skip("Python itself crashes when it has no memory for a generator")
    run = python("-c", ALLOCATIONS, backend)
    assert (run.returncode, run.stdout, run.stderr) == (0, "right\n", "")
