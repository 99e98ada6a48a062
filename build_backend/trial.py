# mypy: ignore-errors
"""Run every kernel of a library on known data: ``trial.py LIBRARY TARGET...``.

For each target that this processor runs, machine code must give what NumPy gives. The others are
printed.
"""

import ctypes
import sys
from functools import partial
from itertools import product

import numpy as np

import hingemetrics
from hingemetrics._engine import machine_code, targets

ROWS = np.arange(1100)  # a few blocks of every kernel, and rows beyond them
WEIGHTS = (None, ROWS % 5 / 7)
MODES = ("crammer-singer", "one-vs-all")


def results():
    """Yield the answer to every question about data of every kind."""
    preds = np.outer(ROWS, (5, 6, 7)) % 31 / 8 - 2
    preds[[3, -2], [0, 1]] = np.nan, -1e30
    target, groups = ROWS % 2, ROWS * 7 % 11
    every = product((preds[:, 0], preds), machine_code.DTYPES, MODES, (False, True), WEIGHTS)
    for values, dtype, mode, squared, weight in every:
        x = values.astype(dtype)
        options = {"squared": squared, "multiclass_mode": mode}
        metric, pair = hingemetrics.HingeLoss(**options), hingemetrics.HingeComparison(**options)
        metric.update(x, target, weight)
        pair.update(x, x[::-1] / 3, target, weight)
        yield metric.state.to_bytes() + pair.state.to_bytes()
        options["sample_weight"] = weight
        yield str(hingemetrics.hinge_loss_by(x, target, groups, **options))
        yield hingemetrics.hinge_loss(x, target, **options, reduction="none").tobytes()


def main(path, *chosen):
    """Fail if a kernel gives anything else than NumPy."""
    library, here = ctypes.CDLL(path), targets.of_processor()
    hingemetrics.set_backend("numpy")
    known = list(results())
    hingemetrics.set_backend("auto")
    for target in [target for target in chosen if target in here]:
        machine_code.in_library = partial(machine_code.of_library, library, target=target)
        if list(results()) != known:
            sys.exit(f"the machine code for {target} gives wrong sums")
    print(*(target for target in chosen if target not in here))


if __name__ == "__main__":
    main(*sys.argv[1:])
