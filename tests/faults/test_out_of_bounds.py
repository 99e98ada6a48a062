"""Machine code touches nothing outside its arrays: pages that may not be touched lie around them.

A kernel that does so all the same ends its process, which is a child here.
"""

import signal
import sys

import bounds
import pytest

from hingemetrics._engine import targets

GUARD = """
import ctypes, mmap, sys
import numpy as np

protect = ctypes.CDLL(None, use_errno=True).mprotect
protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
PAGE, READ, READ_WRITE = mmap.PAGESIZE, 1, 3
areas = []

def guarded(array, at_the_end, mode=READ):
    '''A copy between two forbidden pages, as near to one of them as it can be.'''
    room = -(-max(array.nbytes, 1) // PAGE) * PAGE
    area = mmap.mmap(-1, room + 2 * PAGE)
    areas.append(area)
    first = PAGE + (room - array.nbytes if at_the_end else 0)
    copy = np.frombuffer(area, array.dtype, array.size, first).reshape(array.shape)
    copy[...] = array
    start = np.frombuffer(area, np.uint8).ctypes.data
    for page, size, wanted in ((0, PAGE, 0), (PAGE, room, mode), (PAGE + room, PAGE, 0)):
        assert protect(start + page, size, wanted) == 0
    return copy
"""

PROGRAM = (
    GUARD
    + """
import bounds
from hingemetrics._engine import targets

form, amount, target = sys.argv[1:]
targets.of_processor = lambda: (target,)
for rows, classes in bounds.calls(form, amount):
    for at_the_end in (False, True):
        def placed(array, written):
            return guarded(array, at_the_end, READ_WRITE if written else READ)
        bounds.try_all(form, rows, classes, placed)
    for area in areas:
        protect(np.frombuffer(area, np.uint8).ctypes.data, len(area), READ_WRITE)
    areas.clear()
print("untouched")
"""
)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mprotect's numbers are Linux's")


@pytest.mark.parametrize("amount", ["few", pytest.param("many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", bounds.NAMES)
@pytest.mark.parametrize("target", targets.of_processor())
def test_forbidden_pages(python, form, amount, target):
    run = python("-c", PROGRAM, form, amount, target)
    assert (run.returncode, run.stdout, run.stderr) == (0, "untouched\n", "")


TOUCH = (
    GUARD
    + """
at_the_end, place = sys.argv[1] == "end", int(sys.argv[2])
array = guarded(np.zeros(3), at_the_end)
print(ctypes.c_double.from_address(array.ctypes.data + 8 * place).value)
"""
)


@pytest.mark.parametrize(("where", "inside", "outside"), [("end", 2, 3), ("start", 0, -1)])
def test_who_touches_them_ends(python, where, inside, outside):
    assert python("-c", TOUCH, where, inside).stdout == "0.0\n"
    assert python("-c", TOUCH, where, outside).returncode == -signal.SIGSEGV
