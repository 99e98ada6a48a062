"""Calls of every kernel with arrays that a checker of memory has placed.

`placed` copies an array to where nothing around it may be touched; it is told which arrays are
written to. What a kernel gives is handed to `given`.
"""

import math
from itertools import product

import numpy as np

from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.grid import NARROW_ROWS, WIDE_ROWS
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._core.moments import MomentSums
from hingemetrics._engine import machine_code

NAMES = tuple(dict.fromkeys(form for form, _ in machine_code.KEYS))
ROWS = {
    "fewest": (0, 1, 7, 513),  # for a checker that takes fifty times as long
    "few": (0, 1, 3, 255, 513),
    "many": (0, 1, 2, 3, 4, 5, 31, 255, 256, 257, 513, 1100),
}
CLASSES = {
    "fewest": (2, 3, 11, 12, 13, 30, 33, 700),
    "few": (2, 3, 10, 11, 130),
    "many": (*range(2, 34), 63, 64, 65, 127, 128, 129, 300),
}
COLUMNS = {"fewest": (1, 2, 7), "few": (1, 2, 7), "many": (*range(1, 9), 31, 64)}
SLOTS, LOWEST = 11, -5
NONE = np.empty(0)


def ignored(*arrays):
    """What to do with what kernels give, where only the touching counts."""


def calls(form, amount):
    """Rows and classes to call the kernels of a form with; or columns of losses."""
    classes = CLASSES if form in machine_code.FORMS else COLUMNS
    pairs = product(ROWS[amount], (1,) if form == "binary" else classes[amount])
    return [pair for pair in pairs if amount != "fewest" or math.prod(pair) < 20_000]


def try_all(form, rows, classes, placed, given=ignored):
    """Call all kernels of a form with so many rows, in every way."""
    for dtype in (dtype for name, dtype in machine_code.KEYS if name == form):
        kernel = machine_code.in_library(form, dtype)
        for flag, weighted, odd in product((False, True), (False, True), ODD[form]):
            what, kind = (form, dtype, rows, classes), (rows and odd, flag, weighted)
            TRIED.get(form, _try_losses)(kernel, what, *kind, placed, given)


def _try_losses(kernel, what, odd, squared, weighted, placed, given):
    form, dtype, rows, classes = what
    rng = np.random.default_rng(rows)
    preds = rng.normal(size=rows if form == "binary" else (rows, classes)).astype(dtype)
    target, weight = rng.integers(0, max(classes, 2), rows), rng.random(rows * weighted)
    if odd == "huge":
        target[-1] = 1
        preds[-1 if form == "binary" else (-1, 1)] = -1e30
    if odd == "wrong label":
        target[-1] = 10**6
    columns = 2 if form != "one-vs-all" else classes + 1
    digits = placed(np.zeros(COUNTERS + NARROW_ROWS * columns, int), True)
    wide = placed(np.zeros(WIDE_ROWS * columns, int), True)
    losses = placed(np.zeros((rows, columns - 1)), True)
    batch = *(placed(array, False) for array in (preds, target, weight)), squared
    none = np.empty(0, int)
    start = kernel(*batch, 0, digits, none)
    assert (start == rows) == (not odd), what
    if odd == "huge":
        start = kernel(*batch, start, digits, wide)
    assert (start == rows) == (odd != "wrong label"), what
    written = kernel(*batch, 0, digits, none, losses)
    assert (written == rows) == (odd != "wrong label"), what
    given(digits, wide, losses)


def _try_moments(kernel, what, odd, plain, weighted, placed, given):
    plain &= not weighted  # as callers say it
    *_, rows, columns = what
    rng = np.random.default_rng(rows)
    pair = rng.random((2, rows, columns))
    if odd == "huge":
        pair[1, -1, -1] = 1e30
    if odd == "not plain":
        pair[0, -1, -1] = 2.0**20
    digits = placed(MomentSums(columns + 1).digits, True)
    weight = rng.random(rows * weighted)
    arrays = [placed(array, False) for array in (*pair, weight)]
    assert (kernel(*arrays, plain, digits) == rows) == (odd != "huge"), what
    given(digits)


def _try_groups(kernel, what, odd, plain, weighted, placed, given):
    plain &= not weighted  # as callers say it
    *_, rows, columns = what
    rng = np.random.default_rng(rows)
    losses, labels = rng.random((rows, columns)), rng.integers(-1, 2, rows)
    codes, weight = rng.integers(0, SLOTS, rows) + LOWEST, rng.random(rows * weighted)
    codes[:SLOTS] = np.arange(SLOTS)[:rows] + LOWEST  # the first slot and the last one
    if odd == "huge":
        losses[-1, -1], labels[-1] = 1e30, 1
    if odd == "no such slot":
        codes[-1] = LOWEST + SLOTS
    sums = GroupAccumulator(SLOTS, columns, weighted, plain)
    table, pairs = placed(sums.table, True), placed(np.zeros((SLOTS, 2), int), True)
    digits = placed(np.zeros(COUNTERS, int), True)
    losses, weight, *rest = (placed(array, False) for array in (losses, weight, labels, codes))
    rest += [LOWEST, columns == 1, plain]
    found = kernel(losses, weight, *rest, table)
    assert (found == rows) == (not odd), what
    if columns == 1:
        found = kernel(placed(0.5 - losses[:, 0], False), NONE, *rest, pairs, digits)
        assert (found == rows) == (not odd), what
    given(table, pairs, digits)


TRIED = {machine_code.MOMENTS: _try_moments, machine_code.GROUPS: _try_groups}
ODD = {
    **dict.fromkeys(machine_code.FORMS, ("", "huge", "wrong label")),
    machine_code.MOMENTS: ("", "huge", "not plain"),
    machine_code.GROUPS: ("", "huge", "no such slot"),
}
