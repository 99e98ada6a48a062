"""The losses again, compiled: each kernel reads its arrays once and adds to exact sums.

A kernel works in blocks of rows that stay in the L1 cache: it checks their labels, computes their
losses into a buffer, and peels the buffer into integers (see `exact`). It returns the row at which
it stopped: the end, or a row before which everything was added, because after it comes a label or
weight that cannot be, or a double that needs the whole grid of digits when none was given.

Kernels, helpers and constants share this file because Numba's cache sees no edits elsewhere. Each
kernel is a function of its own with one signature: several signatures in one cache entry can race
between processes and load the wrong code. No fastmath, no parallel. No int64 wraps around on valid
data, so the same source gives the same bits under NUMBA_DISABLE_JIT=1.
"""
# Numba infers the types below, and mypy cannot follow it there.
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numba import config, from_dtype, njit, types

BLOCK = 256  # losses in a buffer: 2 KiB, with what they are made of well inside the L1 cache
SHORT = 12  # Crammer-Singer rows of fewer classes are worked on together ...
TILE = 1024  # ... so many predictions at a time
JOINED = 64  # one-vs-all rows of fewer classes are joined to at least this length
PASSES = 4  # so many of them share one pass over the accumulators
FOLD = 512  # one-vs-all tiles between folds: 4 * 512 integers below 2**51 stay below 2**62

# What `exact` and `state` say too, written out again so that an edit changes this file; a test
# holds both together.
MAGIC0, MAGIC1, MAGIC2 = 1.5 * 2.0**31, 1.5 * 2.0**-19, 1.5 * 2.0**-69
BITS0, BITS1, BITS2 = 0x41E8000000000000, 0x3EC8000000000000, 0x3BA8000000000000
PLACE0, PLACE1, PLACE2 = 1056, 1006, 956
NEAR_FIRST, NEAR_ROWS, NAN_ROW, INF_ROW, FAR_ROWS = 29, 7, 67, 68, 69
SAMPLES, ZEROS, NEGATIVES, UNWEIGHTED, COUNTERS = 0, 1, 2, 3, 4

LIMIT = 2.0**30 - 2.0**-22  # from here on the first level carries into bit 51
LOW = (1 << 32) - 1
MANTISSA = (1 << 52) - 1


# Helpers are only called by kernels, and a quarter quicker to compile for knowing it.
_helper = njit(  # type: ignore[call-overload]
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


# Exact integers


@_helper
def _bits(x):
    """Return the bit pattern of a double."""
    return np.float64(x).view(np.int64)


@_helper
def _level(x, magic, magic_bits):
    """Return the integer that a level takes off x, and what it leaves."""
    rounded = x + magic
    return _bits(rounded) - magic_bits, x - (rounded - magic)


@_helper
def _fold(digits, at, columns, place, amount):
    """Add amount * 2**(place + LOWEST) to a column of digits; digit 0 of it would be at `at`."""
    at += (place >> 5) * columns
    shift = place & 31
    low, high = (amount & LOW) << shift, (amount >> 32) << shift
    digits[at] += low & LOW
    digits[at + columns] += (low >> 32) + (high & LOW)
    digits[at + 2 * columns] += high >> 32


@_helper
def _fold_levels(hot, column, columns, first, second, third):
    """Add the sums of the three levels to a column of near digits."""
    at = COUNTERS - NEAR_FIRST * columns + column
    _fold(hot, at, columns, PLACE0, first)
    _fold(hot, at, columns, PLACE1, second)
    _fold(hot, at, columns, PLACE2, third)


@_helper
def _add_far(x, far, column):
    """Add a double of any size and sign to the whole grid."""
    columns = len(far) // FAR_ROWS
    bits = _bits(x)
    exponent, mantissa = (bits >> 52) & 0x7FF, bits & MANTISSA
    if exponent == 0x7FF:
        far[(NAN_ROW if mantissa else INF_ROW) * columns + column] += 1
        return
    if exponent:
        mantissa |= MANTISSA + 1
    else:
        exponent = 1
    _fold(far, column, columns, exponent + 2, -mantissa if bits < 0 else mantissa)


@_helper
def _peel(x, n):
    """Return the sums of three levels over n doubles, and whether any is too big or too fine."""
    first = second = third = big = fine = np.int64(0)
    for i in range(n):
        digit, rest = _level(x[i], MAGIC0, BITS0)
        first += digit
        big |= digit
        digit, rest = _level(rest, MAGIC1, BITS1)
        second += digit
        digit, rest = _level(rest, MAGIC2, BITS2)
        third += digit
        fine |= _bits(rest)
    return first, second, third, big >> 51, fine


@_helper
def _move_big(x, n, far, column, width):
    """Move what is too big for the first level, inf and NaN to the whole grid; tell if any was.

    `x` holds rows of `width` doubles, which belong to the columns from `column` on.
    """
    moved = False
    for i in range(n):
        if not x[i] < LIMIT:
            _add_far(x[i], far, column + i % width)
            x[i] = 0.0
            moved = True
    return moved


@_helper
def _add_rests(x, n, far, column, width):
    """Add what the third level leaves to the whole grid."""
    for i in range(n):
        rest = _level(x[i], MAGIC0, BITS0)[1]
        rest = _level(rest, MAGIC1, BITS1)[1]
        rest = _level(rest, MAGIC2, BITS2)[1]
        if rest != 0.0:
            _add_far(rest, far, column + i % width)


@_helper
def _peel_all(x, n, far, column):
    """Return the sums of three levels over n doubles >= 0, and False if those need a grid."""
    first, second, third, big, fine = _peel(x, n)
    if (big or fine) and not len(far):
        return first, second, third, False
    if big:
        _move_big(x, n, far, column, 1)
        first, second, third, big, fine = _peel(x, n)
    if fine:
        _add_rests(x, n, far, column, 1)
    return first, second, third, True


# Blocks


@_helper
def _count(hot, n, weight):
    """Count n samples."""
    hot[SAMPLES] += n
    if not len(weight):
        hot[UNWEIGHTED] += n


@_helper
def _copy_labels(target, row, n, classes, labels):
    """Copy n labels, and return whether all are in [0, classes).

    The copy is what is used: the caller's array may be written by another thread meanwhile.
    """
    outside = np.int64(0)
    for i in range(n):
        label = target[row + i]
        labels[i] = label
        outside |= np.int64(not 0 <= label < classes)
    return outside == 0


@_helper
def _is_no_weight(weight):
    """Return 0 for a finite weight >= 0, else 1."""
    return np.int64(not 0.0 <= weight < np.inf)


@_helper
def _clip(loss):
    """Return max(0, loss); NaN stays NaN."""
    return 0.0 if loss < 0.0 else loss


@_helper
def _square(x, n):
    """Square n losses."""
    for i in range(n):
        x[i] *= x[i]


@_helper
def _weigh(x, weight, n):
    """Multiply n losses by their weights; return whether those are finite and >= 0."""
    bad = np.int64(0)
    for i in range(n):
        bad |= _is_no_weight(weight[i])
        x[i] *= weight[i]
    return bad == 0


@_helper
def _add_weights(weight, n, x, hot, far, column):
    """Add n valid weights to a column; False, and nothing added, if they need a grid."""
    first, second, third, big, fine = _peel(weight, n)
    fits = not (big or fine)  # -0.0 is fine, in that sense
    if not fits:
        for i in range(n):
            x[i] = weight[i] + 0.0  # -0.0 becomes 0.0
        first, second, third, fits = _peel_all(x, n, far, column)
    if fits:
        _fold_levels(hot, column, column + 1, first, second, third)
    return fits


@_helper
def _add_block(x, n, weight, row, squared, hot, far):
    """Add the plain losses of n rows and their weights; False, and nothing added, if it cannot."""
    if squared:
        _square(x, n)
    weights = weight[row : row + n]
    if len(weights) and not _weigh(x, weights, n):
        return False
    first, second, third, fits = _peel_all(x, n, far, 0)
    if fits and len(weights):
        fits = _add_weights(weights, n, x, hot, far, 1)
    if fits:
        _fold_levels(hot, 0, 2, first, second, third)
    return fits


# Binary


@_helper
def _binary_loss(x, positive):
    """Return 1 - x clipped if `positive` is 1, 1 + x if it is 0."""
    return _clip(1.0 + np.int64(_bits(x) ^ (positive << 63)).view(np.float64))


@_helper
def _binary_losses(preds, target, x):
    """Compute the losses of rows; return the OR of what should be 0 or 1, and label counts."""
    outside = positives = negatives = np.int64(0)
    for i in range(len(target)):
        negative = target[i] >> 63  # -1 or 0
        positive = target[i] - negative  # 0 or 1, for a label that is -1, 0 or 1
        outside |= positive
        positives += positive
        negatives -= negative
        x[i] = _binary_loss(preds[i], positive)
    return outside, positives, negatives


@_helper
def _peel_binary(preds, target):
    """Do what _binary_losses does and peel at once: a quarter faster than through a buffer.

    Two levels do: a plain loss is a multiple of 2**-53.
    """
    outside = positives = negatives = first = second = big = np.int64(0)
    for i in range(len(target)):
        negative = target[i] >> 63
        positive = target[i] - negative
        outside |= positive
        positives += positive
        negatives -= negative
        digit, rest = _level(_binary_loss(preds[i], positive), MAGIC0, BITS0)
        first += digit
        big |= digit
        digit, rest = _level(rest, MAGIC1, BITS1)
        second += digit
    return outside, positives, negatives, first, second, big >> 51


@_helper
def _binary(preds, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped."""
    x, stop = np.empty(BLOCK), len(target)
    fused = plain = not squared and not len(weight)
    while row < stop:
        n = min(BLOCK, stop - row)
        block, labels = preds[row : row + n], target[row : row + n]
        added = False
        if fused:
            outside, positives, negatives, first, second, big = _peel_binary(block, labels)
            added = not big and not outside >> 1
            if added:
                _fold_levels(hot, 0, 2, first, second, 0)
        if not added:
            outside, positives, negatives = _binary_losses(block, labels, x)
            if plain and len(far):  # one big loss seldom comes alone: next time start here
                fused = not _move_big(x, n, far, 0, 1)
            if outside >> 1 or not _add_block(x, n, weight, row, squared, hot, far):
                return row
        hot[ZEROS] += n - positives - negatives
        hot[NEGATIVES] += negatives
        _count(hot, n, weight)
        row += n
    return row


# Crammer-Singer


@_helper
def _rival(patterns, own, infinity, lowest, integer):
    """Return the pattern of the greatest prediction but the own class's, and whether any is NaN.

    Bit patterns are compared as signed integers: if any prediction is >= 0, the greatest pattern is
    the greatest prediction; if all are negative, the smallest pattern is. The own class counts as
    -inf (`lowest`), which changes neither. A NaN, less its sign, is above `infinity`. All of the
    loop is in one integer width: a stray int64 would halve the lanes of float32. The pattern is
    used before the choice, or LLVM makes a masked load of it, twice as slow from memory.
    """
    unsigned = integer(infinity | ~lowest)
    greatest = smallest = lowest
    below = integer(0)
    for j in range(len(patterns)):
        pattern = patterns[j]
        below = integer(below | integer(infinity - integer(pattern & unsigned)))
        pattern = lowest if integer(j) == own else pattern
        greatest = max(greatest, pattern)
        smallest = min(smallest, pattern)
    return greatest if greatest >= 0 else smallest, below < 0


@_helper
def _long_rows(preds, patterns, labels, n, infinity, lowest, integer, rivals, x):
    """Compute the losses of n rows of many classes, one row at a time."""
    classes = len(preds) // n
    rival_patterns = rivals.view(integer)
    for i in range(n):
        a, b = i * classes, (i + 1) * classes
        rival_patterns[i], nan = _rival(
            patterns[a:b], integer(labels[i]), infinity, lowest, integer
        )
        loss = _clip(1.0 - (np.float64(preds[a + labels[i]]) - np.float64(rivals[i])))
        x[i] = np.nan if nan else loss


@_helper
def _copy_predictions(preds, copy, integer):
    """Copy predictions, and return whether any is NaN."""
    nan = integer(0)
    for i in range(len(preds)):
        x = preds[i]
        copy[i] = x
        nan = integer(nan | integer(-integer(x != x)))
    return nan != 0


@_helper
def _take_own(values, labels, n, classes, own):
    """Move each row's own prediction to `own`, and put -inf in its place."""
    first = np.uintp(0)  # unsigned: no test for an index from the end
    for i in range(n):
        at = first + np.uintp(labels[i])
        own[i] = values[at]
        values[at] = -np.inf
        first += np.uintp(classes)


@_helper
def _widen_windows(maxima, wider, shift):
    """Turn maxima of `shift` predictions from each on into maxima of twice as many."""
    shifted = maxima[shift:]
    for i in range(len(shifted)):
        wider[i] = maxima[i] if maxima[i] > shifted[i] else shifted[i]


@_helper
def _short_rows(preds, labels, n, integer, values, wider, own, x):
    """Compute the losses of n rows of few classes, all rows as one long row.

    Maxima of windows of 2, 4, 8 ... predictions from each on; a row's is that of the two windows at
    its ends. So nothing is transposed, and the only strided work is one read a row and window.
    """
    classes = len(preds) // n
    nan = _copy_predictions(preds, values, integer)
    _take_own(values, labels, n, classes, own)
    window = 1
    while 2 * window <= classes:
        _widen_windows(values[: n * classes], wider, window)
        values, wider = wider, values
        window *= 2
    last = values[classes - window :]
    for i in range(n):
        a, b = values[i * classes], last[i * classes]
        x[i] = _clip(1.0 - (np.float64(own[i]) - np.float64(a if a > b else b)))
    if nan:
        for i in range(n * classes):
            if preds[i] != preds[i]:
                x[i // classes] = np.nan


@_helper
def _crammer_singer(preds, infinity, lowest, integer, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped."""
    stop, classes = len(target), len(preds) // len(target)
    patterns = preds.view(integer)
    rows = BLOCK if classes >= SHORT else min(BLOCK, max(8, TILE // classes))
    room = rows * classes if classes < SHORT else rows
    values, wider = np.empty(room, preds.dtype), np.empty(room, preds.dtype)
    own, labels, x = np.empty(rows, preds.dtype), np.empty(rows, np.int64), np.empty(rows)
    while row < stop:
        n = min(rows, stop - row)
        if not _copy_labels(target, row, n, classes, labels):
            return row
        a, b = row * classes, (row + n) * classes
        if classes < SHORT:
            _short_rows(preds[a:b], labels, n, integer, values, wider, own, x)
        else:
            _long_rows(preds[a:b], patterns[a:b], labels, n, infinity, lowest, integer, values, x)
        if not _add_block(x, n, weight, row, squared, hot, far):
            return row
        _count(hot, n, weight)
        row += n
    return row


# One-vs-all


@_helper
def _row_losses(preds, labels, n, classes, x):
    """Compute the losses of n rows, first as if every class were wrong; say if any is too big."""
    big = np.int64(0)
    for i in range(n * classes):
        loss = _clip(1.0 + np.float64(preds[i]))
        x[i] = loss
        big |= -np.int64(not loss < LIMIT)
    first = np.uintp(0)
    for i in range(n):
        at = first + np.uintp(labels[i])
        loss = _clip(1.0 - np.float64(preds[at]))
        x[at] = loss
        big |= -np.int64(not loss < LIMIT)
        first += np.uintp(classes)
    return big


@_helper
def _weigh_rows(x, weight, n, classes):
    """Multiply the losses of n rows by their weights; return whether those are finite and >= 0."""
    bad = np.int64(0)
    for i in range(n):
        bad |= _is_no_weight(weight[i])
        for j in range(i * classes, (i + 1) * classes):
            x[j] *= weight[i]
    return bad == 0


@_helper
def _is_big(x, n):
    """Return whether any of n losses is too big for the first level."""
    big = np.int64(0)
    for i in range(n):
        big |= -np.int64(not x[i] < LIMIT)
    return big


@_helper
def _peel_rows(x, width, first, second):
    """Add two levels of PASSES rows of `width` losses to integers, one a column."""
    x0, x1, x2, x3 = x[:width], x[width:], x[2 * width :], x[3 * width :]
    for j in range(width):
        a, rest0 = _level(x0[j], MAGIC0, BITS0)
        b, rest1 = _level(x1[j], MAGIC0, BITS0)
        c, rest2 = _level(x2[j], MAGIC0, BITS0)
        d, rest3 = _level(x3[j], MAGIC0, BITS0)
        first[j] += (a + b) + (c + d)
        a = _level(rest0, MAGIC1, BITS1)[0]
        b = _level(rest1, MAGIC1, BITS1)[0]
        c = _level(rest2, MAGIC1, BITS1)[0]
        d = _level(rest3, MAGIC1, BITS1)[0]
        second[j] += (a + b) + (c + d)


@_helper
def _peel_rows_deep(x, width, first, second, third):
    """Add three levels of PASSES rows to integers, one a column; return the OR of what is left."""
    fine = np.int64(0)
    for i in range(PASSES):
        row = x[i * width :]
        for j in range(width):
            digit, rest = _level(row[j], MAGIC0, BITS0)
            first[j] += digit
            digit, rest = _level(rest, MAGIC1, BITS1)
            second[j] += digit
            digit, rest = _level(rest, MAGIC2, BITS2)
            third[j] += digit
            fine |= _bits(rest)
    return fine


@_helper
def _fold_rows(hot, classes, first, second, third):
    """Fold the integers of joined rows into the digits of their classes, and clear them."""
    for j in range(len(first)):
        _fold_levels(hot, j % classes, classes + 1, first[j], second[j], third[j])
        first[j] = second[j] = third[j] = 0


@_helper
def _one_vs_all(preds, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped, which is where the last fold ended."""
    stop, classes = len(target), len(preds) // len(target)
    joined = max(1, JOINED // classes)
    width, rows = joined * classes, joined * PASSES
    x, labels = np.zeros(width * PASSES), np.empty(rows, np.int64)
    first, second = np.zeros(width, np.int64), np.zeros(width, np.int64)
    third = np.zeros(width, np.int64)
    weighted = len(weight) > 0
    buffer, weights = np.empty(rows), np.zeros(len(hot) if weighted else 0, np.int64)
    while row < stop:
        end = min(row + FOLD * rows, stop)
        for at in range(row, end, rows):
            n = min(rows, end - at)
            if not _copy_labels(target, at, n, classes, labels):
                return row
            big = _row_losses(preds[at * classes : (at + n) * classes], labels, n, classes, x)
            for i in range(n * classes, len(x)):
                x[i] = 0.0
            if squared:
                _square(x, n * classes)
            if weighted:
                block = weight[at : at + n]
                if not _weigh_rows(x, block, n, classes):
                    return row
                if not _add_weights(block, n, buffer, weights, far, classes):
                    return row
            if squared or weighted:
                big = _is_big(x, n * classes)
            if big:
                if not len(far):
                    return row
                _move_big(x, n * classes, far, 0, classes)
            if squared or weighted:
                if _peel_rows_deep(x, width, first, second, third):
                    if not len(far):
                        return row
                    _add_rests(x, n * classes, far, 0, classes)
            else:
                _peel_rows(x, width, first, second)
        _fold_rows(hot, classes, first, second, third)
        for i in range(len(weights)):
            hot[i] += weights[i]
            weights[i] = 0
        _count(hot, end - row, weight)
        row = end
    return row


# One function and one signature for each kind of loss and dtype


def binary_float32(preds, target, weight, squared, row, hot, far):
    """Binary losses of float32 predictions."""
    return _binary(preds, target, weight, squared, row, hot, far)


def binary_float64(preds, target, weight, squared, row, hot, far):
    """Binary losses of float64 predictions."""
    return _binary(preds, target, weight, squared, row, hot, far)


def crammer_singer_float32(preds, target, weight, squared, row, hot, far):
    """Crammer-Singer losses of float32 predictions."""
    infinity, lowest = np.float32(np.inf).view(np.int32), np.float32(-np.inf).view(np.int32)
    return _crammer_singer(
        preds, infinity, lowest, np.int32, target, weight, squared, row, hot, far
    )


def crammer_singer_float64(preds, target, weight, squared, row, hot, far):
    """Crammer-Singer losses of float64 predictions."""
    infinity, lowest = np.float64(np.inf).view(np.int64), np.float64(-np.inf).view(np.int64)
    return _crammer_singer(
        preds, infinity, lowest, np.int64, target, weight, squared, row, hot, far
    )


def one_vs_all_float32(preds, target, weight, squared, row, hot, far):
    """One-vs-all losses of float32 predictions."""
    return _one_vs_all(preds, target, weight, squared, row, hot, far)


def one_vs_all_float64(preds, target, weight, squared, row, hot, far):
    """One-vs-all losses of float64 predictions."""
    return _one_vs_all(preds, target, weight, squared, row, hot, far)


_KERNELS: dict[tuple[str, np.dtype[Any]], Callable[..., int]] = {
    ("binary", np.dtype(np.float32)): binary_float32,
    ("binary", np.dtype(np.float64)): binary_float64,
    ("crammer-singer", np.dtype(np.float32)): crammer_singer_float32,
    ("crammer-singer", np.dtype(np.float64)): crammer_singer_float64,
    ("one-vs-all", np.dtype(np.float32)): one_vs_all_float32,
    ("one-vs-all", np.dtype(np.float64)): one_vs_all_float64,
}
_compiled: dict[tuple[str, np.dtype[Any]], Callable[..., int]] = {}
_lock = threading.Lock()  # one thread compiles, and nothing is compiled twice
_compiling: int | None = None  # which thread that is
_stuck = False  # a fork copied the lock, and Numba's own, while another thread held them


def get(form: str, dtype: np.dtype[Any], wait: bool) -> Callable[..., int] | None:
    """Return the kernel for binary data or a multi-class mode, compiled at its first use.

    None if that would be to wait, unwanted, for another thread that is compiling, or forever: in a
    signal handler for the compiler it interrupts, in a forked child for one its parent has.
    """
    global _compiling
    kernel = _compiled.get((form, dtype))
    if kernel is not None or _stuck or _compiling == threading.get_ident():
        return kernel
    if _lock.acquire(blocking=wait):
        try:
            _compiling = threading.get_ident()
            kernel = _compiled.get((form, dtype))
            if kernel is None:
                kernel = _compiled[form, dtype] = _compile(form, dtype)
        finally:
            _compiling = None
            _lock.release()
    return kernel


def warmup() -> None:
    """Compile every kernel."""
    for form, dtype in _KERNELS:
        get(form, dtype, wait=True)


def _compile(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Compile a kernel, with Numba's cache on disk if that works."""

    def array(dtype: Any, readonly: bool) -> types.Array:
        return types.Array(from_dtype(np.dtype(dtype)), 1, "C", readonly=readonly)

    signature = types.int64(
        array(dtype, readonly=True),
        array(np.int64, readonly=True),
        array(np.float64, readonly=True),
        types.boolean,
        types.int64,
        array(np.int64, readonly=False),
        array(np.int64, readonly=False),
    )
    function = _KERNELS[form, dtype]
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return _quiet(function)
    kernel = njit(error_model="numpy", nogil=True)(function)
    with suppress(RuntimeError):  # there is no place for a cache
        kernel.enable_caching()
    try:
        kernel.compile(signature)
    except Exception:  # the entry is damaged, or cannot be written once all is compiled
        if not kernel.overloads:
            kernel = njit(error_model="numpy", nogil=True)(function)
            kernel.compile(signature)
    kernel.disable_compile()
    return kernel


def _quiet(function: Callable[..., int]) -> Callable[..., int]:
    """Return a kernel as plain Python, where int64 sums that are thrown away would warn."""

    def quiet(*arguments: Any) -> int:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


def _after_fork() -> None:
    """In a forked child, never wait for a thread that only the parent has."""
    global _compiling, _lock, _stuck
    _stuck = _lock.locked()
    _compiling = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
