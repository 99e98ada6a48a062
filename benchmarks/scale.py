"""What states cost on many machines: their bytes, and what merging takes beside making them.

Prints the tables of docs/scale.md. States stand for many samples by being merged with themselves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from hingemetrics import HingeLoss, HingeState, set_backend

SAMPLES = (10**3, 10**6, 10**9, 10**12, 10**18, 10**30, 2**127)
FORMS = (("binary", 1, None), ("Crammer-Singer", 1000, None), ("one-vs-all", 10, "one-vs-all"))
FORMS += (("one-vs-all", 1000, "one-vs-all"),)
ROWS = 1000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200, help="of each timing (default 200)")
    repeats = parser.parse_args().repeats
    set_backend("numba")
    print("| state | " + " | ".join(f"{float(n):.0e} samples" for n in SAMPLES) + " |")
    print("|---|" + "---|" * len(SAMPLES))
    for name, classes, mode in FORMS:
        base = state_of(classes, mode)
        sizes = [str(len(times(base, max(1, n // ROWS)).to_bytes())) for n in SAMPLES]
        print(f"| {titled(name, classes, mode)} | " + " | ".join(sizes) + " |")
    print()
    print("| state | merge | to_bytes | from_bytes | value |")
    print("|---|---|---|---|---|")
    for name, classes, mode in FORMS:
        one, other = (times(state_of(classes, mode, seed), 10**4) for seed in (1, 2))
        data = one.to_bytes()
        metric = HingeLoss(multiclass_mode=mode)
        batch = arrays(classes, 32)
        costs = medians(
            [
                lambda metric=metric, batch=batch: metric.update(*batch),
                lambda one=one, other=other: one + other,
                one.to_bytes,
                lambda data=data: HingeState.from_bytes(data),
                one.value,
            ],
            repeats,
        )
        ratios = [f"{cost / costs[0]:.2g}" for cost in costs[1:]]
        print(f"| {titled(name, classes, mode)} | " + " | ".join(ratios) + " |")


def titled(name: str, classes: int, mode: str | None) -> str:
    """Return what to call a kind of state."""
    return f"{name}, {classes} classes" if mode else name


def arrays(classes: int, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and targets; one class is binary."""
    rng = np.random.default_rng(seed)
    preds = rng.normal(size=rows if classes == 1 else (rows, classes))
    return preds, rng.integers(0, max(classes, 2), rows)


def state_of(classes: int, mode: str | None, seed: int = 0) -> HingeState:
    """Return the state of some rows."""
    metric = HingeLoss(multiclass_mode=mode)
    metric.update(*arrays(classes, ROWS, seed))
    return metric.state


def times(state: HingeState, number: int) -> HingeState:
    """Return a state merged with itself, `number` times over."""
    total, doubled = state - state, state
    while number:
        if number & 1:
            total = total + doubled
        number >>= 1
        if number:
            doubled = doubled + doubled
    return total


def medians(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median times of functions that take turns, in seconds."""
    found: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, seconds in zip(functions, found, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in found]


if __name__ == "__main__":
    main()
