"""Forks while other threads update or compile: children have the parent's data, and no lock."""

import sys

import pytest

FORKS = """
import os, sys, threading
import numpy as np
import hingemetrics as h
from hingemetrics.metrics import _base as room

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
@pytest.mark.parametrize(
    ("tier", "where", "count"),
    [
        ("numpy", "reads", 4),
        ("numpy", "stores", 1),
        ("numpy", "runs", 1),
        pytest.param("numba", "runs", 1, marks=pytest.mark.more),
        pytest.param("numba", "reads", 4, marks=pytest.mark.more),
        pytest.param("numba", "stores", 1, marks=pytest.mark.more),
    ],
)
def test_fork_while_another_thread_updates(python, tier, where, count):
    """The child has the metric as it was, and none of the parent's locks."""
    run = python("-W", "ignore", "-c", FORKS, tier, where)
    assert (run.stdout, run.stderr) == (f"0 {count}\n", "")
