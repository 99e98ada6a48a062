"""Batches and sums as kernels take them, also where indices are checked."""

import numpy as np

from hingemetrics._core import exact, grid
from hingemetrics._engine import frame, machine_code

CLASSES = [2, 3, 5, 8, 11, 12, 13, 31, 32, 33, 63, 64, 65, 70, 1000]
ROWS = [0, 1, 3, 31, 256, 257, 600]


def batch(form, dtype, classes, rows, weighted):
    """Predictions of all kinds, targets, and weights or none."""
    rng = np.random.default_rng(classes + rows)
    preds = rng.normal(size=rows if form == "binary" else (rows, classes)).astype(dtype)
    preds.flat[::97] = np.resize([np.nan, 1e30, -np.inf, 1e-30], len(preds.flat[::97]))
    target = rng.integers(0, 2 if form == "binary" else classes, rows)
    return preds, target, rng.random(rows if weighted else 0)


def sums_of(form, classes):
    """Digits and wide digits of nothing."""
    columns = classes + 1 if form == "one-vs-all" else 2
    narrow = np.zeros(exact.COUNTERS + grid.NARROW_ROWS * columns, np.int64)
    return narrow, np.zeros(grid.WIDE_ROWS * columns, np.int64)


def interpret(form):
    """Run the kernels of a form as plain Python, a row more than they take at a time."""
    from hingemetrics._engine import kernels

    for dtype in machine_code.DTYPES:
        for classes in [1] if form == "binary" else [2, 3, 7, 11, 12, 13, 33, 64, 65, 70]:
            if form == "one-vs-all":
                rows = 2 * frame.joined_tile(classes)[1] + 1
            else:
                rows = frame.short_tile(classes, dtype.itemsize)[0] + 1
            arrays = batch(form, dtype, classes, rows, weighted=bool(classes % 2))
            done = kernels.interpreted(form, dtype)(*arrays, True, 0, *sums_of(form, classes))
            assert done == rows
