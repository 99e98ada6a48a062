"""The losses again, compiled: each kernel reads its arrays once and adds to exact sums.

A kernel works in blocks of rows: the losses of a block go to a buffer in the L1 cache, which is
then peeled into digits (see `exact`). It returns the row at which it stopped: the end, or the
first row of a block that holds a label or weight that cannot be, or a double that needs the whole
grid of digits when it was given none. Whatever came before that row has been added.

Kernels, helpers and constants share this file because Numba's cache sees no edits elsewhere. Each
kernel is a function of its own with one signature: several signatures in one cache entry can race
between processes and load the wrong code. No fastmath, no parallel.
"""
# Numba infers the types below, and mypy cannot follow it there.
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, from_dtype, njit, types

from hingemetrics import exact
from hingemetrics.state import NEGATIVES, SAMPLES, UNWEIGHTED, ZEROS

BLOCK = 256  # rows whose losses are buffered: 2 KiB
TILE = 1024  # one-vs-all losses that are buffered: 8 KiB
FLUSH = 1 << 11  # rows after which a class's sum of first digits could leave an int64
MAGIC, BITS = exact.MAGIC, exact.MAGIC_BITS
SIGN = -(1 << 63)
MAGIC0, MAGIC1, MAGIC2, MAGIC3 = exact.MAGIC
BITS0, BITS1, BITS2, BITS3 = exact.MAGIC_BITS
LOW = (1 << 32) - 1
BIG = 51  # the first digit of a double below 2**30 has no bits from here up
LIMIT = 2.0**30
INFINITY_BITS = 0x7FF << 52
MANTISSA = (1 << 52) - 1
NAN_ROW, INF_ROW = exact.NAN_ROW, exact.INF_ROW
COUNTERS, NEAR_ROWS = exact.COUNTERS, exact.NEAR_ROWS


@njit
def _bits(x):
    """Return the bit pattern of a double."""
    return np.float64(x).view(np.int64)


@njit
def _add_far(x, far, column):
    """Add a double of any size to the whole grid."""
    bits = _bits(x)
    exponent = (bits >> 52) & 0x7FF
    mantissa = bits & MANTISSA
    if exponent == 0x7FF:
        far[NAN_ROW if mantissa else INF_ROW, column] += 1
        return
    if exponent:
        mantissa |= MANTISSA + 1
    else:
        exponent = 1
    place = exponent + 2
    digit, shift = place >> 5, place & 31
    low, high = (mantissa & LOW) << shift, (mantissa >> 32) << shift
    sign = 1 if bits >= 0 else -1
    far[digit, column] += sign * (low & LOW)
    far[digit + 1, column] += sign * ((low >> 32) + (high & LOW))
    far[digit + 2, column] += sign * (high >> 32)


@njit
def _peel_two(buffer, rest, n, magic, bits, next_magic, next_bits):
    """Take two digits off n doubles; return the sums of both, the first's OR, and what is left.

    What is left of each double goes to `rest`; returned is the OR of its bits.
    """
    first = second = big = left = 0
    for i in range(n):
        x = buffer[i]
        h = x + magic
        digit = _bits(h) - bits
        first += digit
        big |= digit
        r = x - (h - magic)  # exact
        g = r + next_magic
        second += _bits(g) - next_bits
        r = r - (g - next_magic)  # exact
        rest[i] = r
        left |= _bits(r)
    return first, second, big >> BIG, left


@njit
def _move_far(buffer, n, far, column):
    """Move the doubles that no first digit can hold to the whole grid."""
    for i in range(n):
        x = buffer[i]
        if not x < LIMIT:
            _add_far(x, far, column)
            buffer[i] = 0.0


@njit
def _peel(buffer, rest, n, far, column):
    """Return whether n doubles fit the grid that was given, and the sums of their four digits."""
    first, second, big, left = _peel_two(buffer, rest, n, MAGIC0, BITS0, MAGIC1, BITS1)
    third = fourth = 0
    if big:
        if not len(far):
            return False, first, second, third, fourth
        _move_far(buffer, n, far, column)
        first, second, big, left = _peel_two(buffer, rest, n, MAGIC0, BITS0, MAGIC1, BITS1)
    if left:  # never for plain losses
        third, fourth, big, left = _peel_two(rest, buffer, n, MAGIC2, BITS2, MAGIC3, BITS3)
        if left:
            if not len(far):
                return False, first, second, third, fourth
            for i in range(n):
                _add_far(buffer[i], far, column)
    return True, first, second, third, fourth


@njit
def _commit(near, column, first, second, third, fourth):
    """Add sums of digits to a column."""
    near[4, column] += first >> 32
    near[3, column] += first & LOW
    near[2, column] += second
    near[1, column] += third
    near[0, column] += fourth


@njit
def _near(hot):
    """Return the near digits, (NEAR_ROWS, columns)."""
    digits = hot[COUNTERS:]
    return digits.reshape(NEAR_ROWS, len(digits) // NEAR_ROWS)


@njit
def _count(hot, n, weight):
    """Count n samples."""
    hot[SAMPLES] += n
    if not len(weight):
        hot[UNWEIGHTED] += n


@njit
def _valid_weights(weight, row, n):
    """Return whether n weights are finite and >= 0."""
    bad = 0
    for i in range(row, row + n):
        bits = _bits(weight[i] + 0.0)  # -0.0 becomes 0.0
        bad |= bits | (INFINITY_BITS - 1 - bits)
    return bad >= 0


@njit
def _add_block(buffer, rest, n, weight, row, squared, near, far):
    """Add the plain losses of n rows, or return False and add nothing to `near`."""
    if squared:
        for i in range(n):
            buffer[i] *= buffer[i]
    if not len(weight):
        fits, first, second, third, fourth = _peel(buffer, rest, n, far, 0)
        if fits:
            _commit(near, 0, first, second, third, fourth)
        return fits
    if not _valid_weights(weight, row, n):
        return False
    for i in range(n):
        buffer[i] *= weight[row + i]
    fits, first, second, third, fourth = _peel(buffer, rest, n, far, 0)
    if not fits:
        return False
    for i in range(n):
        buffer[i] = weight[row + i] + 0.0
    fits, first_w, second_w, third_w, fourth_w = _peel(buffer, rest, n, far, 1)
    if not fits:
        return False
    _commit(near, 0, first, second, third, fourth)
    _commit(near, 1, first_w, second_w, third_w, fourth_w)
    return True


@njit
def _hinge(margin):
    """Return max(0, 1 - margin); NaN stays NaN."""
    loss = 1.0 - margin
    return 0.0 if loss < 0.0 else loss


@njit
def _flip(x, bit):
    """Return x, negated if the sign bit of `bit` is set."""
    return np.int64(_bits(x) ^ (bit & SIGN)).view(np.float64)


@njit
def _binary(preds, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped."""
    near = _near(hot)
    buffer, rest = np.empty(BLOCK), np.empty(BLOCK)
    stop = len(target)
    while row < stop:
        n = min(BLOCK, stop - row)
        positive = negative = outside = 0
        for i in range(n):
            label = target[row + i]
            buffer[i] = _hinge(_flip(preds[row + i], label - 1))
            positive += label & 1
            negative += label < 0
            outside |= (label + 1) & ~3 | (label + 1) & (label + 1) >> 1 & 1
        if outside or not _add_block(buffer, rest, n, weight, row, squared, near, far):
            return row
        hot[ZEROS] += n - positive
        hot[NEGATIVES] += negative
        _count(hot, n, weight)
        row += n
    return row


@njit
def _crammer_singer(preds, keys, smallest, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped."""
    near = _near(hot)
    buffer, rest = np.empty(BLOCK), np.empty(BLOCK)
    stop, classes = preds.shape
    while row < stop:
        n = min(BLOCK, stop - row)
        outside = False
        for i in range(n):
            label = target[row + i]
            if not 0 <= label < classes:
                outside = True
                label = 0
            own = np.float64(preds[row + i, label])
            rival = -np.inf
            for j in range(classes):
                x = np.float64(preds[row + i, j])
                if j != label and not x <= rival:
                    rival = x
                    if x != x:
                        break
            buffer[i] = _hinge(own - rival)
        if outside or not _add_block(buffer, rest, n, weight, row, squared, near, far):
            return row
        _count(hot, n, weight)
        row += n
    return row


@njit
def _one_vs_all(preds, target, weight, squared, row, hot, far):
    """Add rows from `row` on; return where it stopped."""
    near = _near(hot)
    stop, classes = preds.shape
    sums = np.zeros((4, classes), np.int64)
    loss = np.empty(classes)
    while row < stop:
        n = min(FLUSH, stop - row)
        sums[:] = 0
        for i in range(row, row + n):
            label = target[i]
            if not 0 <= label < classes:
                return row
            for j in range(classes):
                x = np.float64(preds[i, j])
                loss[j] = _hinge(x if j == label else -x)
            if squared:
                for j in range(classes):
                    loss[j] *= loss[j]
            if len(weight):
                if not _valid_weights(weight, i, 1):
                    return row
                for j in range(classes):
                    loss[j] *= weight[i]
            for j in range(classes):
                x = loss[j]
                if not x < LIMIT:
                    if not len(far):
                        return row
                    _add_far(x, far, j)
                    x = 0.0
                for level in range(4):
                    h = x + MAGIC[level]
                    sums[level, j] += _bits(h) - BITS[level]
                    x -= h - MAGIC[level]
                if x != 0.0:
                    if not len(far):
                        return row
                    _add_far(x, far, j)
        if len(weight):
            for i in range(row, row + n):
                if not len(far):
                    return row
                _add_far(weight[i], far, classes)
        for j in range(classes):
            _commit(near, j, sums[0, j], sums[1, j], sums[2, j], sums[3, j])
        _count(hot, n, weight)
        row += n
    return row


def binary_float32(preds, target, weight, squared, row, hot, far):
    """Binary losses of float32 predictions."""
    return _binary(preds, target, weight, squared, row, hot, far)


def binary_float64(preds, target, weight, squared, row, hot, far):
    """Binary losses of float64 predictions."""
    return _binary(preds, target, weight, squared, row, hot, far)


def crammer_singer_float32(preds, target, weight, squared, row, hot, far):
    """Crammer-Singer losses of float32 predictions."""
    keys = preds.view(np.int32)
    return _crammer_singer(preds, keys, np.int32(0), target, weight, squared, row, hot, far)


def crammer_singer_float64(preds, target, weight, squared, row, hot, far):
    """Crammer-Singer losses of float64 predictions."""
    keys = preds.view(np.int64)
    return _crammer_singer(preds, keys, np.int64(0), target, weight, squared, row, hot, far)


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
_lock = threading.Lock()


def get(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Return the kernel for binary data or a multi-class mode; compile it at its first use."""
    key = form, dtype
    kernel = _compiled.get(key)
    if kernel is None:
        with _lock:
            kernel = _compiled.get(key)
            if kernel is None:
                kernel = _compiled[key] = _compile(*key)
    return kernel


def _compile(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Compile a kernel, with Numba's cache on disk if that works."""

    def array(dtype: Any, ndim: int, readonly: bool) -> types.Array:
        return types.Array(from_dtype(np.dtype(dtype)), ndim, "C", readonly=readonly)

    signature = types.int64(
        array(dtype, 1 if form == "binary" else 2, True),
        array(np.int64, 1, True),
        array(np.float64, 1, True),
        types.boolean,
        types.int64,
        array(np.int64, 1, False),
        array(np.int64, 2, False),
    )
    function = _KERNELS[form, dtype]
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        # Plain Python then, where an int64 that wraps around would warn.
        return np.errstate(all="ignore")(function)
    try:
        return njit(signature, cache=True, nogil=True)(function)
    except Exception:  # no place for a cache, a full disk, a damaged entry: all of it is Numba's
        return njit(signature, nogil=True)(function)
