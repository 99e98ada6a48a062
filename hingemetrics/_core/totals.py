"""Exact sums as plain integers: canonical, and of any size."""

from __future__ import annotations

import math
from typing import NamedTuple

from hingemetrics._core.grid import DIGIT_BITS, NARROW_LIMIT, NARROW_SHIFT

_BELOW_NARROW = (1 << NARROW_SHIFT) - 1  # mask of the bits below the narrow digits


class Total(NamedTuple):
    """The exact sum of one column: counts of NaN and inf, and the sum of the finite doubles."""

    nan: int
    inf: int
    finite: int  # in units of 2**LOWEST

    def plus(self, other: Total) -> Total:
        """Return the sum of both totals."""
        return Total(self.nan + other.nan, self.inf + other.inf, self.finite + other.finite)

    def minus(self, other: Total) -> Total:
        """Return what is left when `other` is taken out."""
        return Total(self.nan - other.nan, self.inf - other.inf, self.finite - other.finite)

    def is_narrow(self) -> bool:
        """Whether it fits in narrow 32-bit digits."""
        total = self.finite
        return not (self.nan or self.inf or total & _BELOW_NARROW or not 0 <= total < NARROW_LIMIT)

    def over(self, divisor: int) -> float:
        """Return the sum divided by `divisor` (same units), correctly rounded, half to even."""
        if self.nan or divisor == 0:
            return math.nan
        if self.inf:
            return math.inf
        try:
            return self.finite / divisor  # true division of ints is correctly rounded
        except OverflowError:
            return math.inf


class Totals(NamedTuple):
    """Counters, and the exact sum of each column."""

    counters: tuple[int, ...]
    columns: tuple[Total, ...]

    def plus(self, other: Totals) -> Totals:
        """Return the sums, counter by counter and column by column."""
        return Totals(
            tuple(map(int.__add__, self.counters, other.counters)),
            tuple(map(Total.plus, self.columns, other.columns)),
        )

    def minus(self, other: Totals) -> Totals:
        """Return what is left when `other` is taken out."""
        return Totals(
            tuple(map(int.__sub__, self.counters, other.counters)),
            tuple(map(Total.minus, self.columns, other.columns)),
        )

    def are_narrow(self) -> bool:
        """Whether every column fits in narrow 32-bit digits, and every counter in 32 bits."""
        return all(counter >> DIGIT_BITS == 0 for counter in self.counters) and all(
            map(Total.is_narrow, self.columns)
        )
