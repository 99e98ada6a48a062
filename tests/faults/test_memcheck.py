"""Valgrind's memcheck finds nothing in machine code: no address outside of its arrays, and no
branch, address or result that hangs on bytes that nobody wrote, such as those of scratch.

What it finds in the interpreter and in NumPy is not counted.
"""

import os
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from places import PACKAGE, TOOLS

from hingemetrics._engine import machine_code, targets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind, a program"),
    pytest.mark.skipif(not os.path.exists(machine_code.LIBRARY), reason="needs the library"),
]
EMULATED = [name for name in targets.of_processor() if name != "x86-64-v4"]  # it has no AVX-512

BEGIN = """
import os, sys
import numpy as np
import bounds
from hingemetrics._engine import machine_code, targets

targets.of_processor = lambda: (sys.argv[1],)
nowhere = os.open(os.devnull, os.O_WRONLY)

def placed(array, written):
    return array.copy()  # in memory of its own, which malloc gives

def written(*arrays):
    '''A system call is told where bytes were never written, or made of such.'''
    for array in arrays:
        os.write(nowhere, array)
"""
ALL = (
    BEGIN
    + """
for form in bounds.NAMES:
    for rows, classes in bounds.calls(form, "fewest"):
        bounds.try_all(form, rows, classes, placed, written)
print("done")
"""
)
WRONG = (
    BEGIN
    + """
import framed
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._core.moments import MomentSums

ROWS, NONE = 513, np.empty(0)  # so many that NumPy has no written memory at hand for them
labels, ones = np.zeros(ROWS, int), np.ones((ROWS, 2))

def short(*columns):
    return np.ones((ROWS - 1, *columns))

def unwritten(*columns):
    return np.empty((ROWS, *columns))

for form, dtype in machine_code.KEYS:
    kernel = machine_code.in_library(form, dtype)
    for wrong in short, unwritten:
        if form == machine_code.MOMENTS:
            kernel(ones, wrong(2), NONE, False, MomentSums(3).digits)
        elif form == machine_code.GROUPS:
            table = GroupAccumulator(1, 2, True, False).table
            kernel(ones, wrong(), labels, labels, 0, False, False, table)
        else:
            preds = wrong() if form == "binary" else wrong(2)
            kernel(preds.astype(dtype), labels, NONE, False, 0, *framed.sums_of(form, 2))
print("done")
"""
)


@pytest.fixture
def memcheck(tmp_path):
    """Run a program under memcheck; return the kinds of what it finds, by kernel."""

    def run(program, target):
        found = tmp_path / "found.xml"
        path = os.pathsep.join(map(str, (PACKAGE.parent, TOOLS)))
        ran = subprocess.run(
            [
                *("valgrind", "--tool=memcheck", "--leak-check=no", "--error-limit=no"),
                *("--redzone-size=4096", "--xml=yes", f"--xml-file={found}"),
                *(sys.executable, "-c", program, target),
            ],
            env={**os.environ, "PYTHONPATH": path, "PYTHONMALLOC": "malloc"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        by_kernel = kinds(ElementTree.parse(found))
        assert (ran.returncode, ran.stdout) == (0, "done\n"), (by_kernel, ran.stderr)
        return by_kernel

    return run


def kinds(found):
    """The kinds of errors in kernels, or in what was given by them, by the name of the kernel."""
    by_kernel = {}
    for error in found.iter("error"):
        kind = error.findtext("kind")
        names = [
            frame.findtext("fn")
            for frame in error.iter("frame")
            if os.path.basename(frame.findtext("obj", "")) == os.path.basename(machine_code.LIBRARY)
        ]
        if names or kind == "SyscallParam":
            by_kernel.setdefault(names[0] if names else None, set()).add(kind)
    return by_kernel


@pytest.mark.parametrize("target", EMULATED)
def test_nothing_is_found(memcheck, target):
    assert memcheck(ALL, target) == {}


def test_what_is_wrong_is_found(memcheck):
    """An array that is a row too short, and one that nobody wrote to, in each kernel."""
    target = EMULATED[0]
    found = memcheck(WRONG, target)
    assert {*found} == {targets.symbol(*key, target) for key in machine_code.KEYS}
    assert all({"InvalidRead", "UninitCondition"} <= kinds for kinds in found.values())
