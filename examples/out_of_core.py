"""Measure arrays on disk that are far larger than the memory allowed, and check the value.

    python examples/out_of_core.py --gigabytes 8 --limit-mb 200

Needs an operating system that limits a process's data, as Linux does.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from hingemetrics import hinge_loss

BLOCK_ROWS = 100_000  # the arrays are this block over and over, so that their loss is its loss
BYTES_A_ROW = 16  # a float64 and an int64


def make_block():
    """Return predictions and targets of one block."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, BLOCK_ROWS)
    return rng.normal(2.0 * target - 1.0), target


def expected_loss():
    """Return the loss in rational numbers, rounded once, by none of the package's code."""
    losses = (
        max(0.0, 1.0 - (score if label else -score))
        for score, label in zip(*map(np.ndarray.tolist, make_block()), strict=True)
    )
    return float(sum(map(Fraction, losses)) / BLOCK_ROWS)


def write(directory, blocks):
    """Write preds.npy and target.npy, block by block."""
    for name, block in zip(("preds", "target"), make_block(), strict=True):
        rows = blocks * BLOCK_ROWS
        array = np.lib.format.open_memmap(directory / f"{name}.npy", "w+", block.dtype, (rows,))
        for first in with_progress(range(0, rows, BLOCK_ROWS), f"writing {name}.npy"):
            array[first : first + BLOCK_ROWS] = block
        array.flush()


def with_progress(items, what):
    """Return items that show on standard error how far they are, where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return items
    return tqdm(items, what, delay=1, leave=False, disable=None)


def limit_data(megabytes):
    """Limit what this process may allocate.

    RLIMIT_DATA counts what is private and written to. RLIMIT_AS cannot be used: it counts mapped
    files too, of which the kernel keeps no more in memory than there is room for.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 10**6, megabytes * 10**6))


def measure(directory):
    """Return the loss, and the most megabytes of anonymous memory seen meanwhile."""
    preds = np.load(directory / "preds.npy", mmap_mode="r")
    target = np.load(directory / "target.npy", mmap_mode="r")
    with watched_memory() as seen:
        loss = hinge_loss(preds, target)
    return loss, max(seen)


def read_whole(directory):
    """Return whether the predictions can be read into memory."""
    try:
        np.load(directory / "preds.npy")
    except MemoryError:
        return False
    return True


@contextmanager
def watched_memory():
    """Fill a list with the anonymous memory in use, in megabytes, every few milliseconds."""
    done, seen = threading.Event(), [anonymous_memory()]

    def watch():
        while not done.wait(0.005):
            seen.append(anonymous_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        seen.append(anonymous_memory())


def anonymous_memory():
    """Return the megabytes that are in memory and belong to no file, or NaN if nobody says."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    kibibytes = next((line.split()[1] for line in lines if line.startswith("RssAnon")), "nan")
    return float(kibibytes) * 1024 / 10**6


def in_limited_process(megabytes, function, directory):
    """Return what a function gives in a new process that may allocate so many megabytes.

    OpenBLAS, in NumPy, would set 32 MB more aside for each processor, and waits forever if it
    cannot.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, limit_data, (megabytes,)) as executor:
        return executor.submit(function, directory).result()


def main():
    """Write the arrays, measure them, and say whether the value is right."""
    parser = argparse.ArgumentParser(description="The hinge loss of more than fits in memory.")
    parser.add_argument("--gigabytes", type=float, default=8.0, help="of both arrays together")
    parser.add_argument("--limit-mb", type=int, default=200, help="what may be allocated")
    parser.add_argument("--directory", type=Path, help="where to write, and keep, the arrays")
    arguments = parser.parse_args()
    blocks = max(1, round(arguments.gigabytes * 10**9 / BYTES_A_ROW / BLOCK_ROWS))
    with tempfile.TemporaryDirectory() as folder:
        directory = arguments.directory or Path(folder)
        directory.mkdir(parents=True, exist_ok=True)
        write(directory, blocks)
        loss, megabytes = in_limited_process(arguments.limit_mb, measure, directory)
        fits = in_limited_process(arguments.limit_mb, read_whole, directory)
    right = expected_loss()
    print(f"loss: {loss}")
    print(f"in rational numbers: {right}, {'equal' if loss == right else 'NOT EQUAL'}")
    print(f"data: {blocks * BLOCK_ROWS * BYTES_A_ROW / 10**6:.0f} MB in {blocks * BLOCK_ROWS} rows")
    print(f"anonymous memory: at most {megabytes:.0f} MB seen, {arguments.limit_mb} MB allowed")
    print(f"preds read into memory under that limit: {'it fits' if fits else 'MemoryError'}")
    if loss != right:
        raise SystemExit(1)


if __name__ == "__main__":  # the processes import this file
    main()
