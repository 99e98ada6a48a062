"""Time hinge_loss beside a NumPy one-liner and scikit-learn, in one process and in turn.

Results are compared before anything is timed. Quoted are medians of several rounds and their
ratio to a read (a sum) of the same arrays: absolute times say more about the machine.

    python benchmarks/compare.py            a table
    python benchmarks/compare.py --quick    small arrays, to see that it runs
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from sklearn.metrics import hinge_loss as sklearn_hinge_loss

from hingemetrics import hinge_loss, set_backend

Contender = Callable[[np.ndarray, np.ndarray], float]


def main() -> None:
    """Print the environment, then one table for each kind of data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds")
    quick = parser.parse_args().quick
    rounds = 2 if quick else 9
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ",
        end="",
    )
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "scikit-learn")))
    for title, shape, classes, numpy_loss in (
        ("binary", (10**7,), 2, numpy_binary),
        ("Crammer-Singer, 10 classes", (10**6, 10), 10, numpy_crammer_singer),
        ("Crammer-Singer, 1000 classes", (10**4, 1000), 1000, numpy_crammer_singer),
    ):
        rows = shape[0] // 1000 if quick else shape[0]
        rows = max(rows, 2 * classes)  # scikit-learn wants every class in the data
        rng = np.random.default_rng(0)
        preds = rng.normal(size=(rows, *shape[1:]))
        target = np.arange(rows) % classes
        contenders: dict[str, Contender] = {
            "read the arrays": lambda preds, target: float(preds.sum() + target.sum()),
            "hingemetrics (numba)": on_backend("numba"),
            "hingemetrics (numpy)": on_backend("numpy"),
            "NumPy one-liner": numpy_loss,
            "scikit-learn": lambda preds, target: sklearn_hinge_loss(target, preds),
        }
        print(f"\n{title}: {preds.shape} {preds.dtype}")
        check(contenders, preds, target)
        report(contenders, preds, target, rounds)


def on_backend(backend: str) -> Contender:
    """Return hinge_loss on one backend."""

    def measured(preds: np.ndarray, target: np.ndarray) -> float:
        set_backend(backend)
        return hinge_loss(preds, target)

    return measured


def numpy_binary(preds: np.ndarray, target: np.ndarray) -> float:
    """Return the binary hinge loss in one line of NumPy."""
    return np.maximum(0.0, 1.0 - np.where(target == 1, preds, -preds)).mean()


def numpy_crammer_singer(preds: np.ndarray, target: np.ndarray) -> float:
    """Return the Crammer-Singer hinge loss in a few lines of NumPy."""
    own = np.arange(preds.shape[1]) == target[:, np.newaxis]
    rival = np.where(own, -np.inf, preds).max(axis=1)
    return np.maximum(0.0, 1.0 - (preds[own] - rival)).mean()


def check(contenders: dict[str, Contender], preds: np.ndarray, target: np.ndarray) -> None:
    """Raise unless ours agree to the bit, and the peers within the error of a float sum."""
    losses = {name: contend(preds, target) for name, contend in contenders.items()}
    losses.pop("read the arrays")
    ours = {loss for name, loss in losses.items() if name.startswith("hingemetrics")}
    if len(ours) != 1:
        raise SystemExit(f"the tiers disagree: {losses}")
    for name, loss in losses.items():
        if not np.isclose(loss, *ours, rtol=1e-12):
            raise SystemExit(f"{name} disagrees: {losses}")


def report(
    contenders: dict[str, Contender], preds: np.ndarray, target: np.ndarray, rounds: int
) -> None:
    """Print each contender's median time and its ratio to a read, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contend in contenders.items():
            start = time.perf_counter()
            contend(preds, target)
            times[name].append(time.perf_counter() - start)
    read = statistics.median(times["read the arrays"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"  {name:22} {median * 1e3:9.2f} ms {median / read:8.2f}x")


if __name__ == "__main__":
    main()
