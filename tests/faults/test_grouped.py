"""Metrics by group: interrupted, or changed by other threads, they are never half done."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest
from cases import form
from injection import ERRORS, heard_points, inject, raiser

from hingemetrics import GroupedHingeLoss
from hingemetrics.metrics import _base as room

CASE = form(12, 3, "one-vs-all", False, "tenths")
BINARY = form(12, None, None, False, None)
GROUPS = ["b", "a", "c"] * 4


def fed(case):
    metric = GroupedHingeLoss(case.squared, case.mode)
    metric.update(case.preds, case.target, GROUPS, case.weight)
    return metric


def snapshot(metric):
    return metric.state.to_bytes(), {key: s.to_bytes() for key, s in metric.states.items()}


def changes(case):
    other = fed(case)
    saved = GroupedHingeLoss(case.squared, case.mode).state_dict()
    more = ["d", "a", "c"] * 4
    return {
        "update": lambda metric: metric.update(case.preds, case.target, more, case.weight),
        "merge": lambda metric: metric.merge_state([other, other]),
        "load": lambda metric: metric.load_state_dict(saved),
        "reset": GroupedHingeLoss.reset,
    }


@pytest.mark.parametrize(
    ("tier", "name", "case", "step"),
    [
        ("numpy", "update", CASE, 101),  # some ten thousand instructions
        ("numba", "update", BINARY, 23),
        ("numpy", "merge", CASE, 11),
        ("numpy", "load", CASE, 5),
        ("numpy", "reset", CASE, 1),
    ],
    ids=["numpy-update", "numba-update", "merge", "load", "reset"],
)
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_anywhere(set_backend, tier, name, case, step, error):
    """What was, until the one assignment, then what will be."""
    set_backend(tier)
    start, run = fed(case), changes(case)[name]
    whole = start.clone()
    run(whole)
    before, after = snapshot(start), snapshot(whole)
    assert before != after
    seen = []
    for k in count(0, step):
        metric = start.clone()
        found = inject(raiser(error), k, lambda metric=metric: run(metric))
        if room._lock._is_owned():
            assert not found.heard, (k, found)
            room._lock.release()
        seen.append(snapshot(metric))
        if seen[-1] == before:
            run(metric)
            assert snapshot(metric) == after
        if not found.reached:
            break
    commit = seen.count(before)
    assert seen == [before] * commit + [after] * (len(seen) - commit)
    assert 0 < commit < len(seen)


def test_an_update_anywhere_in_an_update(set_backend):
    """As by a signal handler: it comes before the other one or after it, and none is lost."""
    set_backend("numpy")
    start = fed(BINARY)
    update = changes(BINARY)["update"]
    whole = start.clone()
    update(whole)
    update(whole)
    for k in heard_points(lambda: update(start.clone()))[::40]:
        metric = start.clone()
        inject(lambda metric=metric: update(metric), k, lambda metric=metric: update(metric))
        assert snapshot(metric) == snapshot(whole), k


def test_threads_lose_nothing(backend):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    metric, other = GroupedHingeLoss(), GroupedHingeLoss()
    other.update([0.75] * 3, [1] * 3, ["x", "y", "z"])

    def write(name):
        for k in range(40):
            metric.update([0.75] * 3, [1] * 3, [name, "x", f"{name}{k}"])
            metric.merge_state(other)
            assert metric.state.count % 3 == 0

    try:
        with ThreadPoolExecutor(4) as pool:
            for written in [pool.submit(write, name) for name in "abcd"]:
                written.result(timeout=300)
    finally:
        sys.setswitchinterval(interval)
    counts = {key: state.count for key, state in metric.states.items()}
    assert {counts[name] for name in "abcd"} == {40}
    assert (counts["x"], counts["y"], len(counts)) == (320, 160, 4 + 3 + 160)
    assert set(metric.compute().values()) == {0.25}


def test_out_of_memory(monkeypatch):
    metric = fed(BINARY)
    before = snapshot(metric)

    def empty(*_):
        raise MemoryError

    monkeypatch.setattr(np, "zeros", empty)
    with pytest.raises(MemoryError):
        metric.update(BINARY.preds, BINARY.target, GROUPS)
    monkeypatch.undo()
    assert snapshot(metric) == before
