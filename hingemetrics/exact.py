"""Exact sums of doubles, one a column: add, merge, round once.

Every finite double is an integer times 2**-1074, so a sum of doubles is an integer too. It is kept
as 32-bit digits on a grid that covers every double (Kulisch's long accumulator, in the carry-free
form of Neal 2015: an int64 takes 2**29 additions before its digit must be carried):

    digit k counts units of 2**(32 * k - 1077),   k = 0 ... 66

Five of the digits, `NEAR`, hold every loss and weight of ordinary size. Only they are kept until a
column meets a double that is huge, tiny or not finite; then the whole grid is, with a count of
NaN and of inf below it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

DIGITS = 67
DIGIT_BITS = 32
LOWEST = -1077  # digit 0 counts units of 2**LOWEST
ONE = 1 << -LOWEST  # the number 1 in those units
NEAR = slice(30, 35)  # units of 2**-117, 2**-85, 2**-53, 2**-21 and 2**11
NAN_ROW, INF_ROW = DIGITS, DIGITS + 1
FAR_ROWS = DIGITS + 2

# A block is peeled into digits from the top: adding MAGIC[i] to 0 <= x < 2**30 rounds x to a
# multiple of UNIT[i] in the low mantissa bits, so the bit patterns differ by that multiple.
MAGIC = (1.5 * 2.0**31, 1.5 * 2.0**-1, 1.5 * 2.0**-33, 1.5 * 2.0**-65)
MAGIC_BITS = tuple(int(np.float64(magic).view(np.int64)) for magic in MAGIC)
BLOCK_ROWS = 1 << 13  # so a column's sum of the first digit stays below 2**13 * 2**(28 + 21)
_PEEL_LIMIT = 2.0**28
_LOW = (1 << DIGIT_BITS) - 1
_MOST_ADDED = 1 << 29  # a double adds less than 2**33 to a digit: 2**29 of them stay in an int64

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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


class Accumulator:
    """Mutable sums while a batch is read; kernels write into its arrays."""

    __slots__ = ("far", "near")

    def __init__(self, columns: int) -> None:
        self.near: Ints = np.zeros((NEAR.stop - NEAR.start, columns), np.int64)
        self.far: Ints = np.empty((0, columns), np.int64)

    def widen(self) -> Ints:
        """Return the whole grid of digits, made at its first use."""
        if not len(self.far):
            self.far = np.zeros((FAR_ROWS, self.near.shape[1]), np.int64)
        return self.far

    def add(self, values: Floats, first: int = 0) -> None:
        """Add a block (rows <= BLOCK_ROWS, k) of doubles >= 0 to the columns from `first` on."""
        near = self.near[:, first : first + values.shape[1]]
        ordinary = values < _PEEL_LIMIT
        rest = values
        if not ordinary.all():
            self._add_far(np.where(ordinary, 0.0, values), first)
            rest = np.where(ordinary, values, 0.0)
        for level, (magic, bits) in enumerate(zip(MAGIC, MAGIC_BITS, strict=True)):
            rounded = rest + magic
            digits = (rounded.view(np.int64) - bits).sum(axis=0)
            if level == 0:
                near[4] += digits >> DIGIT_BITS
                digits &= _LOW
            near[3 - level] += digits
            rest = rest - (rounded - magic)  # exact
            if not rest.any():
                return
        self._add_far(rest, first)

    def _add_far(self, values: Floats, first: int) -> None:
        """Add the nonzero ones of `values` (rows, k), of any size and sign, to the whole grid."""
        far = self.widen()
        row, column = np.nonzero(values)
        x, column = values[row, column], column + first
        np.add.at(far[NAN_ROW], column[np.isnan(x)], 1)
        np.add.at(far[INF_ROW], column[np.isinf(x)], 1)
        finite = np.isfinite(x)
        x, column = x[finite], column[finite]
        bits = x.view(np.int64)
        exponent = (bits >> 52) & 0x7FF
        mantissa = (bits & 0xFFFFFFFFFFFFF) | ((exponent > 0).astype(np.int64) << 52)
        place = np.maximum(exponent, 1) + 2  # x = mantissa * 2**(place + LOWEST)
        digit, shift = place >> 5, place & 31
        sign = 1 - 2 * (x < 0)
        low, high = (mantissa & _LOW) << shift, (mantissa >> DIGIT_BITS) << shift
        np.add.at(far, (digit, column), sign * (low & _LOW))
        np.add.at(far, (digit + 1, column), sign * ((low >> DIGIT_BITS) + (high & _LOW)))
        np.add.at(far, (digit + 2, column), sign * (high >> DIGIT_BITS))

    def sums(self, added: int) -> Sums:
        """Return what was added, at most `added` doubles a column, as a value."""
        if not len(self.far):
            return Sums(self.near, added, None)
        return Sums(_widened(self.near) + self.far, added, None)


class Sums:
    """Exact sums, one a column, as a value: `+` merges, `-` unmerges, `columns` is canonical.

    Hot digits (a small int64 array, at most `_MOST_ADDED` doubles a column) make `+` cheap;
    when they could overflow they are folded into cold integers of any size.
    """

    __slots__ = ("_added", "_cold", "_digits")

    def __init__(self, digits: Ints | None, added: int, cold: tuple[Column, ...] | None) -> None:
        self._digits = digits
        self._added = added
        self._cold = cold

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> Sums:
        """Return the sums that `columns` are."""
        return cls(None, 0, columns)

    def __add__(self, other: Sums) -> Sums:
        added = self._added + other._added
        if added > _MOST_ADDED:
            return Sums.of(_merged(self.columns(), other.columns()))
        cold = self._cold
        if other._cold is not None:
            cold = other._cold if cold is None else _merged(cold, other._cold)
        mine, theirs = self._digits, other._digits
        if mine is None or theirs is None:
            return Sums(theirs if mine is None else mine, added, cold)
        if len(mine) != len(theirs):
            mine, theirs = _widened(mine), _widened(theirs)
        return Sums(mine + theirs, added, cold)

    def __sub__(self, other: Sums) -> Sums:
        pairs = zip(self.columns(), other.columns(), strict=True)
        return Sums.of(tuple(mine.minus(theirs) for mine, theirs in pairs))

    def columns(self) -> tuple[Column, ...]:
        """Return the sums as plain integers."""
        if self._digits is None:
            assert self._cold is not None
            return self._cold
        hot = tuple(map(_column, _widened(self._digits).T.tolist()))
        return hot if self._cold is None else _merged(hot, self._cold)


def _column(digits: list[int]) -> Column:
    """Return the column that FAR_ROWS numbers stand for."""
    total = 0
    for digit in reversed(digits[:DIGITS]):
        total = (total << DIGIT_BITS) + digit
    return Column(digits[NAN_ROW], digits[INF_ROW], total)


def _widened(digits: Ints) -> Ints:
    """Return near digits as rows of the whole grid; the whole grid as it is."""
    if len(digits) == FAR_ROWS:
        return digits
    far = np.zeros((FAR_ROWS, digits.shape[1]), np.int64)
    far[NEAR] = digits
    return far


def _merged(a: tuple[Column, ...], b: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return two rows of columns added up."""
    return tuple(mine.plus(theirs) for mine, theirs in zip(a, b, strict=True))
