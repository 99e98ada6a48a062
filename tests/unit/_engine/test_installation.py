"""What show_config says is what is there, and to say it loads nothing."""

import platform
from pathlib import Path

import numpy as np
import pytest

import hingemetrics
from hingemetrics._engine import machine_code, targets

SHOW = """
import sys
import hingemetrics
hingemetrics.show_config()
print(sorted({"numba", "llvmlite"} & set(sys.modules)))
"""


def shown(run):
    """The lines after the first as a dictionary, and what was loaded."""
    assert (run.returncode, run.stderr) == (0, "")
    first, *lines, loaded = run.stdout.splitlines()
    assert first == f"hingemetrics {hingemetrics.__version__}"
    return dict(line.split(": ", 1) for line in lines), loaded


def test_versions_and_settings(python):
    settings = {"HINGEMETRICS_BACKEND": "numpy", "HINGEMETRICS_NUM_THREADS": "3"}
    facts, loaded = shown(python("-c", SHOW, **settings))
    assert facts["Python"].startswith(f"{platform.python_version()} on ")
    assert facts["NumPy"] == np.__version__
    assert (facts["backend"], facts["threads"]) == ("numpy", "3")
    assert loaded == "[]"


@pytest.mark.skipif(not Path(machine_code.LIBRARY).exists(), reason="no machine code came")
def test_the_library(python):
    facts, _ = shown(python("-c", SHOW))
    assert (
        facts["compiled kernels"]
        == f"{Path(machine_code.LIBRARY).name}, {targets.of_processor()[0]}"
    )


def test_no_machine_code(bare):
    facts, loaded = shown(bare("-c", SHOW, HINGEMETRICS_BACKEND="numba"))
    assert facts["compiled kernels"] == "none: the package was built without machine code"
    assert loaded == "[]"


def test_wrong_settings_are_told(python):
    """They are no reason to say nothing of the others."""
    wrong = {"HINGEMETRICS_BACKEND": "fast", "HINGEMETRICS_NUM_THREADS": "two"}
    facts, _ = shown(python("-c", SHOW, **wrong))
    assert "HINGEMETRICS_BACKEND must be one of" in facts["backend"]
    assert "HINGEMETRICS_NUM_THREADS must be an int" in facts["threads"]
    assert facts["NumPy"] == np.__version__


def test_the_command_says_the_same(python):
    said = python("-m", "hingemetrics", "--version").stdout
    assert said == "".join(python("-c", SHOW).stdout.splitlines(keepends=True)[:-1])
