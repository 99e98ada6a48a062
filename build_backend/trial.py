# mypy: ignore-errors
"""Run every kernel of a library on known data: ``trial.py LIBRARY TARGET...``.

For each target that this processor runs, states of machine code must have the bytes of NumPy's. The
targets that it does not run are printed.
"""

import ctypes
import sys
from functools import partial

import numpy as np

import hingemetrics
from hingemetrics._engine import machine_code, targets

ROWS = 1100  # a few blocks of every kernel, and rows beyond them


def results(columns, dtype, mode, squared, weight):
    """Yield what every question gives for data of one kind."""
    rows = np.arange(ROWS)
    target, groups = rows % 2, rows * 7 % 11
    preds = (np.outer(rows, (5, 6, 7)) % 31 / 8 - 2).astype(dtype)
    preds[[3, -2], [0, 1]] = np.nan, -1e30
    preds, other = preds[:, 0] if columns == 1 else preds, rows % 29 / 7 - 2
    options = {"squared": squared, "multiclass_mode": mode}
    metric = hingemetrics.HingeLoss(**options)
    metric.update(preds, target, weight)
    yield metric.state.to_bytes()
    losses = hingemetrics.hinge_loss(
        preds, target, **options, sample_weight=weight, reduction="none"
    )
    yield losses.tobytes()
    pair = hingemetrics.HingeComparison(**options)
    pair.update(preds, preds - (other if columns == 1 else other[:, np.newaxis]), target, weight)
    yield pair.state.to_bytes()
    by_group = hingemetrics.hinge_loss_by(preds, target, groups, **options, sample_weight=weight)
    yield np.array([*by_group.values()]).tobytes()


def every_result():
    """Return the results for data of all kinds."""
    kinds = [(1, None), (3, "crammer-singer"), (3, "one-vs-all")]
    return [
        result
        for columns, mode in kinds
        for dtype in machine_code.DTYPES
        for squared in (False, True)
        for weight in (None, np.arange(ROWS) % 5 / 7)
        for result in results(columns, dtype, mode, squared, weight)
    ]


def main(path, *chosen):
    """Fail if a kernel gives wrong bytes."""
    library = ctypes.CDLL(path)
    hingemetrics.set_backend("numpy")
    known = every_result()
    hingemetrics.set_backend("auto")
    here = targets.of_processor()
    for target in (target for target in chosen if target in here):
        machine_code.in_library = partial(machine_code.of_library, library, target=target)
        if every_result() != known:
            sys.exit(f"machine code for {target} gives wrong sums")
    print(*(target for target in chosen if target not in here))


if __name__ == "__main__":
    main(*sys.argv[1:])
