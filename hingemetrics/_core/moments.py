"""Exact moments of two losses and a weight: sums of doubles, of squares and of products.

A double is split into pieces, integers of at most 24 bits each, and the exact difference of two
doubles into the differences of their pieces. Products of pieces have at most 48 bits, and the sum
of those that share a place at most 51: exact in a double, and turned into an int64 by adding a
constant and reading the bits of the result, as `exact` does. What is too big or too fine for that
is summed as plain integers, one by one. All sums are kept as digits of the grid that `exact` has,
those of products on one whose unit is its square.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.exact import spread
from hingemetrics._core.grid import DIGIT_BITS, LOWEST, NARROW, ONE, sum_of_digits
from hingemetrics._core.totals import Total
from hingemetrics._core.typing import Bools, Floats, Ints

PIECES = 7
FIRST, STEP = 19, -24  # a piece k counts units of 2**(FIRST + STEP * k)
PLAIN = slice(1, 4)  # the pieces of plain losses below PLAIN_LIMIT: multiples of 2**-53
PLAIN_LIMIT = 2.0**18
LIMIT, TINY = 2.0**42, 2.0**-72  # doubles between them, and zero, have no more than all pieces
MOMENT_ROWS = 1 << 11  # sums of so many integers below 2**51 fit in an int64

# What is summed for each column, as so many digits: x, y, the squares, and the products with w.
# The first digit of a sum counts units of 2**UNIT, that of products their square.
UNIT = LOWEST + DIGIT_BITS * NARROW.start
X, Y, SQUARES, PRODUCTS = slice(0, 8), slice(8, 16), slice(16, 29), slice(29, 42)
DIGIT_ROWS = PRODUCTS.stop


class Moments(NamedTuple):
    """Exact sums over pairs of losses x, y >= 0, weighted already, with their weights w."""

    first: Total  # of x
    second: Total  # of y
    squares: int  # of (x - y)**2, in units of 2**(2 * LOWEST); NaN and inf count as 0
    products: int  # of w * (x - y), likewise

    def plus(self, other: Moments) -> Moments:
        """Return the sums of both."""
        return Moments(
            self.first.plus(other.first),
            self.second.plus(other.second),
            self.squares + other.squares,
            self.products + other.products,
        )

    def minus(self, other: Moments) -> Moments:
        """Return what is left when `other` is taken out."""
        return Moments(
            self.first.minus(other.first),
            self.second.minus(other.second),
            self.squares - other.squares,
            self.products - other.products,
        )


NOTHING = Total(0, 0, 0)
NO_MOMENTS = Moments(NOTHING, NOTHING, 0, 0)


def moments_of_ones(number: int) -> Moments:
    """Return the moments of weights that are all 1."""
    return Moments(Total(0, 0, number << -LOWEST), NOTHING, number << -2 * LOWEST, 0)


class MomentSums:
    """Moments of columns that losses are being added to, the last one of the weights.

    `digits` are those of each sum, (DIGIT_ROWS, columns), which take 2**29 additions.
    """

    __slots__ = ("_unusual", "digits")

    def __init__(self, columns: int) -> None:
        self.digits: Ints = np.zeros((DIGIT_ROWS, columns), np.int64)
        self._unusual: dict[int, Moments] = {}

    def add(self, x: Floats, y: Floats, weight: Floats | None, plain: bool) -> None:
        """Add at most MOMENT_ROWS rows of losses, (n, k), and their weights, (n,).

        They are plain if they are neither squared nor weighted.
        """
        usual = _is_usual(x) & _is_usual(y)
        if weight is not None:
            columns = weight[:, np.newaxis]
            usual_weight = _is_usual(columns)
            usual &= usual_weight
            self._add_columns(columns, np.zeros_like(columns), None, usual_weight, x.shape[1])
        short = plain and x.max(initial=0.0) < PLAIN_LIMIT and y.max(initial=0.0) < PLAIN_LIMIT
        self._add_columns(x, y, weight, usual, 0, PLAIN if short else slice(0, PIECES))

    def _add_columns(
        self,
        x: Floats,
        y: Floats,
        weight: Floats | None,
        usual: Bools,
        first: int,
        pieces: slice = slice(0, PIECES),
    ) -> None:
        """Add losses to the columns from `first` on."""
        if not usual.all():
            for row, column in np.argwhere(~usual).tolist():
                w = 1.0 if weight is None else weight.item(row)
                moments = _moments_of(x.item(row, column), y.item(row, column), w)
                before = self._unusual.get(first + column, NO_MOMENTS)
                self._unusual[first + column] = before.plus(moments)
            x, y = np.where(usual, x, 0.0), np.where(usual, y, 0.0)
        columns = slice(first, first + x.shape[1])
        chosen = range(PIECES)[pieces]
        of_x = self._split(x, chosen, self.digits[X, columns])
        of_y = self._split(y, chosen, self.digits[Y, columns])
        differences = [a - b for a, b in zip(of_x, of_y, strict=True)]
        self._multiply(differences, differences, chosen, self.digits[SQUARES, columns])
        if weight is not None:
            of_weight = _pieces(np.where(usual, weight[:, np.newaxis], 0.0), chosen)
            self._multiply(differences, of_weight, chosen, self.digits[PRODUCTS, columns])

    def _split(self, values: Floats, chosen: range, digits: Ints) -> list[Floats]:
        """Add the pieces of doubles, and return them."""
        pieces = _pieces(values, chosen)
        for k, piece in zip(chosen, pieces, strict=True):
            _add_integers(piece, FIRST + STEP * k, digits, UNIT)
        return pieces

    def _multiply(self, a: list[Floats], b: list[Floats], chosen: range, digits: Ints) -> None:
        """Add the products of pieces, those that share a place together."""
        for place in range(2 * len(chosen) - 1):
            shared = sum(
                a[j] * b[place - j] for j in range(len(chosen)) if 0 <= place - j < len(chosen)
            )
            exponent = 2 * FIRST + STEP * (place + 2 * chosen.start)
            _add_integers(shared, exponent, digits, 2 * UNIT)

    def moments(self, weighted: bool) -> list[Moments]:
        """Return the moments of each column, that of the weights last."""
        x, y = (self._totals(each, NARROW.start) for each in (X, Y))
        squares, products = (self._totals(each, 2 * NARROW.start) for each in (SQUARES, PRODUCTS))
        if not weighted:  # every weight is 1
            products = [(a - b) << -LOWEST for a, b in zip(x, y, strict=True)]
        found = [
            Moments(Total(0, 0, a), Total(0, 0, b), *rest)
            for a, b, *rest in zip(x, y, squares, products, strict=True)
        ]
        for column, moments in self._unusual.items():
            found[column] = found[column].plus(moments)
        of_weights = found.pop()
        return [*found, Moments(*of_weights[:-1], 0)]  # products with themselves are their squares

    def _totals(self, rows: slice, first: int) -> list[int]:
        """Return the sum of each column, whose first digit is that one of the grid."""
        return [sum_of_digits(digits, first) for digits in self.digits[rows].T.tolist()]


def _add_integers(values: Any, exponent: int, digits: Ints, unit: int) -> None:
    """Add multiples of 2**exponent, of at most 51 bits, to digits: a column of them to each."""
    magic = np.float64(1.5 * 2.0 ** (exponent + 52))
    offset = np.uint64(len(values) * int(magic.view(np.int64)) % (1 << 64))
    sums = ((values + magic).view(np.uint64).sum(axis=0) - offset).view(np.int64)
    for digit, part in spread(sums, exponent - unit):
        digits[digit] += part


def _is_usual(values: Floats) -> Bools:
    """Whether all of a double >= 0 fits into the pieces."""
    usual: Bools = (values < LIMIT) & ((values >= TINY) | (values == 0.0))
    return usual


def _pieces(values: Floats, chosen: range) -> list[Floats]:
    """Split usual doubles; nothing is left after the last piece."""
    pieces = []
    rest = values
    for k in chosen:
        magic = 1.5 * 2.0 ** (FIRST + STEP * k + 52)
        piece = (rest + magic) - magic
        rest = rest - piece  # exact
        pieces.append(piece)
    return pieces


def _moments_of(x: float, y: float, weight: float) -> Moments:
    """Return the moments of one pair of losses of any size."""
    first, second = _total_of(x), _total_of(y)
    difference = first.finite - second.finite
    return Moments(first, second, difference * difference, _integer(weight) * difference)


def _total_of(x: float) -> Total:
    if x != x:
        return Total(1, 0, 0)
    return Total(0, 1, 0) if x in (np.inf, -np.inf) else Total(0, 0, _integer(x))


def _integer(x: float) -> int:
    """Return a finite double in units of 2**LOWEST."""
    numerator, denominator = x.as_integer_ratio()
    return numerator * (ONE // denominator)
