"""Exact moments of two losses and a weight: sums of doubles, of squares and of products.

A double is split into pieces, integers of at most 24 bits each, and the exact difference of two
doubles into the differences of their pieces. Products of pieces have at most 48 bits, and the sum
of those that share a place at most 51: exact in a double, and turned into an int64 by adding a
constant and reading the bits of the result, as `exact` does. What is too big or too fine for that
is summed as plain integers, one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.grid import DIGIT_BITS, DIGIT_MASK, LOWEST, ONE
from hingemetrics._core.totals import Total
from hingemetrics._core.typing import Bools, Floats, Ints

PIECES = 7
PLACES = 2 * PIECES - 1  # of products of two pieces
FIRST, STEP = 19, -24  # a piece k counts units of 2**(FIRST + STEP * k)
PLAIN = slice(1, 4)  # the pieces of plain losses below PLAIN_LIMIT: multiples of 2**-53
PLAIN_LIMIT = 2.0**18
LIMIT, TINY = 2.0**42, 2.0**-72  # doubles between them, and zero, have no more than all pieces
MOMENT_ROWS = 1 << 11  # sums of so many integers below 2**51 fit in an int64

# What is summed for each column: pieces of x, then of y, products for squares, and for products.
X, Y = slice(0, PIECES), slice(PIECES, 2 * PIECES)
SQUARES = slice(Y.stop, Y.stop + PLACES)
PRODUCTS = slice(SQUARES.stop, SQUARES.stop + PLACES)
STREAMS = PRODUCTS.stop

_PIECE_SHIFTS = [FIRST + STEP * k - LOWEST for k in range(PIECES)]
_PRODUCT_SHIFTS = [2 * (FIRST - LOWEST) + STEP * k for k in range(PLACES)]


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

    `words` are the low 32 bits and the rest of each sum of integers, (2, STREAMS, columns).
    """

    __slots__ = ("_unusual", "words")

    def __init__(self, columns: int) -> None:
        self.words: Ints = np.zeros((2, STREAMS, columns), np.int64)
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
        of_x = self._split(x, chosen, X.start, columns)
        of_y = self._split(y, chosen, Y.start, columns)
        differences = [a - b for a, b in zip(of_x, of_y, strict=True)]
        self._multiply(differences, differences, chosen, SQUARES.start, columns)
        if weight is not None:
            of_weight = _pieces(np.where(usual, weight[:, np.newaxis], 0.0), chosen)
            self._multiply(differences, of_weight, chosen, PRODUCTS.start, columns)

    def _split(self, values: Floats, chosen: range, stream: int, columns: slice) -> list[Floats]:
        """Add the pieces of doubles, and return them."""
        pieces = _pieces(values, chosen)
        for k, piece in zip(chosen, pieces, strict=True):
            self._add_integers(piece, FIRST + STEP * k, stream + k, columns)
        return pieces

    def _multiply(
        self, a: list[Floats], b: list[Floats], chosen: range, stream: int, columns: slice
    ) -> None:
        """Add the products of pieces, those that share a place together."""
        for place in range(2 * len(chosen) - 1):
            shared = sum(
                a[j] * b[place - j] for j in range(len(chosen)) if 0 <= place - j < len(chosen)
            )
            place += 2 * chosen.start
            self._add_integers(shared, 2 * FIRST + STEP * place, stream + place, columns)

    def _add_integers(self, values: Any, exponent: int, stream: int, columns: slice) -> None:
        """Add multiples of 2**exponent, of at most 51 bits, to the words of a stream."""
        magic = np.float64(1.5 * 2.0 ** (exponent + 52))
        offset = np.uint64(len(values) * int(magic.view(np.int64)) % (1 << 64))
        sums = ((values + magic).view(np.uint64).sum(axis=0) - offset).view(np.int64)
        self.words[0, stream, columns] += sums & DIGIT_MASK
        self.words[1, stream, columns] += sums >> DIGIT_BITS

    def moments(self, weighted: bool) -> list[Moments]:
        """Return the moments of each column, that of the weights last."""
        x, y = self._totals(X, _PIECE_SHIFTS), self._totals(Y, _PIECE_SHIFTS)
        squares = self._totals(SQUARES, _PRODUCT_SHIFTS)
        products = self._totals(PRODUCTS, _PRODUCT_SHIFTS)
        if not weighted:  # every weight is 1
            products = [(a - b) << -LOWEST for a, b in zip(x, y, strict=True)]
        found = [
            Moments(Total(0, 0, a), Total(0, 0, b), *rest)
            for a, b, *rest in zip(x, y, squares, products, strict=True)
        ]
        for column, moments in self._unusual.items():
            found[column] = found[column].plus(moments)
        found[-1] = found[-1]._replace(products=0)  # of weights with weights: squares are enough
        return found

    def _totals(self, streams: slice, shifts: list[int]) -> list[int]:
        """Return the sums of some streams for each column; most streams are zero."""
        totals = [0] * self.words.shape[2]
        for stream, shift in zip(range(streams.start, streams.stop), shifts, strict=True):
            low, high = self.words[:, stream]
            if low.any() or high.any():
                for column, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
                    totals[column] += (a + (b << DIGIT_BITS)) << shift
        return totals


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
