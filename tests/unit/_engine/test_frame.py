"""How kernels are called: they write where they may, read where they may, and scratch suffices."""

from itertools import cycle

import numpy as np
import pytest
from framed import CLASSES, ROWS, batch, sums_of

from hingemetrics._core import exact, grid
from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.losses import losses
from hingemetrics._core.tally import SAMPLES
from hingemetrics._engine import frame, machine_code, targets

GUARD = 0x5A5A5A5A5A5A5A5A
GUARD_WORDS = 600


def guarded(array):
    """An array with its values, between words that nobody may write; and whether nobody did."""
    words = -(-array.nbytes // 8)
    room = np.full(words + 2 * GUARD_WORDS, GUARD, np.int64)
    middle = room[GUARD_WORDS : GUARD_WORDS + words].view(array.dtype)[: array.size]
    middle = middle.reshape(array.shape)
    middle[...] = array
    around = np.ones(len(room), bool)
    around[GUARD_WORDS : GUARD_WORDS + words] = False
    return middle, lambda: bool((room[around] == GUARD).all())


@pytest.fixture(params=targets.of_processor())
def kernel(request, monkeypatch):
    """Gives kernels of a target, from the library, or else of this processor."""
    monkeypatch.setattr(targets, "of_processor", lambda: (request.param,))
    in_library, compiled = machine_code.in_library.__wrapped__, machine_code.on_request
    return lambda *key: in_library(*key) or compiled(*key)


@pytest.mark.parametrize("dtype", machine_code.DTYPES, ids=str)
@pytest.mark.parametrize("form", machine_code.FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_is_written_but_sums(kernel, form, dtype, weighted):
    """Neither around them nor into what is read, which is given as read-only."""
    call = kernel(form, dtype)
    for classes in [1] if form == "binary" else CLASSES:
        for rows in ROWS:
            given = [guarded(array) for array in batch(form, dtype, classes, rows, weighted)]
            for array, _ in given:
                array.flags.writeable = False
            for squared in (False, True):
                sums = [guarded(array) for array in sums_of(form, classes)]
                arrays = [array for array, _ in given]
                before = [array.tobytes() for array in arrays]
                done = call(*arrays, squared, 0, *(array for array, _ in sums))
                assert done == rows
                assert before == [array.tobytes() for array in arrays]
                assert all(untouched() for _, untouched in given + sums), (classes, rows)


@pytest.mark.parametrize("dtype", machine_code.DTYPES, ids=str)
@pytest.mark.parametrize("form", machine_code.FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_written(kernel, form, dtype, weighted):
    """All that NumPy computes and nothing else, from any row on; sums stay, but for counts."""
    call = kernel(form, dtype)
    mode = MulticlassMode("one-vs-all" if form == "one-vs-all" else "crammer-singer")
    for classes in [1] if form == "binary" else CLASSES:
        for rows, squared in zip(ROWS[1:], cycle((False, True))):
            given = batch(form, dtype, classes, rows, weighted)
            wanted = losses(*given[:2], mode, squared, given[2] if weighted else None)
            out, untouched = guarded(np.full(wanted.shape, -1.0))
            digits, wide = sums_of(form, classes)
            start = rows // 3
            assert call(*given, squared, start, digits, wide[:0], out) == rows
            assert np.array_equal(out[start:], wanted[start:], equal_nan=True)
            assert (out[:start] == -1).all(), (classes, rows)
            assert untouched(), (classes, rows)
            assert digits[SAMPLES] == rows - start
            assert not digits[COUNTERS:].any()


@pytest.mark.parametrize("form", machine_code.FORMS)
@pytest.mark.parametrize("bad", ["target", "weight"])
def test_losses_of_invalid_rows(kernel, form, bad):
    """The kernel stops before the block that has one."""
    preds, target, weight = batch(form, np.dtype(float), 2, 600, True)
    (target if bad == "target" else weight)[300] = -7
    out = np.empty(600 if form != "one-vs-all" else (600, 2))
    done = kernel(form, np.dtype(float))(preds, target, weight, False, 0, *sums_of(form, 2), out)
    assert done <= 300


@pytest.mark.parametrize("dtype", machine_code.DTYPES, ids=str)
@pytest.mark.parametrize("form", ["crammer-singer", "one-vs-all"])
def test_scratch_that_is_lent_suffices(kernel, monkeypatch, form, dtype):
    """With a wide grid or many classes; what is on the stack leaves no room for guards."""
    call = kernel(form, dtype)
    lent, empty = [], np.empty

    def guarded_empty(size, kind):
        array, untouched = guarded(empty(size, kind))
        lent.append(untouched)
        return array

    for classes in (1000, 1001, 4096, 10_000):
        for weighted in (False, True):
            arrays = batch(form, dtype, classes, 10, weighted)
            sums = sums_of(form, classes)
            with monkeypatch.context() as lending:
                lending.setattr(machine_code.np, "empty", guarded_empty)
                assert call(*arrays, True, 0, *sums) == 10
            assert all(untouched() for untouched in lent)
    assert len(lent) == 8, "chunks are too large for the stack"


@pytest.mark.more
@pytest.mark.parametrize("form", machine_code.FORMS)
def test_scratch_suffices_where_indices_are_checked(python, form):
    """As plain Python, where an index behind the end is an error, with no scratch to spare."""
    code = f"import framed; framed.interpret({form!r})"
    run = python("-c", code, NUMBA_DISABLE_JIT="1")
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("dtype", machine_code.DTYPES, ids=str)
@pytest.mark.parametrize("form", machine_code.FORMS)
def test_from_any_row_on(kernel, form, dtype):
    """What comes before is not added, nor read: a label there may be wrong."""
    call, classes = kernel(form, dtype), 1 if form == "binary" else 5
    preds, target, weight = batch(form, dtype, classes, 600, True)
    for start in (0, 1, 255, 256, 300, 599, 600):
        rest = sums_of(form, classes)
        call(preds[start:], target[start:], weight[start:], False, 0, *rest)
        wrong, sums = target.copy(), sums_of(form, classes)
        wrong[:start] = 77
        assert call(preds, wrong, weight, False, start, *sums) == 600
        assert [a.tobytes() for a in sums] == [a.tobytes() for a in rest], start


@pytest.mark.parametrize("widened", [False, True])
@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("form", machine_code.FORMS)
def test_scratch_grows_with_what_it_is_for(form, itemsize, widened):
    """Never less than what the parts of a kernel take together."""
    for classes in [1] if form == "binary" else range(2, 1100):
        doubles = frame.scratch_doubles(form, itemsize, classes, widened)
        assert doubles >= frame.BLOCK + 2 * frame.CHUNKS * widened
        if form == "one-vs-all":
            assert doubles >= exact.COUNTERS + grid.NARROW_ROWS * (classes + 1)


def test_a_frame_has_a_place_for_each_word():
    words = range(1, frame.WORDS + 1)
    assert np.frombuffer(frame.pack(*words), np.int64).tolist() == [*words]
