"""Measure shards in other processes and add their states: the same bits as all at once.

python examples/parallel.py --engine joblib --start spawn
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from hingemetrics import HingeLoss, HingeState

FOLDER = Path(__file__).parent
WORKERS = 2
SHARDS = 5


def measure(rows: slice) -> HingeState:
    """Return the state of some rows, which each process reads for itself."""
    preds = np.load(FOLDER / "digits_preds.npy", mmap_mode="r")
    target = np.load(FOLDER / "digits_target.npy", mmap_mode="r")
    metric = HingeLoss()
    metric.update(preds[rows], target[rows])
    return metric.state


def with_multiprocessing(shards: list[slice], start: str) -> HingeState:
    """Use a pool of the standard library; states are added in whatever order they come."""
    with multiprocessing.get_context(start).Pool(WORKERS) as pool:
        return sum(pool.imap_unordered(measure, shards), HingeState())


def with_futures(shards: list[slice], start: str) -> HingeState:
    """Use an executor of the standard library."""
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(WORKERS, mp_context=context) as executor:
        return sum(executor.map(measure, shards), HingeState())


def with_joblib(shards: list[slice], start: str) -> HingeState:
    """Use joblib: its backend "multiprocessing" forks, "loky" starts anew."""
    from joblib import Parallel, delayed

    backend = "multiprocessing" if start == "fork" else "loky"
    states = Parallel(WORKERS, backend=backend)(delayed(measure)(rows) for rows in shards)
    return sum(states, HingeState())


ENGINES = {
    "multiprocessing": with_multiprocessing,
    "futures": with_futures,
    "joblib": with_joblib,
}


def main() -> None:
    """Print the loss of the examples' digits."""
    parser = argparse.ArgumentParser(description="The hinge loss, in several processes.")
    parser.add_argument("--engine", choices=list(ENGINES), default="futures")
    parser.add_argument("--start", choices=["fork", "spawn", "forkserver"], default="spawn")
    arguments = parser.parse_args()
    samples = len(np.load(FOLDER / "digits_target.npy", mmap_mode="r"))
    ends = np.linspace(0, samples, SHARDS + 1, dtype=int).tolist()
    shards = list(map(slice, ends[:-1], ends[1:]))
    print(ENGINES[arguments.engine](shards, arguments.start).value())


if __name__ == "__main__":  # processes that are spawned import this file
    main()
