"""The losses again, as Numba compiles them: each kernel reads its arrays once and adds to sums.

A kernel works in blocks of rows that stay in the L1 cache: it checks their labels, computes their
losses into a buffer, and peels the buffer into integers (see `exact`). It returns the row at which
it stopped: the end, or a row before which everything was added, because after it comes a label or
weight that cannot be, or a double that needs the wide grid of digits when none was given. Given an
array for them, it writes the losses there, and only counts.

A kernel allocates nothing, raises nothing and counts no references, so that its machine code needs
no Python. No fastmath, no parallel. Only uint64 wraps around, never an int64 on valid data, so the
same source gives the same bits under NUMBA_DISABLE_JIT=1. Only what compiles imports this file.
"""
# Numba infers the types below, and mypy cannot follow it there.
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from hingemetrics._engine.frame import (
    BLOCK,
    CHUNKS,
    CLASSES,
    DIGITS,
    LOSSES,
    PASSES,
    PREDS,
    ROWS,
    SCRATCH,
    SCRATCH_DOUBLES,
    SQUARED,
    STACK_DOUBLES,
    START,
    TARGET,
    WEIGHT,
    WEIGHTED,
    WIDE,
    WIDENED,
    WORDS,
    WRITING,
    joined_tile,
    scratch_doubles,
    short_tile,
)
from hingemetrics._engine.intrinsics import bits_of, data, fold, helper, pointer, stack

STREAMED = 128  # from so many classes on, PASSES rows are not buffered; fewer are faster joined
FOLD = 512  # one-vs-all tiles between folds: 4 * 512 integers below 2**51 stay below 2**62

# What `exact`, `grid` and `tally` say too, written out again because the digest of the
# sources covers this file and not those; a test compares both.
MAGIC0, MAGIC1, MAGIC2 = 1.5 * 2.0**31, 1.5 * 2.0**-19, 1.5 * 2.0**-69
BITS0, BITS1, BITS2 = map(np.uint64, (0x41E8 << 48, 0x3EC8 << 48, 0x3BA8 << 48))
PLACE0, PLACE1, PLACE2 = 1056, 1006, 956
NARROW_FIRST, NARROW_ROWS, NAN_ROW, INF_ROW, WIDE_ROWS = 29, 7, 67, 68, 69
SAMPLES, ZEROS, NEGATIVES, UNWEIGHTED, COUNTERS = 0, 1, 2, 3, 4

NO_LOSSES = np.empty(0)
NO_LEVELS = (0, 0, 0)
NO_SUMS = (np.uint64(0), np.uint64(0), np.uint64(0), BITS0, np.uint64(0))  # of no patterns
LIMIT = 2.0**30 - 2.0**-22  # from here on the first level carries into bit 51
TINY = 2.0**-69  # from here on the third level leaves nothing: a double has 53 bits
TOP0 = 0x41E8 >> 3  # what every pattern of the first level begins with, above bit 51
# Of as many patterns as share a pass; sums of patterns may wrap around.
ALL0, ALL1, ALL2 = (np.uint64(PASSES * int(bits) % 2**64) for bits in (BITS0, BITS1, BITS2))
MANTISSA = (1 << 52) - 1
NOT_FINITE = 0x7FF  # the exponent of inf and NaN, and a mask of any exponent
LARGEST = (NOT_FINITE << 52) - 1  # the bits of the largest finite double
FULL = 1 << 62  # a chunk that is less has room for the mantissas of a block
SIGN = np.uint64(63)


_short_tile = helper(short_tile)
_joined_tile = helper(joined_tile)


# Exact integers


@helper
def _level(x, magic):
    """Return the pattern that holds the integer which a level takes off x, and what it leaves."""
    rounded = x + magic
    return bits_of(rounded), x - (rounded - magic)


@helper
def _signed(patterns):
    """Return a sum of integers from patterns as a signed integer."""
    return np.uint64(patterns).view(np.int64)


@helper
def _is_big(patterns):
    """Whether the first level met too big a double, given the OR of its patterns.

    From the limit on they have other high bits, of which none is missing in those of the others.
    """
    return _signed(patterns) >> 51 != TOP0


@helper
def _is_fine(patterns):
    """Whether the last level left anything but zeros of either sign, given the OR of patterns."""
    return _signed(patterns << np.uint64(1)) != 0


@helper
def _fold_levels(digits, column, columns, levels):
    """Add the sums of the three levels to a column of narrow digits."""
    first, second, third = levels
    at = COUNTERS - NARROW_FIRST * columns + column
    fold(digits, at, columns, PLACE0, first)
    fold(digits, at, columns, PLACE1, second)
    if third:
        fold(digits, at, columns, PLACE2, third)


@helper
def _add_wide(x, wide, column):
    """Add a double of any size and sign to the wide grid."""
    columns = len(wide) // WIDE_ROWS
    bits = np.float64(x).view(np.int64)
    exponent, mantissa = (bits >> 52) & NOT_FINITE, bits & MANTISSA
    if exponent == NOT_FINITE:
        wide[(NAN_ROW if mantissa else INF_ROW) * columns + column] += 1
        return
    if exponent:
        mantissa |= MANTISSA + 1
    else:
        exponent = 1
    fold(wide, column, columns, exponent + 2, -mantissa if bits < 0 else mantissa)


@helper
def _add_levels(sums, x, deep):
    """Add the patterns of a double to their sums, one a level, and to what tells if all fit.

    Two levels do for plain losses: they are multiples of 2**-53. `deep` is a constant at every
    call, so that LLVM makes two loops of one.
    """
    first, second, third, big, fine = sums
    pattern, rest = _level(x, MAGIC0)
    first += pattern
    big |= pattern
    pattern, rest = _level(rest, MAGIC1)
    second += pattern
    if deep:
        pattern, rest = _level(rest, MAGIC2)
        third += pattern
        fine |= bits_of(rest)
    return first, second, third, big, fine


@helper
def _integers(n, sums, deep):
    """Return the sums of the integers that n doubles left, and if any was too big or too fine.

    Taking the constants off at the end saves an operation for each double and level.
    """
    count = np.uint64(n)
    first, second, third, big, fine = sums
    levels = (
        _signed(first - count * BITS0),
        _signed(second - count * BITS1),
        _signed(third - count * BITS2) if deep else 0,
    )
    return levels, _is_big(big), _is_fine(fine)


@helper
def _peel(x, n, deep):
    """Return the sums of two or three levels over n doubles, and if any is too big or too fine."""
    sums = NO_SUMS
    for i in range(n):
        sums = _add_levels(sums, x[i], deep)
    return _integers(n, sums, deep)


@helper
def _move_big(x, n, wide, width):
    """Move NaN, inf and what is too big for the first level from rows of doubles to the grid."""
    for i in range(n):
        if not x[i] < LIMIT:
            _add_wide(x[i], wide, i % width)
            x[i] = 0.0


@helper
def _add_rests(x, n, wide, width):
    """Add what the third level leaves of rows of doubles to the wide grid."""
    for i in range(n):
        rest = _level(x[i], MAGIC0)[1]
        rest = _level(rest, MAGIC1)[1]
        rest = _level(rest, MAGIC2)[1]
        if rest != 0.0:
            _add_wide(rest, wide, i % width)


@helper
def _is_unusual(x, n):
    """Whether any of n doubles >= 0 is too big or too small, not zero, for the three levels."""
    unusual = np.int64(0)
    for i in range(n):
        unusual |= np.int64(not x[i] < LIMIT) | (np.int64(x[i] < TINY) & np.int64(x[i] != 0.0))
    return unusual != 0


@helper
def _cleared_chunks(scratch, wide):
    """Return chunks in scratch, one for each exponent; none where there is no wide grid."""
    chunks = scratch[: CHUNKS if len(wide) else 0].view(np.int64)
    for i in range(len(chunks)):
        chunks[i] = 0
    return chunks


@helper
def _fold_chunks(chunks, least, wide, column):
    """Move chunks of at least that much to the wide grid."""
    columns = len(wide) // WIDE_ROWS
    for exponent in range(len(chunks)):
        if chunks[exponent] >= least:
            fold(wide, column, columns, max(exponent, 1) + 2, chunks[exponent])
            chunks[exponent] = 0


@helper
def _add_chunks(x, n, chunks, wide, column):
    """Add a block of doubles, of any size and >= 0, to chunks: Neal's large superaccumulator.

    Mantissas of one exponent are summed as they are, a block's to less than 2**61. Chunks are below
    2**62 before a block, so none overflows.
    """
    largest = np.int64(0)
    for i in range(n):
        bits = np.float64(x[i]).view(np.int64)
        exponent = (bits >> 52) & NOT_FINITE
        chunk = chunks[exponent] + ((bits & MANTISSA) | (np.int64(exponent > 0) << 52))
        largest |= chunk
        chunks[exponent] = chunk
    if chunks[NOT_FINITE]:  # as in _add_wide, but all at once: no branch for each double
        chunks[NOT_FINITE] = 0
        nan = inf = np.int64(0)
        for i in range(n):
            nan += np.int64(x[i] != x[i])
            inf += np.int64(x[i] == np.inf)
        columns = len(wide) // WIDE_ROWS
        wide[NAN_ROW * columns + column] += nan
        wide[INF_ROW * columns + column] += inf
    if largest >= FULL:
        _fold_chunks(chunks, FULL >> 2, wide, column)  # also those that soon would be


@helper
def _peel_all(x, n, deep, chunks, wide, column):
    """Return the sums of the levels over n doubles >= 0, if they fit, and if any is unusual.

    Where there is a wide grid, a block with unusual doubles goes there as it is, and always fits.
    """
    if len(wide) and _is_unusual(x, n):
        _add_chunks(x, n, chunks, wide, column)
        return NO_LEVELS, True, True
    levels, big, fine = _peel(x, n, True) if deep else _peel(x, n, False)
    return levels, not (big or fine), False


# Blocks


@helper
def _count(digits, n, weight):
    """Count n samples."""
    digits[SAMPLES] += n
    if not len(weight):
        digits[UNWEIGHTED] += n


@helper
def _copy_labels(target, classes, labels):
    """Copy labels, and return whether all are in [0, classes).

    The copy is what is used: the caller's array may be written by another thread meanwhile.
    """
    outside = np.int64(0)
    for i in range(len(target)):
        labels[i] = target[i]
        outside |= np.int64(np.uint64(target[i]) >= np.uint64(classes))  # also if it is negative
    return outside == 0


@helper
def _loss(margin, squared):
    """Return max(0, 1 - margin), where NaN stays NaN, or its square."""
    loss = 1.0 - margin
    loss = 0.0 if loss < 0.0 else loss
    return loss * loss if squared else loss


@helper
def _weigh(x, weight, n):
    """Multiply n losses by their weights."""
    for i in range(n):
        x[i] *= weight[i]


@helper
def _copy_weights(weight, n, x):
    """Copy weights, -0.0 as 0.0, and return whether all are finite and >= 0."""
    outside = np.int64(0)
    for i in range(n):
        x[i] = weight[i] + 0.0
        bits = np.float64(x[i]).view(np.int64)
        outside |= bits | (LARGEST - bits)  # negative if the sign is, or if inf or NaN
    return outside >= 0


@helper
def _add_weights(weight, n, x, digits, chunks, wide, column):
    """Add n weights to a column; False, and nothing added, if it cannot be or they need a grid."""
    fits = False
    if not len(wide):
        signs = np.uint64(0)
        for i in range(n):
            signs |= bits_of(weight[i])
        levels, big, fine = _peel(weight, n, True)
        fits = not (big or fine or signs >> SIGN)
    if not fits:  # some may be valid but huge, tiny or -0.0: now slowly
        if not _copy_weights(weight, n, x):
            return False
        levels, fits, _ = _peel_all(x, n, True, chunks, wide, column)
    if fits:
        _fold_levels(digits, column, column + 1, levels)
    return fits


@helper
def _add_block(x, n, weights, deep, digits, loss_chunks, weight_chunks, wide):
    """Add the (weighted) losses of n rows and their weights, and return if any loss is unusual.

    First False, and no digits added, if that cannot be, or if it needs a wide grid and has none.
    """
    levels, fits, unusual = _peel_all(x, n, deep, loss_chunks, wide, 0)
    if fits and len(weights):
        fits = _add_weights(weights, n, x, digits, weight_chunks, wide, 1)
    if fits:
        _fold_levels(digits, 0, 2, levels)
    return fits, unusual


# Binary


@helper
def _binary_loss(x, positive, squared):
    """Return the loss if `positive` is 1 or 0: x itself or its negative is the margin."""
    flipped = np.float64(x).view(np.int64) ^ (positive << 63)
    return _loss(-np.int64(flipped).view(np.float64), squared)


@helper
def _binary_label(target):
    """Return 1 for a positive label and 0 for a negative one, and -1 for a negative one of -1.

    Of any other label the first is neither 0 nor 1.
    """
    negative = target >> 63
    return target - negative, negative


@helper
def _binary_losses(preds, target, squared, x):
    """Compute the losses of rows; return the OR of what should be 0 or 1, and label counts."""
    outside = positives = negatives = np.int64(0)
    for i in range(len(target)):
        positive, negative = _binary_label(target[i])
        outside |= positive
        positives += positive
        negatives -= negative
        x[i] = _binary_loss(preds[i], positive, squared)
    return outside, positives, negatives


@helper
def _peel_binary(preds, target, weight, squared, weighted):
    """Do what _binary_losses, _weigh and _peel do, in one loop, a quarter faster than in three.

    Return the OR of what should be 0 or 1, label counts, the sums of the levels, and if all fit.
    """
    outside = positives = negatives = np.int64(0)
    sums = NO_SUMS
    deep = squared or weighted
    for i in range(len(target)):
        positive, negative = _binary_label(target[i])
        outside |= positive
        positives += positive
        negatives -= negative
        loss = _binary_loss(preds[i], positive, squared)
        if weighted:
            loss *= weight[i]
        sums = _add_levels(sums, loss, deep)
    levels, big, fine = _integers(len(target), sums, deep)
    return outside, positives, negatives, levels, not (big or fine or outside >> 1)


@helper
def _binary(preds, _, target, weight, squared, row, digits, wide, losses, scratch):
    """Add rows from `row` on; return where it stopped."""
    buffer, stop, writing = scratch[:BLOCK], len(target), len(losses) > 0
    loss_chunks = _cleared_chunks(scratch[BLOCK:], wide)
    weight_chunks = _cleared_chunks(scratch[BLOCK + CHUNKS :], wide)
    weighted = len(weight) > 0
    deep = squared or weighted
    fused = not writing
    while row < stop:
        n = min(BLOCK, stop - row)
        x = losses[row : row + n] if writing else buffer
        block, labels, weights = preds[row : row + n], target[row : row + n], weight[row : row + n]
        added = False
        if fused:
            if weighted:
                found = _peel_binary(block, labels, weights, squared, True)
            elif squared:
                found = _peel_binary(block, labels, weights, True, False)
            else:
                found = _peel_binary(block, labels, weights, False, False)
            outside, positives, negatives, levels, added = found
            if added and weighted:
                added = _add_weights(weights, n, x, digits, weight_chunks, wide, 1)
            if added:
                _fold_levels(digits, 0, 2, levels)
        if not added:
            outside, positives, negatives = _binary_losses(block, labels, squared, x)
            if weighted:
                _weigh(x, weights, n)
            if outside >> 1 or (writing and not _copy_weights(weights, len(weights), buffer)):
                break
            if not writing:
                added, unusual = _add_block(
                    x, n, weights, deep, digits, loss_chunks, weight_chunks, wide
                )
                if not added:
                    break
                fused = not unusual  # one seldom comes alone: the next block starts here
        digits[ZEROS] += n - positives - negatives
        digits[NEGATIVES] += negatives
        _count(digits, n, weight)
        row += n
    _fold_chunks(loss_chunks, 1, wide, 0)
    _fold_chunks(weight_chunks, 1, wide, 1)
    return row


# Crammer-Singer


@helper
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


@helper
def _long_rows(preds, patterns, labels, n, squared, infinity, lowest, integer, rivals, x):
    """Compute the losses of n rows of many classes, one row at a time."""
    classes = len(preds) // n
    rival_patterns = rivals.view(integer)
    for i in range(n):
        a, b = i * classes, (i + 1) * classes
        rival_patterns[i], nan = _rival(
            patterns[a:b], integer(labels[i]), infinity, lowest, integer
        )
        loss = _loss(np.float64(preds[a + labels[i]]) - np.float64(rivals[i]), squared)
        x[i] = np.nan if nan else loss


@helper
def _copy_predictions(preds, copy, integer):
    """Copy predictions, and return whether any is NaN."""
    nan = integer(0)
    for i in range(len(preds)):
        x = preds[i]
        copy[i] = x
        nan = integer(nan | integer(-integer(x != x)))
    return nan != 0


@helper
def _take_own(values, labels, n, classes, own):
    """Move each row's own prediction to `own`, and put -inf in its place."""
    first = np.uintp(0)  # unsigned: no test for an index from the end
    for i in range(n):
        at = first + np.uintp(labels[i])
        own[i] = values[at]
        values[at] = -np.inf
        first += np.uintp(classes)


@helper
def _widen_windows(maxima, wider, shift):
    """Turn maxima of `shift` predictions from each on into maxima of twice as many."""
    shifted = maxima[shift:]
    for i in range(len(shifted)):
        wider[i] = maxima[i] if maxima[i] > shifted[i] else shifted[i]


@helper
def _row_maxima(heads, tails, n, classes, maxima):
    """Compute the maxima of n rows from those of the windows at both ends of each."""
    first = np.uintp(0)
    for i in range(n):
        head, tail = heads[first], tails[first]
        maxima[i] = head if head > tail else tail
        first += np.uintp(classes)


@helper
def _pair_maxima(values, maxima, integer):
    """Write the greater of each two values, and return whether any is NaN."""
    nan = integer(0)
    for i in range(len(values) // 2):
        a, b = values[2 * i], values[2 * i + 1]
        maxima[i] = a if a > b else b
        nan = integer(nan | integer(-integer(a != a)) | integer(-integer(b != b)))
    return nan != 0


@helper
def _take_own_of_pairs(preds, labels, n, classes, maxima, own):
    """Copy each row's own prediction to `own`, and let its pair's other one be their maximum."""
    first = np.uintp(0)  # unsigned: no test for an index from the end
    for i in range(n):
        at = first + np.uintp(labels[i])
        own[i] = preds[at]
        maxima[at >> np.uintp(1)] = preds[at ^ np.uintp(1)]
        first += np.uintp(classes)


@helper
def _short_rows(preds, labels, n, squared, integer, values, wider, own, x):
    """Compute the losses of n rows of few classes, all rows as one long row.

    While their number is even, pairs become one value, of which the first pass reads predictions.
    Then maxima of windows of 2, 4, 8 ... values from each on; a row's is that of the two windows at
    its ends. So nothing is transposed, and the only strided work is one read a row and window.
    """
    width = classes = len(preds) // n
    if classes % 2:
        nan = _copy_predictions(preds, values, integer)
        _take_own(values, labels, n, classes, own)
    else:
        nan = _pair_maxima(preds, values, integer)
        _take_own_of_pairs(preds, labels, n, classes, values, own)
        width //= 2
        while width % 2 == 0:
            _pair_maxima(values[: n * width], wider, integer)
            values, wider = wider, values
            width //= 2
    if width > 1:
        window = 1
        while 2 * window <= width:
            _widen_windows(values[: n * width], wider, window)
            values, wider = wider, values
            window *= 2
        _row_maxima(values, values[width - window :], n, width, wider)
        values, wider = wider, values
    for i in range(n):  # apart from the strided reads, so that it is vectorised
        x[i] = _loss(np.float64(own[i]) - np.float64(values[i]), squared)
    if nan:
        for i in range(n * classes):
            if preds[i] != preds[i]:
                x[i // classes] = np.nan


@helper
def _crammer_singer(
    preds,
    classes,
    infinity,
    lowest,
    integer,
    target,
    weight,
    squared,
    row,
    digits,
    wide,
    losses,
    scratch,
):
    """Add rows from `row` on; return where it stopped."""
    stop, writing = len(target), len(losses) > 0
    patterns = preds.view(integer)
    rows, room = _short_tile(classes, preds.itemsize)
    buffer, scratch = scratch[:rows], scratch[rows:]
    labels, scratch = scratch[:rows].view(np.int64), scratch[rows:]
    own, scratch = scratch[:rows].view(preds.dtype), scratch[rows:]
    values, wider = scratch[:room].view(preds.dtype), scratch[room : 2 * room].view(preds.dtype)
    loss_chunks = _cleared_chunks(scratch[2 * room :], wide)
    weight_chunks = _cleared_chunks(scratch[2 * room + CHUNKS :], wide)
    deep = squared or len(weight) > 0
    while row < stop:
        n = min(rows, stop - row)
        if not _copy_labels(target[row : row + n], classes, labels):
            break
        a, b = row * classes, (row + n) * classes
        x = losses[row : row + n] if writing else buffer
        if room > rows:
            _short_rows(preds[a:b], labels, n, squared, integer, values, wider, own, x)
        else:
            _long_rows(
                preds[a:b], patterns[a:b], labels, n, squared, infinity, lowest, integer, values, x
            )
        weights = weight[row : row + n]
        if len(weights):
            _weigh(x, weights, n)
        if writing:
            if not _copy_weights(weights, len(weights), buffer):
                break
        elif not _add_block(x, n, weights, deep, digits, loss_chunks, weight_chunks, wide)[0]:
            break
        _count(digits, n, weight)
        row += n
    _fold_chunks(loss_chunks, 1, wide, 0)
    _fold_chunks(weight_chunks, 1, wide, 1)
    return row


# One-vs-all


@helper
def _row_losses(preds, labels, n, classes, squared, x):
    """Compute the losses of n rows, first as if every class were wrong."""
    for i in range(n * classes):
        x[i] = _loss(-np.float64(preds[i]), squared)
    first = np.uintp(0)  # unsigned: no test for an index from the end
    for i in range(n):
        at = first + np.uintp(labels[i])
        x[at] = _loss(np.float64(preds[at]), squared)
        first += np.uintp(classes)


@helper
def _weigh_rows(x, weight, n, classes):
    """Multiply the losses of n rows by their weights."""
    for i in range(n):
        for j in range(i * classes, (i + 1) * classes):
            x[j] *= weight[i]


@helper
def _add_column(losses, j, deep, first, second, third, big, fine):
    """Add the levels of PASSES losses of a column, and to what tells if all fit."""
    x0, x1, x2, x3 = losses
    a, x0 = _level(x0, MAGIC0)
    b, x1 = _level(x1, MAGIC0)
    c, x2 = _level(x2, MAGIC0)
    d, x3 = _level(x3, MAGIC0)
    first[j] += (a + b) + (c + d) - ALL0
    big |= (a | b) | (c | d)
    a, x0 = _level(x0, MAGIC1)
    b, x1 = _level(x1, MAGIC1)
    c, x2 = _level(x2, MAGIC1)
    d, x3 = _level(x3, MAGIC1)
    second[j] += (a + b) + (c + d) - ALL1
    if deep:
        a, x0 = _level(x0, MAGIC2)
        b, x1 = _level(x1, MAGIC2)
        c, x2 = _level(x2, MAGIC2)
        d, x3 = _level(x3, MAGIC2)
        third[j] += (a + b) + (c + d) - ALL2
        fine |= (bits_of(x0) | bits_of(x1)) | (bits_of(x2) | bits_of(x3))
    return big, fine


@helper
def _peel_rows(x, width, deep, first, second, third):
    """Add the levels of PASSES rows of losses to integers, one a column; tell what does not fit."""
    big = fine = np.uint64(0)
    x0, x1, x2, x3 = x[:width], x[width:], x[2 * width :], x[3 * width :]
    for j in range(width):
        losses = x0[j], x1[j], x2[j], x3[j]
        big, fine = _add_column(losses, j, deep, first, second, third, big, fine)
    return _is_big(big), _is_fine(fine)


@helper
def _weighed_loss(margin, squared, weight, weighted):
    """Return the loss times the weight, if there is one."""
    loss = _loss(margin, squared)
    return loss * weight if weighted else loss


@helper
def _correct(right, wrong, deep, j, first, second, third, big, fine):
    """Take a loss out of a column again, exactly, and add another one."""
    a, right = _level(right, MAGIC0)
    b, wrong = _level(wrong, MAGIC0)
    first[j] += a - b
    big |= a
    a, right = _level(right, MAGIC1)
    b, wrong = _level(wrong, MAGIC1)
    second[j] += a - b
    if deep:
        a, right = _level(right, MAGIC2)
        b, wrong = _level(wrong, MAGIC2)
        third[j] += a - b
        fine |= bits_of(right)
    return big, fine


@helper
def _peel_streamed(preds, labels, weights, squared, weighted, first, second, third):
    """Do what _row_losses, _weigh_rows and _peel_rows do for PASSES long rows, without a buffer.

    Each class is taken for a wrong one; then each row's own is corrected.
    """
    width, deep = len(first), squared or weighted
    big = fine = np.uint64(0)
    p0, p1, p2, p3 = preds[:width], preds[width:], preds[2 * width :], preds[3 * width :]
    w0 = w1 = w2 = w3 = 1.0
    if weighted:
        w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for j in range(width):
        losses = (
            _weighed_loss(-np.float64(p0[j]), squared, w0, weighted),
            _weighed_loss(-np.float64(p1[j]), squared, w1, weighted),
            _weighed_loss(-np.float64(p2[j]), squared, w2, weighted),
            _weighed_loss(-np.float64(p3[j]), squared, w3, weighted),
        )
        big, fine = _add_column(losses, j, deep, first, second, third, big, fine)
    for i in range(PASSES):
        own = np.float64(preds[i * width + labels[i]])
        weight = weights[i] if weighted else 1.0
        right = _weighed_loss(own, squared, weight, weighted)
        wrong = _weighed_loss(-own, squared, weight, weighted)
        big, fine = _correct(right, wrong, deep, labels[i], first, second, third, big, fine)
    return _is_big(big), _is_fine(fine)


@helper
def _fold_rows(digits, classes, first, second, third):
    """Fold the integers of joined rows into the digits of their classes, and clear them."""
    for j in range(len(first)):
        levels = _signed(first[j]), _signed(second[j]), _signed(third[j])
        _fold_levels(digits, j % classes, classes + 1, levels)
        first[j] = second[j] = third[j] = 0


@helper
def _add_tiles(preds, classes, target, weight, squared, row, digits, chunks, wide, scratch):
    """Add rows from `row` on; return where it stopped, which is where the last fold ended."""
    stop = len(target)
    width, rows = _joined_tile(classes)
    weighted = len(weight) > 0
    deep = squared or weighted
    streamed = classes >= STREAMED and not len(wide)
    x, scratch = scratch[: width * PASSES], scratch[width * PASSES :]
    labels, scratch = scratch[:rows].view(np.int64), scratch[rows:]
    buffer, scratch = scratch[:rows], scratch[rows:]
    first, scratch = scratch[:width].view(np.uint64), scratch[width:]
    second, scratch = scratch[:width].view(np.uint64), scratch[width:]
    third, scratch = scratch[:width].view(np.uint64), scratch[width:]
    for j in range(width):
        first[j] = second[j] = third[j] = 0
    weight_digits = scratch[: len(digits) if weighted else 0].view(np.int64)
    for i in range(len(weight_digits)):
        weight_digits[i] = 0
    while row < stop:
        end = min(row + FOLD * rows, stop)
        for at in range(row, end, rows):
            n = min(rows, end - at)
            if not _copy_labels(target[at : at + n], classes, labels):
                return row
            block = preds[at * classes : (at + n) * classes]
            weights = weight[at : at + n] if weighted else weight
            if weighted and not _add_weights(
                weights, n, buffer, weight_digits, chunks, wide, classes
            ):
                return row
            if streamed and n == PASSES:
                if squared and weighted:
                    big, fine = _peel_streamed(
                        block, labels, weights, True, True, first, second, third
                    )
                elif squared:
                    big, fine = _peel_streamed(
                        block, labels, weights, True, False, first, second, third
                    )
                elif weighted:
                    big, fine = _peel_streamed(
                        block, labels, weights, False, True, first, second, third
                    )
                else:
                    big, fine = _peel_streamed(
                        block, labels, weights, False, False, first, second, third
                    )
                if big or fine:
                    return row
                continue
            if squared:
                _row_losses(block, labels, n, classes, True, x)
            else:
                _row_losses(block, labels, n, classes, False, x)
            for i in range(n * classes, len(x)):
                x[i] = 0.0
            if weighted:
                _weigh_rows(x, weights, n, classes)
            if len(wide):
                _move_big(x, n * classes, wide, classes)
            if deep:
                big, fine = _peel_rows(x, width, True, first, second, third)
            else:
                big, fine = _peel_rows(x, width, False, first, second, third)
            if big or (fine and not len(wide)):
                return row
            if fine:
                _add_rests(x, n * classes, wide, classes)
        _fold_rows(digits, classes, first, second, third)
        for i in range(len(weight_digits)):
            digits[i] += weight_digits[i]
            weight_digits[i] = 0
        _count(digits, end - row, weight)
        row = end
    return row


@helper
def _write_rows(preds, classes, target, weight, squared, row, digits, losses, scratch):
    """Write the losses of rows from `row` on, and count them; return where it stopped."""
    stop, rows = len(target), _joined_tile(classes)[1]
    labels, buffer = scratch[:rows].view(np.int64), scratch[rows : 2 * rows]
    while row < stop:
        n = min(rows, stop - row)
        if not _copy_labels(target[row : row + n], classes, labels):
            break
        a, b = row * classes, (row + n) * classes
        if squared:
            _row_losses(preds[a:b], labels, n, classes, True, losses[a:b])
        else:
            _row_losses(preds[a:b], labels, n, classes, False, losses[a:b])
        if len(weight):
            _weigh_rows(losses[a:b], weight[row : row + n], n, classes)
            if not _copy_weights(weight[row : row + n], n, buffer):
                break
        _count(digits, n, weight)
        row += n
    return row


@helper
def _one_vs_all(preds, classes, target, weight, squared, row, digits, wide, losses, scratch):
    """Add rows from `row` on; return where it stopped."""
    if len(losses):
        return _write_rows(preds, classes, target, weight, squared, row, digits, losses, scratch)
    chunks = _cleared_chunks(scratch, wide)  # of weights
    rest = squared, row, digits, chunks, wide, scratch[len(chunks) :]
    row = _add_tiles(preds, classes, target, weight, *rest)
    _fold_chunks(chunks, 1, wide, classes)
    return row


# One function for each kind of loss and dtype


@helper
def _crammer_singer_float32(
    preds, classes, target, weight, squared, row, digits, wide, losses, scratch
):
    infinity, lowest = np.float32(np.inf).view(np.int32), np.float32(-np.inf).view(np.int32)
    rest = squared, row, digits, wide, losses, scratch
    return _crammer_singer(preds, classes, infinity, lowest, np.int32, target, weight, *rest)


@helper
def _crammer_singer_float64(
    preds, classes, target, weight, squared, row, digits, wide, losses, scratch
):
    infinity, lowest = np.float64(np.inf).view(np.int64), np.float64(-np.inf).view(np.int64)
    rest = squared, row, digits, wide, losses, scratch
    return _crammer_singer(preds, classes, infinity, lowest, np.int64, target, weight, *rest)


KERNELS: dict[tuple[str, np.dtype[Any]], Callable[..., int]] = {
    ("binary", np.dtype(np.float32)): _binary,
    ("binary", np.dtype(np.float64)): _binary,
    ("crammer-singer", np.dtype(np.float32)): _crammer_singer_float32,
    ("crammer-singer", np.dtype(np.float64)): _crammer_singer_float64,
    ("one-vs-all", np.dtype(np.float32)): _one_vs_all,
    ("one-vs-all", np.dtype(np.float64)): _one_vs_all,
}
"""Functions over arrays: what an entry calls, and what runs as it is under NUMBA_DISABLE_JIT=1."""


def entry(form: str, dtype: np.dtype[Any]) -> Callable[[Any], int]:
    """Return the function that calls a kernel with what a frame says (see `frame`)."""
    kernel, number = KERNELS[form, dtype], dtype.type
    per_class = form == "one-vs-all"

    def of_frame(frame):
        words = carray(frame, WORDS)
        rows, classes = words[ROWS], words[CLASSES]
        each = classes if per_class else 1
        columns = each + 1
        scratch, doubles = pointer(stack(), np.float64), STACK_DOUBLES
        if words[SCRATCH_DOUBLES] > STACK_DOUBLES:
            scratch, doubles = data(words[SCRATCH], np.float64), words[SCRATCH_DOUBLES]
        return kernel(
            carray(data(words[PREDS], number), rows * classes),
            classes,
            carray(data(words[TARGET], np.int64), rows),
            carray(data(words[WEIGHT], np.float64), rows if words[WEIGHTED] else 0),
            words[SQUARED] != 0,
            words[START],
            carray(data(words[DIGITS], np.int64), COUNTERS + NARROW_ROWS * columns),
            carray(data(words[WIDE], np.int64), WIDE_ROWS * columns if words[WIDENED] else 0),
            carray(data(words[LOSSES], np.float64), rows * each if words[WRITING] else 0),
            carray(scratch, doubles),
        )

    return of_frame


def interpreted(form: str, dtype: np.dtype[Any]) -> Callable[..., int]:
    """Return a kernel as plain Python, as it is under NUMBA_DISABLE_JIT=1."""
    kernel = KERNELS[form, dtype]

    def call(preds, target, weight, squared, start, digits, wide, losses=NO_LOSSES):
        classes = 1 if preds.ndim == 1 else preds.shape[1]
        scratch = np.empty(scratch_doubles(form, dtype.itemsize, classes, wide.size > 0))
        rest = squared, start, digits, wide, losses.reshape(-1), scratch
        with np.errstate(all="ignore"):  # sums that are then thrown away
            return kernel(preds.reshape(-1), classes, target, weight, *rest)

    return call
