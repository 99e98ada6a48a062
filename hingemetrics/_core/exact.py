"""Exact sums of doubles, one a column: add, merge, take out, round once.

Every finite double is an integer times 2**-1074, so a sum of doubles is an integer too. It is kept
as 32-bit digits on a grid that covers every double (Kulisch's long accumulator, in the carry-free
form of Neal 2015: an int64 takes 2**29 additions before its digit must be carried):

    digit k counts units of 2**(32 * k - 1077),   k = 0 ... 66

Seven of the digits, `NEAR`, hold every loss and weight of ordinary size. Only they are kept until a
column meets a double that is huge, tiny or not finite; then the whole grid is, with a count of
NaN and of inf below it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Floats, Ints

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
_NEAR_SHIFT = DIGIT_BITS * NEAR.start
_BELOW_NEAR = (1 << _NEAR_SHIFT) - 1
NEAR_LIMIT = 1 << DIGIT_BITS * NEAR.stop  # more than near digits of 32 bits hold
_MANY_COLUMNS = 16  # from here on arrays are faster than integers of Python, one by one
_COLUMN_BLOCK = 1 << 13  # products of so many columns stay in the L2 cache
_RECIPROCAL_DIGITS = 4
_NORMAL = 1000  # powers of two well within those of normal doubles

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

    def is_near(self) -> bool:
        """Whether near digits hold it, each in 32 bits."""
        total = self.total
        return not (self.nan or self.inf or total & _BELOW_NEAR or not 0 <= total < NEAR_LIMIT)

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
    """Counters and exact sums, one a column, as a value: `+` merges, `-` takes out.

    `hot` is one small array, so that it is cheap to make and to add: COUNTERS counters, the first
    of which counts the doubles of a column, then the near digits, NEAR_ROWS for each column. `far`
    is the whole grid, FAR_ROWS for each column, or empty until it is needed. Digits are those of at
    most `_MOST_ADDED` doubles a column that were added or taken out: so many as the first counter
    says, and `extra` (which is negative where digits have been carried). Before they could overflow
    they are carried, or else folded into `cold`, integers of any size.
    """

    __slots__ = ("cold", "extra", "far", "hot")

    def __init__(self, hot: Ints, far: Ints, cold: Totals | None, extra: int = 0) -> None:
        self.hot = hot
        self.far = far
        self.cold = cold
        self.extra = extra

    @classmethod
    def of(cls, totals: Totals) -> Sums:
        """Return the sums that plain integers are: of many columns as near digits, if they fit."""
        hot = _no_hot(len(totals.columns))
        if len(totals.columns) < _MANY_COLUMNS or not totals.are_near():
            return cls(hot, _NO_FAR, totals)
        hot[:COUNTERS] = totals.counters
        digits = b"".join(
            (column.total >> _NEAR_SHIFT).to_bytes(NEAR_ROWS * DIGIT_BITS // 8, "little")
            for column in totals.columns
        )
        _near(hot)[:] = np.frombuffer(digits, "<u4").reshape(-1, NEAR_ROWS).T
        return cls(hot, _NO_FAR, None, 1 - totals.counters[0])

    def __add__(self, other: Sums) -> Sums:
        hot = self.hot + other.hot
        extra = self.extra + other.extra
        if hot.item(0) + extra > _MOST_ADDED:
            return self.carried() + other.carried()
        cold = self.cold
        if other.cold is not None:
            cold = other.cold if cold is None else cold.plus(other.cold)
        return Sums(hot, _far_sum(self.far, other.far), cold, extra)

    def __sub__(self, other: Sums) -> Sums:
        """Return what is left: nothing is checked, and all of it may be negative."""
        if self.columns < _MANY_COLUMNS or self.cold is not None or other.cold is not None:
            return Sums.of(self.totals().minus(other.totals()))
        hot = self.hot - other.hot
        extra = self.extra + other.extra + 2 * other.hot.item(0)  # digits grow, the counter falls
        if hot.item(0) + extra > _MOST_ADDED:
            return self.carried() - other.carried()
        far = _far_sum(self.far, -other.far)
        return Sums(hot, far if far.any() else _NO_FAR, None, extra)

    def carried(self) -> Sums:
        """Return the same sums, with digits that nothing seems to have been added to."""
        digits, near = _carried(_near(self.hot), self.far.reshape(-1, self.columns))
        counters = self.hot[:COUNTERS]
        few = self.columns < _MANY_COLUMNS
        if few or self.cold is not None or not near.all() or (counters >> DIGIT_BITS).any():
            return Sums.of(self.totals())
        hot = np.concatenate((counters, digits.reshape(-1)))
        return Sums(hot, _NO_FAR, None, 1 - hot.item(0))

    def accumulator(self, rows: int) -> Accumulator:
        """Return an accumulator on top of this, which has room for so many rows."""
        base = self
        if self.hot.item(0) + self.extra + rows > _MOST_ADDED:
            base = self.carried()
        return Accumulator(base.hot.copy(), base.far, base.cold, base.extra)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return (len(self.hot) - COUNTERS) // NEAR_ROWS

    def counters(self) -> list[int]:
        """Return the counters."""
        hot: list[int] = self.hot[:COUNTERS].tolist()
        return hot if self.cold is None else list(map(int.__add__, hot, self.cold.counters))

    def totals(self) -> Totals:
        """Return counters and sums as plain integers: canonical."""
        return Totals(tuple(self.counters()), tuple(self.chosen(slice(None))))

    def chosen(self, which: slice | npt.NDArray[np.intp]) -> Iterator[Column]:
        """Yield some of the columns, as plain integers."""
        columns: Iterator[Column] = (
            Column(0, 0, _total(digits, NEAR.start))
            for digits in _near(self.hot)[:, which].T.tolist()
        )
        if len(self.far):
            far = self.far.reshape(FAR_ROWS, -1)[:, which].T.tolist()
            columns = map(Column.plus, columns, map(_far_column, far))
        if self.cold is not None:
            cold = self.cold.columns
            chosen = cold[which] if isinstance(which, slice) else [cold[k] for k in which.tolist()]
            columns = map(Column.plus, columns, chosen)
        return columns

    def unusual(self, columns: int, zero: bool) -> Iterator[Column]:
        """Yield those of the first columns that are not near sums >= 0, or not all zero."""
        if self.cold is not None:
            return self.chosen(slice(columns))
        digits, usual = _carried(_near(self.hot), self.far.reshape(-1, self.columns))
        if zero:
            usual &= ~digits.any(axis=0)
        return self.chosen(np.flatnonzero(~usual[:columns]))

    def over(self, divisor: int) -> Floats:
        """Return all columns as `Column.over` does."""
        if divisor == 0 or self.columns < _MANY_COLUMNS or self.cold is not None:
            return np.array([column.over(divisor) for column in self.chosen(slice(None))])
        near, far = _near(self.hot), self.far.reshape(-1, self.columns)
        values, sure = np.empty(self.columns), np.empty(self.columns, bool)
        for start in range(0, self.columns, _COLUMN_BLOCK):
            block = slice(start, start + _COLUMN_BLOCK)
            digits, usual = _carried(near[:, block], far[:, block])
            values[block], known = _quotients(digits, divisor)
            sure[block] = usual & known
        unsure = np.flatnonzero(~sure)
        values[unsure] = [column.over(divisor) for column in self.chosen(unsure)]
        return values


class Accumulator(Sums):
    """Sums that data are being added to: kernels write into `hot` and `new_far`."""

    __slots__ = ("new_far",)

    def __init__(
        self, hot: Ints, far: Ints = _NO_FAR, cold: Totals | None = None, extra: int = 0
    ) -> None:
        self.hot = hot
        self.far = far
        self.cold = cold
        self.extra = extra
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

    def minus(self, other: Totals) -> Totals:
        """Return these with `other` taken out."""
        return Totals(
            tuple(map(int.__sub__, self.counters, other.counters)),
            tuple(map(Column.minus, self.columns, other.columns)),
        )

    def are_near(self) -> bool:
        """Whether near digits hold all, and so many as are added up hold the counters."""
        return all(counter >> DIGIT_BITS == 0 for counter in self.counters) and all(
            map(Column.is_near, self.columns)
        )


def stacked(sums: Iterable[Sums]) -> list[tuple[Ints, Ints, Totals | None, int]]:
    """Return sums of equal width as few large arrays, for `unstacked`."""
    groups = itertools.groupby(sums, lambda one: (len(one.far), id(one.cold), one.extra))
    stacks = []
    for _, group in groups:
        alike = list(group)
        hot = np.concatenate([one.hot for one in alike]).reshape(len(alike), -1)
        far = np.concatenate([one.far for one in alike]).reshape(len(alike), -1)
        stacks.append((hot, far, alike[0].cold, alike[0].extra))
    return stacks


def unstacked(stacks: list[tuple[Ints, Ints, Totals | None, int]]) -> Iterator[Sums]:
    """Yield what was stacked; each has memory of its own."""
    for hots, fars, cold, extra in stacks:
        for hot, far in zip(hots, fars, strict=True):
            yield Sums(hot.copy(), far.copy() if len(far) else _NO_FAR, cold, extra)


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


def _carried(near: Ints, far: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return near digits carried to the last one, and which columns these then hold in 32 bits.

    A sum below zero has a last digit below zero: it is the sum's floor in the digit's units.
    """
    digits = near.copy()
    for low, high in itertools.pairwise(digits):
        high += low >> DIGIT_BITS
        low &= _LOW
    held = digits[-1] >> DIGIT_BITS == 0
    if len(far):
        held &= ~far.any(axis=0)
    return digits, held


def _quotients(digits: Ints, divisor: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return carried near digits divided by `divisor`, rounded, and where that is surely right.

    With r = floor(2**shift / divisor), of 127 bits, the quotient of a sum t lies in
    [t * r, t * (r + 1)] / 2**shift. Rounding is monotonic: where both ends round to one double, so
    does the quotient. Elsewhere, which takes a tie or a coincidence of 2**-73, nothing is sure; but
    if the divisor is a power of two, both ends are the quotient.
    """
    shift = divisor.bit_length() + DIGIT_BITS * _RECIPROCAL_DIGITS - 2
    reciprocal, rest = divmod(1 << shift, divisor)
    total = digits.astype(np.uint64)
    product = np.zeros((NEAR_ROWS + _RECIPROCAL_DIGITS, digits.shape[1]), np.int64)
    for place in range(_RECIPROCAL_DIGITS):
        part = total * np.uint64(reciprocal >> DIGIT_BITS * place & _LOW)
        product[place : place + NEAR_ROWS] += (part & np.uint64(_LOW)).view(np.int64)
        product[place + 1 : place + 1 + NEAR_ROWS] += (part >> np.uint64(DIGIT_BITS)).view(np.int64)
    values, normal = _rounded(product, _NEAR_SHIFT - shift)
    if not rest:
        return values, normal
    product[:NEAR_ROWS] += digits
    return values, normal & (values == _rounded(product, _NEAR_SHIFT - shift)[0])


def _rounded(digits: Ints, exponent: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the sums of digits * 2**exponent, rounded half to even, and which are normal or zero.

    The first 62 bits of a sum, with the last one set if any is set after them, round to a double as
    the sum does.
    """
    digits, _ = _carried(digits, _NO_FAR)
    rows = len(digits)
    digits = np.concatenate((np.zeros((2, digits.shape[1]), np.int64), digits))
    first = rows + 1 - (digits[:1:-1] != 0).argmax(axis=0)  # the highest that is not zero
    top, middle, low = (
        np.take_along_axis(digits, (first - k)[np.newaxis], 0)[0].astype(np.uint64)
        for k in range(3)
    )
    bits = np.frexp(top.astype(np.float64))[1]  # the length of the first
    length = bits.astype(np.uint64)
    head = (top << np.uint64(DIGIT_BITS) | middle) << np.uint64(DIGIT_BITS) - length | low >> length
    tail = low & ((np.uint64(1) << length) - np.uint64(1))
    after = (top != 0) & ((digits != 0).argmax(axis=0) < first - 2)
    last = (tail != 0) | after | (head & np.uint64(3) != 0)
    power = bits + 2 + DIGIT_BITS * (first - 4) + exponent
    mantissa = ((head >> np.uint64(2)) | last).astype(np.int64).astype(np.float64)
    normal = (abs(power + 62) < _NORMAL) | (mantissa == 0)
    return np.ldexp(mantissa, np.where(normal, power, 0)), normal
