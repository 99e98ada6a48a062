"""Many threads and processes with the same metrics and kernels: nothing is lost or torn."""

import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
from oracle import bits, expected
from pooled import batches, updated

from hingemetrics import HingeLoss, HingeState

THREADS = 8


@pytest.fixture(autouse=True)
def eager_switches():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def at_once(*calls):
    """Run functions in a thread each, all from the same moment on; return what they return."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [thread.result(timeout=300) for thread in [pool.submit(run, c) for c in calls]]


def joined(*seeds, classes=None):
    """All the batches as one."""
    found = chain.from_iterable(batches(seed, classes=classes) for seed in seeds)
    return tuple(map(np.concatenate, zip(*found, strict=True)))


def known(preds, target, weight, mode=None):
    return bits(expected(preds, target, mode=mode, sample_weight=weight))


@pytest.mark.parametrize("mode", [None, "crammer-singer", "one-vs-all"])
def test_nothing_is_lost(backend, mode):
    """Whichever way batches go into one metric, all of them are in it."""
    classes = None if mode is None else 3
    metric = HingeLoss(multiclass_mode=mode)

    def update(seed):
        for batch in batches(seed, classes=classes):
            metric.update(*batch)

    def forward(seed):
        for batch in batches(seed, classes=classes):
            assert bits(metric(*batch)) == known(*batch, mode)

    def merge(seed, whole):
        for batch in batches(seed, classes=classes):
            part = HingeLoss(multiclass_mode=mode)
            part.update(*batch)
            metric.merge_state(part if whole else part.state)

    at_once(
        *(lambda k=k: update(k) for k in range(3)),
        *(lambda k=k: forward(k) for k in range(3, 5)),
        lambda: merge(5, True),
        lambda: merge(6, False),
    )
    everything = joined(*range(7), classes=classes)
    assert metric.update_count == 7 * 60
    assert bits(metric.compute()) == known(*everything, mode)
    again = HingeLoss(multiclass_mode=mode)
    again.update(*everything)
    assert again.state.to_bytes() == metric.state.to_bytes()


def test_what_is_read_is_whole(backend):
    """Each update adds 3 rows of loss 1/4: anything else that is read would be torn."""
    metric, done = HingeLoss(), threading.Event()
    preds, target = [0.75] * 3, [1] * 3

    def write():
        for _ in range(400):
            metric.update(preds, target)

    def look(read):
        seen = 0
        while not done.is_set():
            state, updates = read(metric)
            assert state.count == 3 * updates
            assert state.value("sum") == 0.75 * updates
            assert updates >= seen, "updates are never taken back"
            seen = updates
        return seen

    def loaded(text):
        return HingeState.from_bytes(bytes.fromhex(text["state"])), text["update_count"]

    def of(metric):
        return metric.state, metric.update_count

    def counted(state):
        return state, state.count / 3

    reads = (
        lambda metric: counted(metric.state),
        lambda metric: loaded(metric.state_dict()),
        lambda metric: of(pickle.loads(pickle.dumps(metric))),
        lambda metric: of(metric.clone()),
    )
    with ThreadPoolExecutor(len(reads)) as pool:
        readers = [pool.submit(look, read) for read in reads]
        try:
            at_once(write, write)
        finally:
            done.set()
        assert all(0 <= reader.result(timeout=300) <= 800 for reader in readers)
    assert (metric.state.count, metric.update_count) == (2400, 800)
    assert metric.compute() == 0.25


def test_resets_lose_only_what_was_before(backend):
    """After the last reset, what is added is there; what is read meanwhile is whole."""
    metric = HingeLoss()

    def write():
        for _ in range(300):
            metric.update([0.75] * 3, [1] * 3)

    def reset():
        for _ in range(300):
            metric.reset()
            state = metric.state
            assert state.count % 3 == 0
            assert state.value("sum") == state.count / 4

    at_once(write, reset, write, reset)
    assert metric.state.count == 3 * metric.update_count <= 1800
    metric.reset()
    at_once(write, write)
    assert (metric.state.count, metric.update_count) == (1800, 600)


def test_two_metrics_that_merge_each_other(backend):
    """No thread waits for the other: there is one lock, held for a moment."""
    one, two = HingeLoss(), HingeLoss()
    one.update([0.75], [1])
    two.update([0.5], [1])

    def merge(metric, other):
        for _ in range(40):
            metric.merge_state(other)

    at_once(lambda: merge(one, two), lambda: merge(two, one))
    for metric in (one, two):
        state = metric.state
        assert metric.update_count == state.count
        quarters = 4 * state.as_fraction("sum")
        ones = 2 * state.count - quarters  # rows of loss 1/4; the others have 1/2
        assert 1 <= ones < state.count


def test_a_metric_for_each_thread(backend):
    def run(seed):
        metric = HingeLoss()
        for batch in batches(seed):
            metric.update(*batch)
        return bits(metric.compute())

    values = at_once(*(lambda seed=seed: run(seed) for seed in range(THREADS)))
    assert values == [known(*joined(seed)) for seed in range(THREADS)]


def test_syncs_while_others_update(backend):
    """A sync is refused, or is of a whole number of updates, which are all there afterwards."""
    metric, other = HingeLoss(), HingeLoss()
    other.update([0.75] * 3, [1] * 3)

    def sync():
        with metric.sync_context(dist_sync_fn=lambda state, _: state + other.state):
            state = metric.state
            assert state.count % 3 == 0
            assert state.value("sum") == state.count / 4

    def write():
        return sum(is_done(lambda: metric.update([0.75] * 3, [1] * 3), UNSYNC) for _ in range(200))

    def read():
        return sum(is_done(sync, "must not be changed") for _ in range(200))

    first, second, _ = at_once(write, write, read)
    assert metric.update_count == first + second
    assert metric.state.count == 3 * (first + second)


UNSYNC = "must be unsynced before"


def is_done(call, refusal):
    """Whether a call is not refused."""
    try:
        call()
    except RuntimeError as error:
        if refusal not in str(error):
            raise
        return False
    return True


# Processes


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(method, marks=[] if method == "fork" else pytest.mark.more)
        for method in multiprocessing.get_all_start_methods()
    ],
)
@pytest.mark.filterwarnings("ignore:.*fork")  # of Python, and of JAX where it was imported
def test_processes_of_a_parent_with_threads(method):
    """Metrics go there and back while threads of the parent update them and their own."""
    shared, done = HingeLoss(), threading.Event()
    for batch in batches(0):
        shared.update(*batch)
    sent, busy = shared.clone(), HingeLoss()

    def update():
        while not done.is_set():
            busy.update([0.75] * 3, [1] * 3)
            busy.state.to_bytes()

    threads = [threading.Thread(target=update) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            found = list(pool.map(updated, [sent] * 4, timeout=300))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    for metric in found:
        assert metric.update_count == 120
        assert bits(metric.compute()) == known(*joined(0, 1))
    assert sent.state == shared.state
    assert busy.state.value("sum") == busy.state.count / 4
