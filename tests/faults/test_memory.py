"""An update that runs out of memory leaves the metric as it was."""

from itertools import count

import numpy as np
import pytest
from cases import forms, name
from metrics import snapshot

from hingemetrics._core import exact, losses
from hingemetrics._engine import measure, tiers
from hingemetrics._inputs import batch

ROWS = 12


class Failing:
    """NumPy, whose k-th call runs out of memory."""

    def __init__(self, k):
        self.left = k

    def __getattr__(self, name):
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found):
            return found

        def call(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                raise MemoryError(name)
            return found(*arguments, **options)

        if isinstance(found, np.ufunc):
            call.at = found.at
        return call


@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("case", forms(ROWS), ids=name)
def test_no_memory_for_an_array(set_backend, monkeypatch, case, entry):
    """Whichever of NumPy's allocations fails."""
    set_backend("numpy")
    huge = case.arrays(np.copy)
    huge.preds[0], huge.preds[1] = -1e300, 1e300  # needs the wide grid of digits as well
    huge.preds[:2].flat[0] = 0.5
    metric = huge.feed(huge.metric())
    before = snapshot(metric)
    for k in count():
        failing = Failing(k)
        for module in (exact, losses, measure, tiers, batch):
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
