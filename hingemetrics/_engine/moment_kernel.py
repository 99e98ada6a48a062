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
    PLAIN,
    SECOND_LOSSES,
    STACK_DOUBLES,
    SUMS,
)
from hingemetrics._engine.intrinsics import bits_of, data, helper, pointer, stack

# What `moments` says too, written out again because the seal of machine code covers this file and
# not that one; a test holds both together.
PIECES, PLACES = 7, 13
Y, SQUARES, PRODUCTS, STREAMS = 7, 14, 27, 40  # where sums begin, those of x at 0
LIMIT, TINY = 2.0**42, 2.0**-72
STEP_BITS = 24
FIRST_MAGIC = 1.5 * 2.0 ** (
    52 + 19
)  # of the first piece, and 2**-24 times that of each further one
FIRST_PRODUCT_MAGIC = 1.5 * 2.0 ** (52 + 38)  # likewise, for products of pieces by their place

PLAIN_BLOCK = 512  # of one loss a row: integers below 2**50 sum to less than 2**59

# The three pieces of plain losses, which are the second to the fourth of all.
PLAIN_FIRST = 1
MAGIC0, MAGIC1, MAGIC2 = 1.5 * 2.0**47, 1.5 * 2.0**23, 1.5 * 2.0**-1
PRODUCT0, PRODUCT1, PRODUCT2 = 1.5 * 2.0**42, 1.5 * 2.0**18, 1.5 * 2.0**-6
PRODUCT3, PRODUCT4 = 1.5 * 2.0**-30, 1.5 * 2.0**-54
PLAIN_TOP = 23  # bits: a plain loss below 2**18 leaves those of MAGIC0 above as they are
LOW = (1 << 32) - 1


@helper
def _integer(patterns, n, magic):
    """Return the sum of integers that n patterns hold, of numbers to which `magic` was added."""
    return np.uint64(patterns - np.uint64(n) * bits_of(magic)).view(np.int64)


@helper
def _fold(words, half, at, amount):
    """Add an integer to a stream: its low 32 bits, and the rest in the other half of the words."""
    words[at] += amount & LOW
    words[half + at] += amount >> 32


@helper
def _are_plain(x, y, start, stop):
    """Whether plain losses of both are below 2**18."""
    found = np.uint64(0)
    for i in range(start, stop):
        found |= bits_of(x[i] + MAGIC0) | bits_of(y[i] + MAGIC0)
    return found >> np.uint64(PLAIN_TOP) == bits_of(MAGIC0) >> np.uint64(PLAIN_TOP)


@helper
def _is_unusual(x):
    """1 for a double >= 0 that does not fit into all pieces, else 0."""
    return np.int64(not x < LIMIT) | (np.int64(x < TINY) & np.int64(x != 0.0))


@helper
def _are_usual(x, y, start, stop):
    """Whether doubles >= 0 of both fit into all pieces."""
    unusual = np.int64(0)
    for i in range(start, stop):
        unusual |= _is_unusual(x[i]) | _is_unusual(y[i])
    return unusual == 0


@helper
def _plain_sums(x, y, n):
    """Return the patterns' sums of three pieces of x, of three of y, and of five places."""
    x0 = x1 = x2 = y0 = y1 = y2 = s0 = s1 = s2 = s3 = s4 = np.uint64(0)
    for i in range(n):
        rest = x[i]
        rounded = rest + MAGIC0
        x0 += bits_of(rounded)
        a = rounded - MAGIC0
        rest -= a
        rounded = rest + MAGIC1
        x1 += bits_of(rounded)
        b = rounded - MAGIC1
        c = rest - b
        x2 += bits_of(c + MAGIC2)
        rest = y[i]
        rounded = rest + MAGIC0
        y0 += bits_of(rounded)
        piece = rounded - MAGIC0
        a -= piece
        rest -= piece
        rounded = rest + MAGIC1
        y1 += bits_of(rounded)
        piece = rounded - MAGIC1
        b -= piece
        rest -= piece
        y2 += bits_of(rest + MAGIC2)
        c -= rest
        s0 += bits_of(a * a + PRODUCT0)
        a += a
        s1 += bits_of(a * b + PRODUCT1)
        s2 += bits_of((a * c + b * b) + PRODUCT2)
        s3 += bits_of((b + b) * c + PRODUCT3)
        s4 += bits_of(c * c + PRODUCT4)
    return x0, x1, x2, y0, y1, y2, s0, s1, s2, s3, s4


@helper
def _add_plain(x, y, n, columns, column, words):
    """Add plain losses below 2**18 to a column."""
    x0, x1, x2, y0, y1, y2, s0, s1, s2, s3, s4 = _plain_sums(x, y, n)
    size = STREAMS * columns
    at = PLAIN_FIRST * columns + column
    _fold(words, size, at, _integer(x0, n, MAGIC0))
    _fold(words, size, at + columns, _integer(x1, n, MAGIC1))
    _fold(words, size, at + 2 * columns, _integer(x2, n, MAGIC2))
    at += Y * columns
    _fold(words, size, at, _integer(y0, n, MAGIC0))
    _fold(words, size, at + columns, _integer(y1, n, MAGIC1))
    _fold(words, size, at + 2 * columns, _integer(y2, n, MAGIC2))
    at = (SQUARES + 2 * PLAIN_FIRST) * columns + column
    _fold(words, size, at, _integer(s0, n, PRODUCT0))
    _fold(words, size, at + columns, _integer(s1, n, PRODUCT1))
    _fold(words, size, at + 2 * columns, _integer(s2, n, PRODUCT2))
    _fold(words, size, at + 3 * columns, _integer(s3, n, PRODUCT3))
    _fold(words, size, at + 4 * columns, _integer(s4, n, PRODUCT4))


@helper
def _scaled(magic, steps):
    """Return `magic` times STEP to the power of `steps`, by its exponent."""
    bits = np.int64(np.float64(magic).view(np.int64)) - steps * (STEP_BITS << 52)
    return np.int64(bits).view(np.float64)


@helper
def _take_piece(rest, n, magic, piece):
    """Take a piece off n doubles, exactly.

    Return its sum, and whether any of it, and any of what it leaves, is not zero.
    """
    patterns = taken = left = np.uint64(0)
    for i in range(n):
        rounded = rest[i] + magic
        patterns += bits_of(rounded)
        piece[i] = rounded - magic
        rest[i] -= piece[i]
        taken |= bits_of(piece[i])
        left |= bits_of(rest[i])
    one = np.uint64(1)
    return _integer(patterns, n, magic), taken << one != 0, left << one != 0


@helper
def _split(x, n, rest, pieces, columns, at, words):
    """Write the pieces of n usual doubles, and add them to streams, the first of which is `at`.

    Return a mask of those that are not all zero: mostly three or four of the seven. Only these
    are written.
    """
    for i in range(n):
        rest[i] = x[i]
    used = np.int64(0)
    for k in range(PIECES):
        piece = pieces[k * MOMENT_BLOCK : (k + 1) * MOMENT_BLOCK]
        amount, taken, left = _take_piece(rest, n, _scaled(FIRST_MAGIC, k), piece)
        if taken:
            used |= 1 << k
            _fold(words, STREAMS * columns, at + k * columns, amount)
        if not left:
            break
    return used


@helper
def _subtract(pieces, used, others, used_others, n):
    """Subtract pieces from pieces, and return which are not all zero now."""
    for k in range(PIECES):
        a = pieces[k * MOMENT_BLOCK : k * MOMENT_BLOCK + n]
        b = others[k * MOMENT_BLOCK : k * MOMENT_BLOCK + n]
        if not used >> k & 1:
            for i in range(n):
                a[i] = 0.0
        if used_others >> k & 1:
            for i in range(n):
                a[i] -= b[i]
    return used | used_others


@helper
def _product(a, b, n, magic):
    """Return the sum of n products of pieces."""
    patterns = np.uint64(0)
    for i in range(n):
        patterns += bits_of(a[i] * b[i] + magic)
    return _integer(patterns, n, magic)


@helper
def _multiply(a, used_a, b, used_b, same, n, columns, at, words):
    """Add the products of pieces to streams, the first of which is `at`; each once if `same`."""
    for j in range(PIECES):
        if not used_a >> j & 1:
            continue
        first = a[j * MOMENT_BLOCK : (j + 1) * MOMENT_BLOCK]
        for k in range(j if same else 0, PIECES):
            if used_b >> k & 1:
                second = b[k * MOMENT_BLOCK : (k + 1) * MOMENT_BLOCK]
                amount = _product(first, second, n, _scaled(FIRST_PRODUCT_MAGIC, j + k))
                amount <<= np.int64(same and j != k)
                _fold(words, STREAMS * columns, at + (j + k) * columns, amount)


@helper
def _column_of(x, n, columns, column, copy):
    """Copy a column of rows, so that what reads it is vectorised; the only one needs no copy."""
    if columns == 1:
        return x
    for i in range(n):
        copy[i] = x[i * columns + column]
    return copy


@helper
def _moments(x, y, weight, losses, plain, words, scratch):
    """Add rows of so many losses each; return where it stopped."""
    row, stop, weighted = 0, len(x) // losses, len(weight) > 0
    columns, used_weight = losses + 1, np.int64(0)
    room = PIECES * MOMENT_BLOCK
    rest, scratch = scratch[:MOMENT_BLOCK], scratch[MOMENT_BLOCK:]
    first, scratch = scratch[:MOMENT_BLOCK], scratch[MOMENT_BLOCK:]
    second, scratch = scratch[:MOMENT_BLOCK], scratch[MOMENT_BLOCK:]
    pieces, others, of_weight = scratch[:room], scratch[room : 2 * room], scratch[2 * room :]
    while row < stop:
        n = min(PLAIN_BLOCK if plain and losses == 1 else MOMENT_BLOCK, stop - row)
        short = plain and _are_plain(x, y, row * losses, (row + n) * losses)
        if not short:
            n = min(n, MOMENT_BLOCK)
            if not _are_usual(x, y, row * losses, (row + n) * losses):
                break
        if weighted:
            if not _are_usual(weight, weight, row, row + n):
                break
            used_weight = _split(weight[row:], n, rest, of_weight, columns, losses, words)
            at = SQUARES * columns + losses
            _multiply(of_weight, used_weight, of_weight, used_weight, True, n, columns, at, words)
        for column in range(losses):
            this = _column_of(x[row * losses :], n, losses, column, first)
            that = _column_of(y[row * losses :], n, losses, column, second)
            if short:
                _add_plain(this, that, n, columns, column, words)
                continue
            used = _split(this, n, rest, pieces, columns, column, words)
            used_others = _split(that, n, rest, others, columns, Y * columns + column, words)
            used = _subtract(pieces, used, others, used_others, n)
            at = SQUARES * columns + column
            _multiply(pieces, used, pieces, used, True, n, columns, at, words)
            if weighted:
                at = PRODUCTS * columns + column
                _multiply(pieces, used, of_weight, used_weight, False, n, columns, at, words)
        row += n
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
            carray(data(words[SUMS], np.int64), 2 * STREAMS * (losses + 1)),
            carray(pointer(stack(), number), STACK_DOUBLES),
        )

    return of_frame


def interpreted_moments() -> Callable[..., int]:
    """Return the kernel as plain Python, as it is under NUMBA_DISABLE_JIT=1."""

    def call(x, y, weight, plain, words):
        scratch = np.empty(STACK_DOUBLES)
        with np.errstate(all="ignore"):  # sums of patterns wrap around
            return _moments(
                *(x.reshape(-1), y.reshape(-1), weight, x.shape[1], plain, words.reshape(-1)),
                scratch,
            )

    return call
