"""Exact sums of doubles, one a column: add, merge, round once.

Every finite double is an integer times 2**-1074, so a sum of doubles is an integer too. It is kept
as 32-bit digits on a grid that covers every double (Kulisch's long accumulator, in the carry-free
form of Neal 2015: an int64 takes 2**29 additions before its digit must be carried):

    digit k counts units of 2**(32 * k - 1077),   k = 0 ... 66

Seven of the digits, `NEAR`, hold every loss and weight of ordinary size. Only they are kept until a
column meets a double that is huge, tiny or not finite; then the whole grid is, with a count of
NaN and of inf below it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

DIGITS = 67
DIGIT_BITS = 32
LOWEST = -1077  # digit 0 counts units of 2**LOWEST
ONE = 1 << -LOWEST  # the number 1 in those units
NEAR = slice(29, 36)  # what the levels below reach and carry to: 2**-149 to 2**43
NEAR_ROWS = NEAR.stop - NEAR.start
NAN_ROW, INF_ROW = DIGITS, DIGITS + 1
FAR_ROWS = DIGITS + 2
COUNTERS = 4

# A block of doubles 0 <= x < 2**30 is peeled level by level: adding MAGIC[i] rounds x to a
# multiple of 2**(PLACE[i] + LOWEST) in the sum's low mantissa bits, so the bit pattern of the sum
# less that of MAGIC[i] is that multiple, an integer; what is left is exact, and peeled next. Two
# levels hold every plain loss (a multiple of 2**-53), three every square of one (2**-106).
MAGIC = (1.5 * 2.0**31, 1.5 * 2.0**-19, 1.5 * 2.0**-69)
MAGIC_BITS = tuple(int(np.float64(magic).view(np.int64)) for magic in MAGIC)
PLACE = (-21 - LOWEST, -71 - LOWEST, -121 - LOWEST)
# Sums of so many integers, each at most 2**49, stay in an int64.
BLOCK_ROWS = 1 << 13
_PEEL_LIMIT = 2.0**28
_LOW = (1 << DIGIT_BITS) - 1
_MOST_ADDED = 1 << 29  # a double adds less than 2**33 to a digit: 2**29 of them stay in an int64

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NO_FAR: Ints = np.empty(0, np.int64)


class Column(NamedTuple):
    """What one column has seen, as plain integers: canonical, and of any size."""

    nan: int
    inf: int
    total: int  # of the finite ones, in units of 2**LOWEST

    def plus(self, other: Column) -> Column:
        """Return the columns merged."""
        return Column(self.nan + other.nan, self.inf + other.inf, self.total + other.total)

    def minus(self, other: Column) -> Column:
        """Return this column with `other` taken out."""
        return Column(self.nan - other.nan, self.inf - other.inf, self.total - other.total)

    def over(self, divisor: int) -> float:
        """Return the sum divided by `divisor` (same units), correctly rounded, half to even."""
        if self.nan or divisor == 0:
            return math.nan
        if self.inf:
            return math.inf
        try:
            return self.total / divisor  # true division of ints is correctly rounded
        except OverflowError:
            return math.inf


class Sums:
    """Counters and exact sums, one a column, as a value: `+` merges.

    `hot` is one small array, so that it is cheap to make and to add: COUNTERS counters, the first
    of which counts the doubles added to a column, then the near digits, NEAR_ROWS for each column.
    `far` is the whole grid, FAR_ROWS for each column, or empty until it is needed. Of at most
    `_MOST_ADDED` doubles a column; before digits could overflow they are folded into `cold`,
    integers of any size.
    """

    __slots__ = ("cold", "far", "hot")

    def __init__(self, hot: Ints, far: Ints, cold: Totals | None) -> None:
        self.hot = hot
        self.far = far
        self.cold = cold

    @classmethod
    def of(cls, totals: Totals) -> Sums:
        """Return the sums that plain integers are."""
        return cls(_no_hot(len(totals.columns)), _NO_FAR, totals)

    def __add__(self, other: Sums) -> Sums:
        hot = self.hot + other.hot
        if hot.item(0) > _MOST_ADDED:
            return Sums.of(self.totals().plus(other.totals()))
        cold = self.cold
        if other.cold is not None:
            cold = other.cold if cold is None else cold.plus(other.cold)
        return Sums(hot, _far_sum(self.far, other.far), cold)

    def accumulator(self, rows: int) -> Accumulator:
        """Return an accumulator on top of this, which has room for so many rows."""
        base = self
        if self.hot.item(0) + rows > _MOST_ADDED:
            base = Sums.of(self.totals())
        return Accumulator(base.hot.copy(), base.far, base.cold)

    def counters(self) -> list[int]:
        """Return the counters."""
        hot: list[int] = self.hot[:COUNTERS].tolist()
        return hot if self.cold is None else list(map(int.__add__, hot, self.cold.counters))

    def totals(self) -> Totals:
        """Return counters and sums as plain integers: canonical."""
        near = _near(self.hot)
        columns = tuple(Column(0, 0, _total(digits, NEAR.start)) for digits in near.T.tolist())
        if len(self.far):
            columns = tuple(
                map(
                    Column.plus,
                    columns,
                    map(_far_column, self.far.reshape(FAR_ROWS, -1).T.tolist()),
                )
            )
        hot = Totals(tuple(self.hot[:COUNTERS].tolist()), columns)
        return hot if self.cold is None else hot.plus(self.cold)


class Accumulator(Sums):
    """Sums that data are being added to: kernels write into `hot` and `new_far`."""

    __slots__ = ("new_far",)

    def __init__(self, hot: Ints, far: Ints = _NO_FAR, cold: Totals | None = None) -> None:
        self.hot = hot
        self.far = far
        self.cold = cold
        self.new_far = _NO_FAR

    @classmethod
    def empty(cls, columns: int) -> Accumulator:
        """Return an accumulator of nothing."""
        return cls(_no_hot(columns))

    def widen(self) -> Ints:
        """Return the whole grid of digits, made at its first use."""
        if not len(self.new_far):
            self.new_far = np.zeros(FAR_ROWS * _near(self.hot).shape[1], np.int64)
        return self.new_far

    def add(self, values: Floats, first: int = 0) -> None:
        """Add a block (rows <= BLOCK_ROWS, k) of doubles >= 0 to the columns from `first` on."""
        near = _near(self.hot)[:, first : first + values.shape[1]]
        ordinary = values < _PEEL_LIMIT
        rest = values
        if not ordinary.all():
            self._add_far(np.where(ordinary, 0.0, values), first)
            rest = np.where(ordinary, values, 0.0)
        for magic, bits, place in zip(MAGIC, MAGIC_BITS, PLACE, strict=True):
            rounded = rest + magic
            amount = (rounded.view(np.int64) - bits).sum(axis=0)
            for digit, part in _spread(amount, np.int64(place)):
                near[digit - NEAR.start] += part
            rest = rest - (rounded - magic)  # exact
            if not rest.any():
                return
        self._add_far(rest, first)

    def _add_far(self, values: Floats, first: int) -> None:
        """Add the nonzero ones of `values` (rows, k), of any size and sign, to the whole grid."""
        far = self.widen().reshape(FAR_ROWS, -1)
        row, column = np.nonzero(values)
        x, column = values[row, column], column + first
        np.add.at(far[NAN_ROW], column[np.isnan(x)], 1)
        np.add.at(far[INF_ROW], column[np.isinf(x)], 1)
        finite = np.isfinite(x)
        column = column[finite]
        bits = x[finite].view(np.int64)
        exponent = (bits >> 52) & 0x7FF
        mantissa = (bits & 0xFFFFFFFFFFFFF) | ((exponent > 0).astype(np.int64) << 52)
        signed = np.where(bits < 0, -mantissa, mantissa)
        for digit, part in _spread(signed, np.maximum(exponent, 1) + 2):
            np.add.at(far, (digit, column), part)

    def finished(self) -> Sums:
        """Return what was counted and added; from now on it is a value."""
        if len(self.new_far):
            self.far, self.new_far = _far_sum(self.far, self.new_far), _NO_FAR
        return self


class Totals(NamedTuple):
    """Counters and sums as plain integers of any size."""

    counters: tuple[int, ...]
    columns: tuple[Column, ...]

    def plus(self, other: Totals) -> Totals:
        """Return both merged."""
        return Totals(
            tuple(map(int.__add__, self.counters, other.counters)),
            tuple(map(Column.plus, self.columns, other.columns)),
        )


def _spread(amount: Ints, place: Any) -> list[tuple[Any, Ints]]:
    """Return the digits that amount * 2**(place + LOWEST) adds to, and what it adds to each."""
    digit, shift = place >> 5, place & 31
    low, high = (amount & _LOW) << shift, (amount >> DIGIT_BITS) << shift
    return [
        (digit, low & _LOW),
        (digit + 1, (low >> DIGIT_BITS) + (high & _LOW)),
        (digit + 2, high >> DIGIT_BITS),
    ]


def _far_sum(a: Ints, b: Ints) -> Ints:
    """Return two whole grids added up, either of which may be missing."""
    if not len(b):
        return a
    return a + b if len(a) else b


def _no_hot(columns: int) -> Ints:
    """Return the hot array of nothing."""
    return np.zeros(COUNTERS + NEAR_ROWS * columns, np.int64)


def _near(hot: Ints) -> Ints:
    """Return the near digits of a hot array, (NEAR_ROWS, columns)."""
    return hot[COUNTERS:].reshape(NEAR_ROWS, -1)


def _far_column(rows: list[int]) -> Column:
    """Return the column that FAR_ROWS numbers stand for."""
    return Column(rows[NAN_ROW], rows[INF_ROW], _total(rows[:DIGITS], 0))


def _total(digits: list[int], first: int) -> int:
    """Return the sum that digits stand for, of which the first is digit `first`."""
    total = 0
    for digit in reversed(digits):
        total = (total << DIGIT_BITS) + digit
    return total << DIGIT_BITS * first
