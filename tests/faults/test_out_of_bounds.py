"""Machine code touches nothing outside its arrays: pages that may not be touched lie around them.

A kernel that does so all the same ends its process, which is a child here.
"""

import signal
import sys

import pytest

from hingemetrics._engine import levels

PROGRAM = """
import ctypes, itertools, mmap, sys
import numpy as np
from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.grid import NARROW_ROWS, WIDE_ROWS
from hingemetrics._engine import levels, machine_code

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

def tried(form, dtype, rows, classes, squared, weighted, odd, at_the_end):
    rng = np.random.default_rng(rows)
    preds = rng.normal(size=rows if form == "binary" else (rows, classes)).astype(dtype)
    target, weight = rng.integers(0, max(classes, 2), rows), rng.random(rows * weighted)
    if odd == "huge" and rows:
        target[-1] = 1
        preds[-1 if form == "binary" else (-1, 1)] = -1e30
    if odd == "wrong label" and rows:
        target[-1] = 10**6
    columns = 2 if form != "one-vs-all" else classes + 1
    digits = np.zeros(COUNTERS + NARROW_ROWS * columns, int)
    wide = np.zeros(WIDE_ROWS * columns, int)
    arrays = [guarded(array, at_the_end) for array in (preds, target, weight)]
    sums = [guarded(array, at_the_end, READ_WRITE) for array in (digits, wide)]
    kernel = machine_code.at_hand(form, np.dtype(dtype))
    start = kernel(*arrays, squared, 0, sums[0], np.empty(0, int))
    if odd == "huge" and rows:
        assert start < rows
        start = kernel(*arrays, squared, start, *sums)
    assert (start == rows) == (odd != "wrong label" or not rows), (form, rows, classes, odd)
    losses = guarded(np.empty((rows, columns - 1)), at_the_end, READ_WRITE)
    written = kernel(*arrays, squared, 0, sums[0], np.empty(0, int), losses)
    assert (written == rows) == (odd != "wrong label" or not rows), (form, rows, classes, odd)
    return digits

form, few = sys.argv[1], sys.argv[2] == "few"
levels.of_processor = lambda: (sys.argv[3],)
for dtype, squared, weighted, odd, at_the_end in itertools.product(
    ("f4", "f8"), (False, True), (False, True), ("none", "huge", "wrong label"), (False, True)
):
    for rows in (0, 1, 3, 255, 513) if few else (0, 1, 2, 3, 4, 5, 31, 255, 256, 257, 513, 1100):
        for classes in (1,) if form == "binary" else (2, 3, 10, 11, 130) if few else (
            *range(2, 34), 63, 64, 65, 127, 128, 129, 300
        ):
            tried(form, dtype, rows, classes, squared, weighted, odd, at_the_end)
    for area in areas:
        protect(np.frombuffer(area, np.uint8).ctypes.data, len(area), READ_WRITE)
    areas.clear()
print("untouched")
"""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mprotect's numbers are Linux's")


@pytest.mark.parametrize("amount", ["few", pytest.param("many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", ["binary", "crammer-singer", "one-vs-all"])
@pytest.mark.parametrize("level", levels.of_processor())
def test_forbidden_pages(python, form, amount, level):
    run = python("-c", PROGRAM, form, amount, level)
    assert (run.returncode, run.stdout, run.stderr) == (0, "untouched\n", "")


TOUCH = (
    PROGRAM.partition("form, few = ")[0]
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
