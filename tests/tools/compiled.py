"""Programs in which Numba compiles the kernel that takes least time, and is disturbed."""

import sys

import numpy as np

from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._engine import machine_code

KEY = machine_code.GROUPS, np.dtype(float)


def is_right(kernel):
    """Whether the kernel of groups gives the sums that NumPy gives."""
    losses, codes = np.linspace(0.0, 3.0, 1000)[:, np.newaxis], np.arange(1000) % 7
    labels, none = np.ones(1000, int), np.empty(0)
    found, known = (GroupAccumulator(7, 1, False, True) for _ in range(2))
    done = kernel(losses, none, labels, codes, 0, True, True, found.table)
    known.add(losses, None, codes, labels < 1)
    return done == 1000 and np.array_equal(found.table, known.table)


def forget():
    """Let the next request compile again."""
    machine_code.on_request.cache_clear()
    machine_code._by_numba.cache_clear()


def disturb(number, action):
    """Have the next compilation call a function in its own midst, at so many calls of functions.

    Return a list to which the number of calls is appended that there were in all, or until then.
    """
    by_numba, calls = machine_code._by_numba, []

    def disturbed(form, dtype):
        machine_code._by_numba, count = by_numba, 0

        def hook(frame, event, argument):
            nonlocal count
            count += event == "call"
            if count == number:
                sys.setprofile(None)
                action()

        sys.setprofile(hook)
        try:
            return by_numba(form, dtype)
        finally:
            sys.setprofile(None)
            calls.append(count)

    machine_code._by_numba = disturbed
    return calls
