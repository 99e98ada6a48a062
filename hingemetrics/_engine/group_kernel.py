"""Sums by group again, as Numba compiles them: losses and weights scattered into a table.

The kernel does what `GroupAccumulator.add` in `_core/group_sums.py` says. It returns the row at
which it stopped: the end, or a row before which everything was added, because in the block after it
there is a double that does not fit into the levels. See `kernels` for its manners.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from hingemetrics._engine.frame import (
    GROUP_BLOCK,
    GROUP_CODES,
    GROUP_COLUMNS,
    GROUP_DIGITS,
    GROUP_LABELS,
    GROUP_LOSSES,
    GROUP_LOWEST,
    GROUP_PLAIN,
    GROUP_ROWS,
    GROUP_SLOTS,
    GROUP_TABLE,
    GROUP_WEIGHT,
    GROUP_WEIGHTED,
    GROUP_WORDS,
    GROUPS_BINARY,
    GROUPS_OF_PREDS,
)
from hingemetrics._engine.intrinsics import bits_of, data, helper

# What `group_sums` says too, written out again because the digest of the sources covers this
# file and not that one; a test compares both.
MAGIC0, MAGIC1, MAGIC2, MAGIC3 = 1.5 * 2.0**41, 1.5 * 2.0**-1, 1.5 * 2.0**-43, 1.5 * 2.0**-85
LEVELS, PLAIN_LEVELS = 4, 2
LIMIT, TINY = 2.0**30, 2.0**-85  # doubles between them, and zero, leave nothing after all levels
MARK = 1 << 32

SIGN = np.int64(-1 << 63)
PAIR_LIMIT, UNITS = 2.0**10, 2.0**53  # a loss below it is an integer below 2**63
PAIR_ROW, PAIR_MARK = np.uint64(1 << 20), np.uint64(1 << 42)
ZEROS, NEGATIVES, COUNTERS = 1, 2, 4

ONE = np.uint64(1)  # with a signed number, Numba would make a double of an unsigned one


@helper
def _are_usual(x, start, stop, least):
    """Whether all doubles are below the limit, and zero or at least so large."""
    unusual = np.int64(0)
    for i in range(start, stop):
        size = abs(x[i])
        unusual |= np.int64(not size < LIMIT) | (np.int64(size < least) & np.int64(size != 0.0))
    return unusual == 0


@helper
def _amount(rounded, magic):
    """Return the integer that a double holds to which `magic` was added."""
    return np.uint64(bits_of(rounded) - bits_of(magic)).view(np.int64)


@helper
def _add_plain(x, table, at):
    """Add a plain loss at two places of the table."""
    rounded = x + MAGIC0
    table[at] += _amount(rounded, MAGIC0)
    table[at + ONE] += _amount((x - (rounded - MAGIC0)) + MAGIC1, MAGIC1)


@helper
def _add_deep(x, table, at):
    """Add a double at four places of the table."""
    rounded = x + MAGIC0
    table[at] += _amount(rounded, MAGIC0)
    x -= rounded - MAGIC0
    rounded = x + MAGIC1
    table[at + ONE] += _amount(rounded, MAGIC1)
    x -= rounded - MAGIC1
    rounded = x + MAGIC2
    table[at + ONE + ONE] += _amount(rounded, MAGIC2)
    x -= rounded - MAGIC2
    table[at + ONE + ONE + ONE] += _amount(x + MAGIC3, MAGIC3)


@helper
def _counted(label, mark):
    """Return 1, with a mark if the label is of the negative class; a branch would take 5 ns."""
    return 1 + (mark & -np.int64(label < 1))


@helper
def _scatter_binary(preds, labels, codes, lowest, slots, digits, pairs):
    """Add plain losses of binary predictions; return where it stopped, or -1 as `_scatter`.

    A loss is an integer times 2**-53. The first word of a pair has the low 64 bits of their sum,
    the second one the rest of it, rows and marked rows: less memory than a table, and one pass.
    Labels 0 and -1 are not counted but noted: any label 0 is even, any -1 negative.
    """
    common, any_of = np.int64(-1), np.int64(0)
    row, stop = 0, len(codes)
    while row < stop:
        slot, label = np.uint64(codes[row] - lowest), labels[row]
        if slot >= slots:
            return -1
        if label < -1 or label > 1:
            break
        bits = np.float64(preds[row]).view(np.int64) ^ (label - 1 & SIGN)
        loss = 1.0 - np.int64(bits).view(np.float64)
        if not loss < PAIR_LIMIT:
            break
        amount = np.int64((loss if loss > 0.0 else 0.0) * UNITS).view(np.uint64)
        at = slot << ONE
        low = pairs[at] + amount
        pairs[at] = low
        marked = np.int64(label - 1 >> 63).view(np.uint64)
        pairs[at + ONE] += np.uint64(low < amount) + PAIR_ROW + (PAIR_MARK & marked)
        common &= label
        any_of |= label
        row += 1
    digits[ZEROS] |= ~common & 1
    digits[NEGATIVES] |= -(any_of >> 63)
    return row


@helper
def _scatter(losses, columns, weight, labels, codes, lowest, slots, binary, plain, table):
    """Add rows of so many losses each; return where it stopped, or -1 for a code without a slot."""
    row, stop, weighted = 0, len(codes), len(weight) > 0
    mark, slots = MARK if binary else 0, np.uint64(slots)
    levels = np.uint64(PLAIN_LEVELS if plain else LEVELS)
    width = np.uint64(columns + weighted) * levels + ONE
    least = 0.0 if plain else TINY
    while row < stop:
        n = min(GROUP_BLOCK, stop - row)
        if not _are_usual(losses, row * columns, (row + n) * columns, least):
            break
        if weighted and not _are_usual(weight, row, row + n, least):
            break
        for i in range(row, row + n):
            slot = np.uint64(codes[i] - lowest)
            if slot >= slots:
                return -1
            at = slot * width
            for column in range(columns):
                if plain:
                    _add_plain(losses[i * columns + column], table, at)
                else:
                    _add_deep(losses[i * columns + column], table, at)
                at += levels
            if weighted:
                _add_deep(weight[i], table, at)
                at += levels
            table[at] += _counted(labels[i], mark)
        row += n
    return row


def group_entry() -> Callable[[Any], int]:
    """Return the function that calls the kernel with what a frame says (see `frame`)."""

    def of_frame(frame):
        words = carray(frame, GROUP_WORDS)
        rows, columns, slots = words[GROUP_ROWS], words[GROUP_COLUMNS], words[GROUP_SLOTS]
        weighted, plain = words[GROUP_WEIGHTED], words[GROUP_PLAIN] != 0
        width = (columns + weighted) * (PLAIN_LEVELS if plain else LEVELS) + 1
        labels = carray(data(words[GROUP_LABELS], np.int64), rows)
        codes = carray(data(words[GROUP_CODES], np.int64), rows)
        if words[GROUPS_OF_PREDS]:
            return _scatter_binary(
                carray(data(words[GROUP_LOSSES], np.float64), rows),
                labels,
                codes,
                words[GROUP_LOWEST],
                np.uint64(slots),
                carray(data(words[GROUP_DIGITS], np.int64), COUNTERS),
                carray(data(words[GROUP_TABLE], np.uint64), 2 * slots),
            )
        return _scatter(
            carray(data(words[GROUP_LOSSES], np.float64), rows * columns),
            columns,
            carray(data(words[GROUP_WEIGHT], np.float64), rows if weighted else 0),
            labels,
            codes,
            words[GROUP_LOWEST],
            slots,
            words[GROUPS_BINARY] != 0,
            plain,
            carray(data(words[GROUP_TABLE], np.int64), slots * width),
        )

    return of_frame


def interpreted_groups() -> Callable[..., int]:
    """Return the kernel as plain Python, as it is under NUMBA_DISABLE_JIT=1."""

    def call(losses, weight, labels, codes, lowest, binary, plain, table, digits=None):
        flat = table.reshape(-1)
        with np.errstate(all="ignore"):  # patterns wrap around
            if digits is not None:
                slots = np.uint64(len(table))
                pairs = flat.view(np.uint64)
                return _scatter_binary(losses, labels, codes, lowest, slots, digits, pairs)
            return _scatter(
                *(losses.reshape(-1), losses.shape[1], weight, labels, codes, lowest),
                *(len(table), binary, plain, flat),
            )

    return call
