"""MPI, the real one: any number of ranks give the bits of one call on all the data."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, TOOLS

PROGRAM = TOOLS / "mpi_program.py"


def mpiexec(ranks, *arguments):
    """Run a program on ranks of a real MPI."""
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    return subprocess.run(
        [launcher, "-n", str(ranks), sys.executable, "-m", "mpi4py", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TOOLS))),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # longer is a hang
    )


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_laws(ranks):
    run = mpiexec(ranks, PROGRAM, "laws")
    assert (run.returncode, run.stdout) == (0, f"{ranks} ranks, 36 checks\n"), run.stderr


def test_configurations_that_disagree_end_the_job():
    run = mpiexec(2, PROGRAM, "mismatch")
    assert run.returncode != 0
    assert "ValueError: states must have the same configuration" in run.stderr
