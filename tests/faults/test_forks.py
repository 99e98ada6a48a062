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


COMPILING = """
import os, sys, threading, time
import hingemetrics as h
from hingemetrics._engine import machine_code

compiled = threading.Event()


def compile_one():
    machine_code.compiled(machine_code.FORMS[0], machine_code.DTYPES[1])
    compiled.set()


def child():
    metric = h.HingeLoss()
    metric.update([0.5, 0.25], [1, 0])
    h.hinge_loss([0.5] * 3_000_000, [1] * 3_000_000)
    metric.update([0.5, 0.25], [1, 0])
    return metric.compute() == (0.5 + 1.25) / 2


thread = threading.Thread(target=compile_one)
thread.start()
forks = []
while not compiled.is_set() and len(forks) < 6:
    pid = os.fork()
    if not pid:
        os._exit(0 if child() else 1)
    forks.append((pid, compiled.is_set(), time.monotonic() + 200))
    compiled.wait(0.25)
thread.join()
statuses = set()
for pid, late, deadline in forks:
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            statuses.add(os.waitstatus_to_exitcode(status))
            break
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            statuses.add("hangs")
            break
        time.sleep(0.01)
print(*statuses, sum(not late for _, late, _ in forks) > 1, h.hinge_loss([0.5], [1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_forks_while_a_thread_really_compiles(bare, tmp_path):
    """With nothing stored: children forked in the midst of it compute, and none waits for it."""
    run = bare("-W", "ignore", "-c", COMPILING, HINGEMETRICS_CACHE_DIR=str(tmp_path))
    assert (run.stdout, run.stderr) == ("0 True 0.5\n", "")
