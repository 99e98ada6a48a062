"""The data in examples/ are what the script there makes."""

import shutil

import numpy as np
import pytest
from places import EXAMPLES

# Every x86-64 processor can run what OpenBLAS has for Prescott; other libraries do not look at it.
BLAS = {"for this processor": {}, "for an old one": {"OPENBLAS_CORETYPE": "Prescott"}}


@pytest.mark.parametrize("blas", [pytest.param(blas, marks=pytest.mark.more) for blas in BLAS])
def test_examples_are_what_their_script_makes(python, tmp_path, blas):
    """Labels exactly; where the solver stops, and so its last digits, is up to the processor."""
    shutil.copy(EXAMPLES / "make_examples.py", tmp_path)
    run = python("-W", "ignore", tmp_path / "make_examples.py", **BLAS[blas])
    assert run.returncode == 0, run.stderr
    made, kept = ({path.name for path in folder.glob("*.npy")} for folder in (tmp_path, EXAMPLES))
    assert made == kept
    assert len(kept) == 5
    for name in kept:
        fresh, old = np.load(tmp_path / name), np.load(EXAMPLES / name)
        assert (fresh.shape, fresh.dtype) == (old.shape, old.dtype)
        if "target" in name:
            assert (fresh == old).all()
        else:
            assert np.abs(fresh - old).max() < 1e-3 * np.abs(old).max()
