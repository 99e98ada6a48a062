"""The moments again, as Numba compiles them: sums over two arrays of losses and their weights.

The kernel does what `_core/moments.py` says, in blocks whose pieces stay in the cache. It returns
the row at which it stopped: the end, or a row before which everything was added, because in the
block after it there is a double that does not fit into pieces. See `kernels` for its manners.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from hingemetrics._engine.frame import (
    FIRST_LOSSES,
    LOSS_COLUMNS,
    LOSS_ROWS,
    LOSS_WEIGHT,
    LOSSES_WEIGHTED,
    MOMENT_BLOCK,
    MOMENT_WORDS,
    PASSES,
    PLAIN,
    SECOND_LOSSES,
    STACK_DOUBLES,
    SUMS,
    joined_tile,
)
from hingemetrics._engine.intrinsics import LOW, bits_of, data, fold, helper, pointer, stack

# What `moments` says too, written out again because the digest of the sources covers this file and
# not that one; a test holds both together.
Y, SQUARES, PRODUCTS, DIGIT_ROWS = 8, 16, 29, 42  # where digits begin, those of x at 0
UNIT = -149
LIMIT, TINY = 2.0**42, 2.0**-72

# Plain losses below 2**7 are two pieces: 30 bits in units of 2**-23, and as many of 2**-53.
MAGIC0, MAGIC1 = 1.5 * 2.0**29, 1.5 * 2.0**-1
PLAIN_BITS = 30
PLACE0, PLACE1 = -23 - UNIT, -53 - UNIT
SUMS_OF_PLAIN = 10  # of each piece of x and of y, and two halves of each of three products
SPAN = 120  # so many losses of a row are summed at a time: sums that are not 4 KiB apart, all in L1
WIDTH = np.uintp(SPAN)
CHUNK, CHUNK_ROWS = 1 << 12, 1 << 6  # losses, or rows if that is more, between folds
BIAS = 1 << 62  # what sums of products of either sign are less than

# Any others are six pieces of 28 bits, mostly zero but for three.
PIECES, PIECE_BITS = 6, 28
FIRST_MAGIC = 1.5 * 2.0 ** (52 + 15)
FIRST_PLACE = 15 - UNIT

_joined_tile = helper(joined_tile)


@helper
def _integer(patterns, n, magic):
    """Return the sum of integers that n patterns hold, of numbers to which `magic` was added."""
    return np.uint64(patterns - np.uint64(n) * bits_of(magic)).view(np.int64)


@helper
def _narrow(integer):
    """Return an integer of at most 32 bits as one that LLVM knows to have no more.

    Two of those are multiplied by one instruction.
    """
    return np.int64(np.int32(integer))


@helper
def _is_unusual(x):
    """1 for a double >= 0 that does not fit into all pieces, else 0."""
    return np.int64(not x < LIMIT) | (np.int64(x < TINY) & np.int64(x != 0.0))


@helper
def _are_usual(x):
    """Whether doubles >= 0 fit into all pieces."""
    unusual = np.int64(0)
    for i in range(len(x)):
        unusual |= _is_unusual(x[i])
    return unusual == 0


# Plain losses


@helper
def _are_plain(x):
    """Whether plain losses fit into two pieces."""
    found, bits = np.uint64(0), np.uint64(PLAIN_BITS)
    for i in range(len(x)):
        found |= bits_of(x[i] + MAGIC0)
    return found >> bits == bits_of(MAGIC0) >> bits


@helper
def _two_pieces(x):
    """Return the patterns that hold the two pieces of a plain loss."""
    rounded = x + MAGIC0
    return bits_of(rounded), bits_of((x - (rounded - MAGIC0)) + MAGIC1)


@helper
def _pair(x, y):
    """Return the patterns of two losses, and the products of the differences of their pieces."""
    x0, x1 = _two_pieces(x)
    y0, y1 = _two_pieces(y)
    first = _narrow(np.uint64(x0 - y0).view(np.int64))
    second = _narrow(np.uint64(x1 - y1).view(np.int64))
    return x0, x1, y0, y1, first * first, first * second, second * second


@helper
def _add_product(product, at, sums):
    """Add both halves of a sum of products >= 0 to sums that are a span apart."""
    bits = np.uint64(product)
    sums[at] += bits & np.uint64(LOW)
    sums[at + WIDTH] += bits >> np.uint64(32)


@helper
def _add_passes(x, y, length, width, sums):
    """Add PASSES rows of so many plain losses, which are `length` apart, to sums for each column.

    Four products have less than 63 bits together. Unsigned indices are not tested for being from
    the end, and all sums are in one array, so that LLVM need not ask which of many overlap.
    """
    x0, x1, x2, x3 = x[:width], x[length:], x[2 * length :], x[3 * length :]
    y0, y1, y2, y3 = y[:width], y[length:], y[2 * length :], y[3 * length :]
    for j in range(width):
        p, q = _pair(x0[j], y0[j]), _pair(x1[j], y1[j])
        r, s = _pair(x2[j], y2[j]), _pair(x3[j], y3[j])
        at = np.uintp(j)
        sums[at] += (p[0] + q[0]) + (r[0] + s[0])
        at += WIDTH
        sums[at] += (p[1] + q[1]) + (r[1] + s[1])
        at += WIDTH
        sums[at] += (p[2] + q[2]) + (r[2] + s[2])
        at += WIDTH
        sums[at] += (p[3] + q[3]) + (r[3] + s[3])
        at += WIDTH
        _add_product((p[4] + q[4]) + (r[4] + s[4]), at, sums)
        at += WIDTH + WIDTH
        _add_product((p[5] + q[5]) + (r[5] + s[5]) + BIAS, at, sums)
        at += WIDTH + WIDTH
        _add_product((p[6] + q[6]) + (r[6] + s[6]), at, sums)


@helper
def _copy_passes(x, at, stop, length, width, copy):
    """Copy what there is of PASSES rows, and zeros where they end."""
    for k in range(PASSES):
        for j in range(width):
            copy[k * width + j] = x[at + j] if at + j < stop else 0.0
        at += length


@helper
def _join(sums, width, columns):
    """Add the sums of rows that were joined to those of the first one."""
    for k in range(SUMS_OF_PLAIN):
        of_kind = sums[k * SPAN : (k + 1) * SPAN]
        for column in range(min(columns, width)):
            total = np.uint64(0)
            for j in range(column, width, columns):
                total += of_kind[j]
            of_kind[column] = total


@helper
def _fold_plain(sums, j, passes, digits, columns, column):
    """Fold the sums of a column, which so many passes were added to, into its digits."""
    n = PASSES * passes
    fold(digits, column, columns, PLACE0, _integer(sums[j], n, MAGIC0))
    fold(digits, column, columns, PLACE1, _integer(sums[j + SPAN], n, MAGIC1))
    at = Y * columns + column
    fold(digits, at, columns, PLACE0, _integer(sums[j + 2 * SPAN], n, MAGIC0))
    fold(digits, at, columns, PLACE1, _integer(sums[j + 3 * SPAN], n, MAGIC1))
    at = SQUARES * columns + column
    for k in range(3):
        place = 2 * PLACE0 - k * PLAIN_BITS + (k == 1)  # this product is there twice
        half = j + (4 + 2 * k) * SPAN
        low, high = np.int64(sums[half]), np.int64(sums[half + SPAN])
        fold(digits, at, columns, place, low)
        fold(digits, at, columns, place + 32, high - passes * (BIAS >> 32) * (k == 1))


@helper
def _add_plain(x, y, row, stop, losses, digits, scratch):
    """Add rows of plain losses that fit into two pieces."""
    length = _joined_tile(losses)[0]
    columns = losses + 1
    sums, scratch = scratch[: SUMS_OF_PLAIN * SPAN].view(np.uint64), scratch[SUMS_OF_PLAIN * SPAN :]
    copy_x, copy_y = scratch[: PASSES * SPAN], scratch[PASSES * SPAN : 2 * PASSES * SPAN]
    first, end, step = row * losses, stop * losses, PASSES * length
    passes = (end - first + step - 1) // step * (length // losses)
    for left in range(0, length, SPAN):
        width = min(SPAN, length - left)
        for j in range(len(sums)):
            sums[j] = 0
        for at in range(first, end, step):
            if at + step <= end:
                _add_passes(x[at + left :], y[at + left :], length, width, sums)
            else:
                _copy_passes(x, at + left, end, length, width, copy_x)
                _copy_passes(y, at + left, end, length, width, copy_y)
                _add_passes(copy_x, copy_y, width, width, sums)
        _join(sums, width, losses)
        for j in range(min(width, losses)):
            _fold_plain(sums, j, passes, digits, columns, left + j)


# Any others


@helper
def _scaled(magic, pieces):
    """Return `magic` for so many pieces further on, by its exponent."""
    bits = np.int64(np.float64(magic).view(np.int64)) - pieces * (PIECE_BITS << 52)
    return np.int64(bits).view(np.float64)


@helper
def _take_piece(x, y, magic, differences):
    """Take a piece off doubles x and y, exactly, and write the differences of those.

    Return the sums of both, whether any difference is not zero, and whether anything is left.
    """
    of_x = of_y = found = np.int64(0)
    left = np.uint64(0)
    for i in range(len(differences)):
        rounded_x, rounded_y = x[i] + magic, y[i] + magic
        integer_x = _integer(bits_of(rounded_x), 1, magic)
        integer_y = _integer(bits_of(rounded_y), 1, magic)
        of_x += integer_x
        of_y += integer_y
        difference = integer_x - integer_y
        differences[i] = difference
        found |= difference
        x[i] -= rounded_x - magic
        y[i] -= rounded_y - magic
        left |= bits_of(x[i]) | bits_of(y[i])
    return of_x, of_y, found != 0, left << np.uint64(1) != 0


@helper
def _split(x, y, n, differences, columns, column, digits):
    """Split n usual doubles x and y, and add their pieces to the digits of their sums.

    Write the differences of their pieces, and return a mask of those that are not all zero: mostly
    three of the six.
    """
    used = np.int64(0)
    for k in range(PIECES):
        piece = differences[k * MOMENT_BLOCK : k * MOMENT_BLOCK + n]
        of_x, of_y, found, left = _take_piece(x, y, _scaled(FIRST_MAGIC, k), piece)
        place = FIRST_PLACE - k * PIECE_BITS
        if of_x:
            fold(digits, column, columns, place, of_x)
        if of_y:
            fold(digits, Y * columns + column, columns, place, of_y)
        used |= np.int64(found) << k
        if not left:
            break
    return used


@helper
def _product(a, b, n):
    """Return the sum of n products of pieces."""
    amount = np.int64(0)
    for i in range(n):
        amount += _narrow(a[i]) * _narrow(b[i])
    return amount


@helper
def _multiply(a, used_a, b, used_b, same, n, columns, at, digits):
    """Add the products of pieces to the digits of a sum, each pair of them once if `same`."""
    for j in range(PIECES):
        if not used_a >> j & 1:
            continue
        first = a[j * MOMENT_BLOCK : (j + 1) * MOMENT_BLOCK]
        for k in range(j if same else 0, PIECES):
            if used_b >> k & 1:
                second = b[k * MOMENT_BLOCK : (k + 1) * MOMENT_BLOCK]
                place = 2 * FIRST_PLACE - (j + k) * PIECE_BITS + (same and j != k)
                fold(digits, at, columns, place, _product(first, second, n))


@helper
def _copy_column(x, n, columns, column, copy):
    """Copy a column of rows; the only one so that the loop is vectorised."""
    if columns == 1:
        for i in range(n):
            copy[i] = x[i]
    else:
        for i in range(n):
            copy[i] = x[i * columns + column]


@helper
def _add_any(x, y, weight, row, stop, losses, digits, scratch):
    """Add rows of usual doubles; return where it stopped."""
    weighted, columns, used_weight = len(weight) > 0, losses + 1, np.int64(0)
    room = PIECES * MOMENT_BLOCK
    rest_x, scratch = scratch[:MOMENT_BLOCK], scratch[MOMENT_BLOCK:]
    rest_y, scratch = scratch[:MOMENT_BLOCK], scratch[MOMENT_BLOCK : MOMENT_BLOCK + 2 * room]
    pieces, of_weight = scratch[:room].view(np.int64), scratch[room:].view(np.int64)
    while row < stop:
        n = min(MOMENT_BLOCK, stop - row)
        a, b, weights = row * losses, (row + n) * losses, weight[row : row + n]
        if not (_are_usual(x[a:b]) and _are_usual(y[a:b]) and _are_usual(weights)):
            break
        if weighted:
            _copy_column(weights, n, 1, 0, rest_x)
            for i in range(n):
                rest_y[i] = 0.0
            used_weight = _split(rest_x, rest_y, n, of_weight, columns, losses, digits)
            at = SQUARES * columns + losses
            _multiply(of_weight, used_weight, of_weight, used_weight, True, n, columns, at, digits)
        for column in range(losses):
            _copy_column(x[a:b], n, losses, column, rest_x)
            _copy_column(y[a:b], n, losses, column, rest_y)
            used = _split(rest_x, rest_y, n, pieces, columns, column, digits)
            at = SQUARES * columns + column
            _multiply(pieces, used, pieces, used, True, n, columns, at, digits)
            if weighted:
                at = PRODUCTS * columns + column
                _multiply(pieces, used, of_weight, used_weight, False, n, columns, at, digits)
        row += n
    return row


@helper
def _moments(x, y, weight, losses, plain, digits, scratch):
    """Add rows of so many losses each; return where it stopped."""
    row, stop = 0, len(x) // losses
    while row < stop:
        end = min(row + max(CHUNK // losses, CHUNK_ROWS), stop)
        a, b = row * losses, end * losses
        if plain and _are_plain(x[a:b]) and _are_plain(y[a:b]):
            _add_plain(x, y, row, end, losses, digits, scratch)
            row = end
        else:
            row = _add_any(x, y, weight, row, end, losses, digits, scratch)
            if row < end:
                break
    return row


def moment_entry() -> Callable[[Any], int]:
    """Return the function that calls the kernel with what a frame says (see `frame`)."""

    def of_frame(frame):
        words = carray(frame, MOMENT_WORDS)
        rows, losses = words[LOSS_ROWS], words[LOSS_COLUMNS]
        number = np.float64
        return _moments(
            carray(data(words[FIRST_LOSSES], number), rows * losses),
            carray(data(words[SECOND_LOSSES], number), rows * losses),
            carray(data(words[LOSS_WEIGHT], number), rows if words[LOSSES_WEIGHTED] else 0),
            losses,
            words[PLAIN] != 0,
            carray(data(words[SUMS], np.int64), DIGIT_ROWS * (losses + 1)),
            carray(pointer(stack(), number), STACK_DOUBLES),
        )

    return of_frame


def interpreted_moments() -> Callable[..., int]:
    """Return the kernel as plain Python, as it is under NUMBA_DISABLE_JIT=1."""

    def call(x, y, weight, plain, digits):
        scratch = np.empty(STACK_DOUBLES)
        with np.errstate(all="ignore"):  # sums of patterns wrap around
            return _moments(
                *(x.reshape(-1), y.reshape(-1), weight, x.shape[1], plain, digits.reshape(-1)),
                scratch,
            )

    return call
