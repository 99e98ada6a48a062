"""Backend and number of threads: what users may set, and the defaults."""

from pathlib import Path

import pytest
from oracle import says

import hingemetrics
from hingemetrics._engine import machine_code


def test_set_and_get(set_backend):
    for tier in ("numpy", "numba", "auto"):
        set_backend(tier)
        assert hingemetrics.get_backend() == tier


@pytest.mark.parametrize("bad", ["", "NumPy ", "cuda", None, 3])
def test_unknown(set_backend, bad):
    before = hingemetrics.get_backend()
    with pytest.raises((ValueError, TypeError), match=says("auto", "numpy", "numba")):
        set_backend(bad)
    assert hingemetrics.get_backend() == before


SHOW = "import hingemetrics; print(hingemetrics.get_backend())"


@pytest.mark.parametrize("tier", ["auto", "numpy", "numba"])
def test_environment(python, tier):
    assert python("-c", SHOW, HINGEMETRICS_BACKEND=tier).stdout == f"{tier}\n"


def test_auto_unless_told(python):
    assert python("-c", SHOW).stdout == "auto\n"


def test_unknown_environment(python):
    assert python("-c", "import hingemetrics", HINGEMETRICS_BACKEND="cuda").returncode == 0
    run = python("-c", SHOW, HINGEMETRICS_BACKEND="cuda")
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ValueError")
    assert all(word in last for word in ("cuda", "auto", "numpy", "numba"))


WITHOUT = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
import numpy as np
import hingemetrics
for _ in range(3):
    print(hingemetrics.hinge_loss(np.full(3_000_000, 0.5), np.ones(3_000_000)))
try:
    hingemetrics.set_backend("numba")
except ImportError as error:
    print("Numba" in str(error))
print(hingemetrics.get_backend())
"""


def test_without_numba_nor_machine_code_numpy_does_everything(bare):
    run = bare("-W", "error", "-c", WITHOUT)
    assert (run.stdout.split(), run.stderr) == (["0.5"] * 3 + ["True", "auto"], "")


@pytest.mark.skipif(not Path(machine_code.LIBRARY).exists(), reason="no machine code came")
def test_without_numba_the_library_does_everything(python):
    """Then all choices are to be had."""
    run = python("-W", "error", "-c", WITHOUT)
    assert (run.stdout.split(), run.stderr) == (["0.5"] * 3 + ["numba"], "")


THREADS = "import hingemetrics; print(hingemetrics.get_num_threads())"


@pytest.mark.parametrize("text", ["1", "2", "9" * 9])
def test_threads_of_the_environment(python, text):
    assert python("-c", THREADS, HINGEMETRICS_NUM_THREADS=text).stdout == f"{text}\n"


@pytest.mark.parametrize("text", ["1" + "0" * 9, "9" * 5000, "-1", "2.0", "two"])
def test_no_number_of_threads(python, text):
    run = python("-c", THREADS, HINGEMETRICS_NUM_THREADS=text)
    got = text if len(text) < 40 else f"{text[:40]}..."
    last = run.stderr.splitlines()[-1]
    assert last == f"ValueError: HINGEMETRICS_NUM_THREADS must be an int, got {got!r}"
