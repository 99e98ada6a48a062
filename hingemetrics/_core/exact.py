"""Exact sums of doubles, one per column: add, merge, subtract, round once. See `grid`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from hingemetrics._core.grid import (
    DIGIT_BITS,
    DIGIT_MASK,
    DIGITS,
    INF_ROW,
    LOWEST,
    NAN_ROW,
    NARROW,
    NARROW_ROWS,
    NARROW_SHIFT,
    WIDE_ROWS,
    carry,
    sum_of_digits,
)
from hingemetrics._core.rounding import quotients
from hingemetrics._core.totals import Total, Totals
from hingemetrics._core.typing import Floats, Ints

COUNTERS = 4

# A block of doubles 0 <= x < 2**30 is peeled level by level: adding MAGIC[i] rounds x to a
# multiple of 2**(PLACE[i] + LOWEST) in the sum's low mantissa bits, so the bit pattern of the sum
# minus that of MAGIC[i] is that multiple, an integer; the remainder is exact, and peeled next. Two
# levels hold every plain loss (a multiple of 2**-53), three every square of one (2**-106).
MAGIC = (1.5 * 2.0**31, 1.5 * 2.0**-19, 1.5 * 2.0**-69)
MAGIC_BITS = tuple(int(np.float64(magic).view(np.int64)) for magic in MAGIC)
PLACE = (-21 - LOWEST, -71 - LOWEST, -121 - LOWEST)
PLAIN_LEVELS = 2  # for losses neither squared nor weighted: 1 - x, rounded, is k * 2**-53
# Sums of this many integers, each at most 2**49, fit in an int64.
BLOCK_ROWS = 1 << 13
_PEEL_LIMIT = 2.0**28
_MAX_ADDED = 1 << 29  # a double adds less than 2**33 to a digit: 2**29 of them fit in an int64
_MANY_COLUMNS = 16  # from here on arrays are faster than Python's integers, one by one
_COLUMN_BLOCK = 1 << 13  # products of this many columns stay in the L2 cache

_NO_WIDE: Ints = np.empty(0, np.int64)
_NOTHING = Total(0, 0, 0)


class Sums:
    """Counters and exact sums, one per column, as a value: `+` merges, `-` subtracts.

    `digits` is one small array, cheap to make and to add: COUNTERS counters, the first of which
    counts the doubles of a column, then the narrow digits, NARROW_ROWS for each column. `wide` is
    the wide grid, WIDE_ROWS for each column, or empty until a column meets a double that is huge,
    tiny or not finite. Digits hold at most `_MAX_ADDED` doubles per column, added or subtracted:
    the first counter plus `extra` (which is negative where digits have been carried). Before they
    could overflow they are carried, or else folded into `carried`, integers of any size.
    """

    __slots__ = ("carried", "digits", "extra", "wide")

    def __init__(self, digits: Ints, wide: Ints, carried: Totals | None, extra: int = 0) -> None:
        self.digits = digits
        self.wide = wide
        self.carried = carried
        self.extra = extra

    @classmethod
    def of(cls, totals: Totals) -> Sums:
        """Return these totals as sums: in narrow digits if there are many and all of them fit."""
        digits = _zeros(len(totals.columns))
        if len(totals.columns) < _MANY_COLUMNS or not totals.are_narrow():
            return cls(digits, _NO_WIDE, totals)
        digits[:COUNTERS] = totals.counters
        numbers = b"".join(
            (column.finite >> NARROW_SHIFT).to_bytes(NARROW_ROWS * DIGIT_BITS // 8, "little")
            for column in totals.columns
        )
        _narrow(digits)[:] = np.frombuffer(numbers, "<u4").reshape(-1, NARROW_ROWS).T
        return cls(digits, _NO_WIDE, None, 1 - totals.counters[0])

    def __add__(self, other: Sums) -> Sums:
        digits = self.digits + other.digits
        extra = self.extra + other.extra
        if digits.item(0) + extra > _MAX_ADDED:
            return self.carry() + other.carry()
        carried = self.carried
        if other.carried is not None:
            carried = other.carried if carried is None else carried.plus(other.carried)
        return Sums(digits, _wide_sum(self.wide, other.wide), carried, extra)

    def __sub__(self, other: Sums) -> Sums:
        """Return the unchecked difference: any part of it may be negative."""
        if self.columns < _MANY_COLUMNS or self.carried is not None or other.carried is not None:
            return Sums.of(self.totals().minus(other.totals()))
        digits = self.digits - other.digits
        extra = self.extra + other.extra + 2 * other.digits.item(0)  # digits grow, counters fall
        if digits.item(0) + extra > _MAX_ADDED:
            return self.carry() - other.carry()
        wide = _wide_sum(self.wide, -other.wide)
        return Sums(digits, wide if wide.any() else _NO_WIDE, None, extra)

    def carry(self) -> Sums:
        """Return the same sums with their digits carried, which makes room to add more."""
        digits, narrow = carry(_narrow(self.digits), self.wide.reshape(-1, self.columns))
        counters = self.digits[:COUNTERS]
        few = self.columns < _MANY_COLUMNS
        if few or self.carried is not None or not narrow.all() or (counters >> DIGIT_BITS).any():
            return Sums.of(self.totals())
        digits = np.concatenate((counters, digits.reshape(-1)))
        return Sums(digits, _NO_WIDE, None, 1 - digits.item(0))

    def accumulator(self, rows: int) -> Accumulator:
        """Return an accumulator that starts from these sums, with room for this many rows."""
        base = self
        if self.digits.item(0) + self.extra + rows > _MAX_ADDED:
            base = self.carry()
        return Accumulator(base.digits.copy(), base.wide, base.carried, base.extra)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return (len(self.digits) - COUNTERS) // NARROW_ROWS

    def counters(self) -> list[int]:
        """Return the counters as plain integers."""
        counters: list[int] = self.digits[:COUNTERS].tolist()
        if self.carried is None:
            return counters
        return list(map(int.__add__, counters, self.carried.counters))

    def totals(self) -> Totals:
        """Return counters and sums as plain integers: canonical."""
        return Totals(tuple(self.counters()), tuple(self.totals_of(slice(None))))

    def totals_of(self, columns: slice | Ints) -> Iterator[Total]:
        """Yield the totals of the chosen columns."""
        totals: Iterator[Total] = (
            Total(0, 0, sum_of_digits(digits, NARROW.start))
            for digits in _narrow(self.digits)[:, columns].T.tolist()
        )
        if len(self.wide):
            wide = self.wide.reshape(WIDE_ROWS, -1)[:, columns].T.tolist()
            totals = map(Total.plus, totals, map(_wide_total, wide))
        if self.carried is not None:
            carried = self.carried.columns
            if isinstance(columns, slice):
                carried = carried[columns]
            else:
                carried = tuple(carried[k] for k in columns.tolist())
            totals = map(Total.plus, totals, carried)
        return totals

    def total_of(self, column: int) -> Total:
        """Return the total of one column, five times as fast as `totals_of` if all is narrow."""
        if len(self.wide) or self.carried is not None:
            (total,) = self.totals_of(slice(column, column + 1))
            return total
        digits = self.digits[COUNTERS + column :: self.columns].tolist()
        return Total(0, 0, sum_of_digits(digits, NARROW.start)) if any(digits) else _NOTHING

    def unusual(self, columns: int, zero: bool) -> Iterator[Total]:
        """Yield totals of the first columns not narrow and >= 0; if `zero`, all nonzero ones."""
        if self.carried is not None:
            return self.totals_of(slice(columns))
        digits, usual = carry(_narrow(self.digits), self.wide.reshape(-1, self.columns))
        if zero:
            usual &= ~digits.any(axis=0)
        return self.totals_of(np.flatnonzero(~usual[:columns]))

    def over(self, divisor: int) -> Floats:
        """Return every column divided by `divisor`, rounded as by `Total.over`."""
        if divisor == 0 or self.columns < _MANY_COLUMNS or self.carried is not None:
            return np.array([total.over(divisor) for total in self.totals_of(slice(None))])
        narrow, wide = _narrow(self.digits), self.wide.reshape(-1, self.columns)
        values, sure = np.empty(self.columns), np.empty(self.columns, bool)
        for start in range(0, self.columns, _COLUMN_BLOCK):
            block = slice(start, start + _COLUMN_BLOCK)
            digits, usual = carry(narrow[:, block], wide[:, block])
            values[block], known = quotients(digits, divisor)
            sure[block] = usual & known
        unsure = np.flatnonzero(~sure)
        values[unsure] = [total.over(divisor) for total in self.totals_of(unsure)]
        return values


class Accumulator(Sums):
    """Sums that data are being added to: kernels write to `digits`, and to `wide` if it is there.

    `wide` is only of what is being added: a grid of what was there before would slow a kernel down.
    """

    __slots__ = ("_wide_before",)

    def __init__(
        self, digits: Ints, wide: Ints = _NO_WIDE, carried: Totals | None = None, extra: int = 0
    ) -> None:
        super().__init__(digits, _NO_WIDE, carried, extra)
        self._wide_before = wide

    @classmethod
    def empty(cls, columns: int) -> Accumulator:
        """Return an accumulator that starts at zero."""
        return cls(_zeros(columns))

    def widen(self) -> Ints:
        """Return the wide grid, allocated on first use."""
        if not len(self.wide):
            self.wide = np.zeros(WIDE_ROWS * _narrow(self.digits).shape[1], np.int64)
        return self.wide

    def add(self, values: Floats, first: int = 0, levels: int = len(MAGIC)) -> None:
        """Add a block of doubles >= 0, (rows <= BLOCK_ROWS, k), to the columns from `first` on.

        They must leave nothing after so many levels, unless those are all.
        """
        narrow = _narrow(self.digits)[:, first : first + values.shape[1]]
        rest = values
        if not values.max(initial=0.0) < _PEEL_LIMIT:
            ordinary = values < _PEEL_LIMIT
            self._add_wide(np.where(ordinary, 0.0, values), first)
            rest = np.where(ordinary, values, 0.0)
        for level in range(levels):
            rounded = rest + MAGIC[level]
            taken_off = np.uint64(len(values) * MAGIC_BITS[level] % (1 << 64))
            amount = (rounded.view(np.uint64).sum(axis=0) - taken_off).view(np.int64)
            for digit, part in spread(amount, np.int64(PLACE[level])):
                narrow[digit - NARROW.start] += part
            if level + 1 < levels or levels == len(MAGIC):
                rounded -= MAGIC[level]
                rest = np.subtract(rest, rounded, out=rounded)  # exact
        if levels == len(MAGIC) and rest.any():
            self._add_wide(rest, first)

    def _add_wide(self, values: Floats, first: int) -> None:
        """Add the nonzero `values` (rows, k), of any size and sign, to the wide grid."""
        row, column = np.nonzero(values)
        self.add_wide(values[row, column], column + first)

    def add_wide(self, x: Floats, column: Ints) -> None:
        """Add doubles (n,) of any size and sign to the wide grid, each to its column."""
        wide = self.widen().reshape(WIDE_ROWS, -1)
        np.add.at(wide[NAN_ROW], column[np.isnan(x)], 1)
        np.add.at(wide[INF_ROW], column[np.isinf(x)], 1)
        finite = np.isfinite(x)
        column = column[finite]
        bits = x[finite].view(np.int64)
        exponent = (bits >> 52) & 0x7FF
        mantissa = (bits & 0xFFFFFFFFFFFFF) | ((exponent > 0).astype(np.int64) << 52)
        signed = np.where(bits < 0, -mantissa, mantissa)
        for digit, part in spread(signed, np.maximum(exponent, 1) + 2):
            np.add.at(wide, (digit, column), part)

    def sums(self) -> Sums:
        """Return the sums as a value; nothing may be added to this accumulator afterwards."""
        if len(self._wide_before):
            self.wide = _wide_sum(self._wide_before, self.wide)
            self._wide_before = _NO_WIDE
        return self


def stacked(sums: Iterable[Sums]) -> list[tuple[Ints, Ints, Totals | None, int]]:
    """Stack sums of equal width into a few large arrays, for `unstacked`."""
    groups = itertools.groupby(sums, lambda one: (len(one.wide), id(one.carried), one.extra))
    stacks = []
    for _, group in groups:
        alike = list(group)
        digits = np.concatenate([one.digits for one in alike]).reshape(len(alike), -1)
        wide = np.concatenate([one.wide for one in alike]).reshape(len(alike), -1)
        stacks.append((digits, wide, alike[0].carried, alike[0].extra))
    return stacks


def unstacked(stacks: list[tuple[Ints, Ints, Totals | None, int]]) -> Iterator[Sums]:
    """Yield the sums that `stacked` packed, each with its own memory."""
    for all_digits, all_wide, carried, extra in stacks:
        for digits, wide in zip(all_digits, all_wide, strict=True):
            yield Sums(digits.copy(), wide.copy() if len(wide) else _NO_WIDE, carried, extra)


def spread(amount: Ints, place: Any) -> list[tuple[Any, Ints]]:
    """Split amount * 2**place, in units of digit 0, into three digits and what goes to each."""
    digit, shift = place >> 5, place & 31
    low, high = (amount & DIGIT_MASK) << shift, (amount >> DIGIT_BITS) << shift
    return [
        (digit, low & DIGIT_MASK),
        (digit + 1, (low >> DIGIT_BITS) + (high & DIGIT_MASK)),
        (digit + 2, high >> DIGIT_BITS),
    ]


def _wide_sum(a: Ints, b: Ints) -> Ints:
    """Add two wide grids, either of which may be empty."""
    if not len(b):
        return a
    return a + b if len(a) else b


def _zeros(columns: int) -> Ints:
    return np.zeros(COUNTERS + NARROW_ROWS * columns, np.int64)


def _narrow(digits: Ints) -> Ints:
    """Return a view of the narrow digits, (NARROW_ROWS, columns), without the counters."""
    return digits[COUNTERS:].reshape(NARROW_ROWS, -1)


def _wide_total(rows: list[int]) -> Total:
    """Return the total of one column of the wide grid."""
    return Total(rows[NAN_ROW], rows[INF_ROW], sum_of_digits(rows[:DIGITS], 0))
