"""The examples: shards in any kind of process, and arrays larger than the memory allowed."""

import sys

import numpy as np
import pytest
from oracle import bits, expected
from places import EXAMPLES


def digits():
    """The loss of the examples' digits, by the oracle."""
    preds, target = (np.load(EXAMPLES / f"digits_{part}.npy") for part in ("preds", "target"))
    return expected(preds, target)


# One in a quick run; more have each way to make a pool, and each way to start processes; slow ones
# have all pairs.
QUICK = [("multiprocessing", "fork")]
MORE = [("futures", "spawn"), ("joblib", "spawn")]
SLOW = [("multiprocessing", "spawn"), ("futures", "fork"), ("joblib", "fork")]


@pytest.mark.parametrize(
    ("engine", "start"),
    [
        *QUICK,
        *(pytest.param(*pair, marks=pytest.mark.more) for pair in MORE),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SLOW),
    ],
)
def test_parallel(python, engine, start):
    if engine == "joblib":
        pytest.importorskip("joblib")
    run = python(EXAMPLES / "parallel.py", "--engine", engine, "--start", start)
    assert (run.returncode, run.stderr) == (0, "")
    assert bits(float(run.stdout)) == bits(digits())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's data")
@pytest.mark.parametrize(
    ("backend", "gigabytes", "megabytes"),
    [
        pytest.param("numpy", 0.2, 90, marks=pytest.mark.more),
        pytest.param("auto", 0.36, 170, marks=pytest.mark.slow),
    ],
)
def test_out_of_core(python, tmp_path, backend, gigabytes, megabytes):
    """The NumPy tier needs less memory: the same law holds of smaller files, sooner."""
    run = python(
        EXAMPLES / "out_of_core.py",
        *("--gigabytes", gigabytes, "--limit-mb", megabytes, "--directory", tmp_path / "new"),
        HINGEMETRICS_BACKEND=backend,
    )
    assert (run.returncode, run.stderr) == (0, "")
    printed = dict(line.split(": ", 1) for line in run.stdout.splitlines())
    assert printed["in rational numbers"] == f"{printed['loss']}, equal"
    assert printed["preds read into memory under that limit"] == "MemoryError"
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "new").iterdir()}
    assert sizes.keys() == {"preds.npy", "target.npy"}
    assert sum(sizes.values()) > 2 * megabytes * 10**6
    target = np.load(tmp_path / "new" / "target.npy", mmap_mode="r")
    preds = np.load(tmp_path / "new" / "preds.npy", mmap_mode="r")
    assert (preds.dtype, target.dtype) == (np.float64, np.int64)
    assert bits(float(printed["loss"])) == bits(expected(preds[-100_000:], target[-100_000:]))
