"""Real signals at random moments."""

import sys

import pytest

HANDLER = """
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
    if handled < 10:  # no signal is on its way when the process ends
        signal.setitimer(signal.ITIMER_REAL, 1e-3)


signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 1e-3)
while handled < 10:
    metric.update(preds, target)
print(0.5 <= metric.compute() <= 0.75)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
@pytest.mark.parametrize(
    ("tier", "threads", "what"),
    [
        ("numpy", 1, "update"),
        ("numpy", 2, "reset"),
        pytest.param("numpy", 1, "reset", marks=pytest.mark.more),
        pytest.param("numpy", 2, "update", marks=pytest.mark.more),
        pytest.param("numba", 2, "reset", marks=pytest.mark.more),
        pytest.param("numba", 1, "update", marks=pytest.mark.more),
        pytest.param("numba", 1, "reset", marks=pytest.mark.more),
        pytest.param("numba", 2, "update", marks=pytest.mark.more),
    ],
)
def test_a_signal_handler_may_use_the_metric_it_interrupts(python, tier, threads, what):
    run = python("-c", HANDLER, tier, threads, what)
    assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")


SIGNALS = """
import random, signal, sys
import numpy as np
import hingemetrics as h
from hingemetrics._engine import measure

h.set_backend(sys.argv[1])
h.set_num_threads(int(sys.argv[3]))
measure._THREAD_ELEMENTS = 300  # threads share what is small, too
rng, metric = random.Random(int(sys.argv[4])), h.HingeLoss()
preds, target = np.linspace(-2, 2, 3000), np.arange(3000) % 2
batch = h.HingeLoss()
batch.update(preds, target)
batch, start = batch.state, batch.state


armed = False


def interrupt(*_):
    if armed:  # a signal that another thread took may be heard late
        raise KeyboardInterrupt


def run(call, delay):
    global armed
    try:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, max(rng.uniform(0, 2 * delay), 1e-6))
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
calls = lambda: metric.update(preds, target), lambda: metric.merge_state(batch)
delays = [1e-4, 1e-4]  # soon as long as the calls take, so that every second one is interrupted
round = 0
while round < int(sys.argv[2]) or not (outcomes[True, False] and outcomes[False, True]):
    kind = round % 2
    interrupted = run(calls[kind], delays[kind])
    delays[kind] *= 1.25 if interrupted else 0.8
    changed = metric.state != whole
    if changed:
        whole += batch
    assert metric.state == whole, round
    assert metric.update_count * 3000 == metric.state.count, round
    outcomes[interrupted, changed] += 1
    round += 1
assert not outcomes[False, False]
print("right")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
@pytest.mark.parametrize(
    "number", [pytest.param(1, marks=pytest.mark.more), 2, pytest.param(3, marks=pytest.mark.more)]
)
@pytest.mark.parametrize(
    ("rounds", "seed"), [(1000, 7), pytest.param(1000, 8, marks=pytest.mark.slow)]
)
def test_signals_at_random(python, backend, number, rounds, seed):
    """Wherever a real Ctrl-C hits, an update is counted in full or not at all."""
    run = python("-c", SIGNALS, backend, rounds, number, seed)
    assert (run.returncode, run.stdout, run.stderr) == (0, "right\n", "")
