"""Sums of doubles, of squares and of products, against Fractions."""

from fractions import Fraction
from math import isfinite

import numpy as np
import pytest
from cases import examples
from hypothesis import given
from hypothesis import strategies as st

from hingemetrics._core.moments import (
    LIMIT,
    MOMENT_ROWS,
    NO_MOMENTS,
    PLAIN_LIMIT,
    TINY,
    MomentSums,
    moments_of_ones,
)

UNIT = Fraction(2) ** -1077  # of sums; its square is that of products
EDGES = [0.0, 5e-324, np.nextafter(TINY, 0.0), TINY, np.nextafter(TINY, 1.0), 2.0**-53, 0.1, 1.0]
EDGES += [np.nextafter(PLAIN_LIMIT, 0.0), PLAIN_LIMIT, np.nextafter(LIMIT, 0.0), LIMIT, 1e300]
# Where pieces meet: half a unit of each, and the double below, rounds the other way.
EDGES += [2.0 ** (18 - 24 * k) for k in range(4)]
EDGES += [float(np.nextafter(2.0 ** (18 - 24 * k), 0.0)) for k in range(4)]
BROKEN = [np.nan, np.inf]


def wanted(x, y, weights):
    """Counts and sums of x and y, then those of squares and products, as Fractions."""
    finite = [[Fraction(v) if isfinite(v) else 0 for v in column] for column in (x, y)]
    differences = [a - b for a, b in zip(*finite, strict=True)]
    products = sum(Fraction(w) * d for w, d in zip(weights, differences, strict=True))
    totals = [
        (sum(v != v for v in column), sum(v == np.inf for v in column), sum(numbers) / UNIT)
        for column, numbers in zip((x, y), finite, strict=True)
    ]
    return *totals, sum(d * d for d in differences) / UNIT**2, products / UNIT**2


def added(x, y, weight, plain=False):
    """The moments of each column, that of the weights last."""
    sums = MomentSums(x.shape[1] + 1)
    for start in range(0, len(x), MOMENT_ROWS):
        part = slice(start, start + MOMENT_ROWS)
        sums.add(x[part], y[part], None if weight is None else weight[part], plain)
    return sums.moments(weighted=weight is not None)


def check(x, y, weight, plain=False):
    *moments, weights = added(x, y, weight, plain)
    given = [1.0] * len(x) if weight is None else weight.tolist()
    for column, found in enumerate(moments):
        assert found == wanted(x[:, column].tolist(), y[:, column].tolist(), given)
    if weight is not None:
        nothing = [0.0] * len(given)
        first, second, squares, _ = wanted(given, nothing, nothing)
        assert weights == (first, second, squares, 0)


NUMBERS = st.sampled_from(EDGES + BROKEN) | st.floats(0.0, 1e6)
WEIGHTS = st.sampled_from(EDGES) | st.floats(0.0, 1e6)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, WEIGHTS), max_size=12), st.booleans())
@examples(200)
def test_any(rows, weighted):
    x, y, weight = np.array(rows, float).reshape(-1, 3).T
    both = np.column_stack([x, y]), np.column_stack([y, x[::-1]])
    check(*both, weight if weighted else None)


@pytest.mark.parametrize("rows", [1, MOMENT_ROWS - 1, MOMENT_ROWS, MOMENT_ROWS + 1])
@pytest.mark.parametrize("x", [np.nextafter(LIMIT, 0.0), 2.0**42 - 2.0**18, 2.0**-72, 1 - 2.0**-53])
def test_as_many_as_there_may_be(x, rows):
    """Of the largest pieces, all of one sign: what is summed in int64 does not overflow."""
    full = np.full((rows, 1), x)
    weight = full[:, 0].copy()
    *_, one = wanted([x], [0.0], [x])
    for first, second, sign in ((full, 0 * full, 1), (0 * full, full, -1)):
        found = added(first, second, weight)[0]
        assert found.products == sign * rows * one
        assert found.squares == rows * one
        assert found.first.finite + found.second.finite == rows * Fraction(x) / UNIT


def test_pieces_of_opposite_signs():
    """The difference of two pieces is twice as large as a piece."""
    half = sum(2.0 ** (18 - 24 * k) for k in range(3))  # which rounds to even, and leaves as much
    x, y = np.full((MOMENT_ROWS, 1), half), np.full((MOMENT_ROWS, 1), 3 * 2.0**18 - half)
    for first, second in ((x, y), (y, x)):
        check(first, second, None)
        check(first, second, first[:, 0] * 1.0)


@pytest.mark.parametrize(
    "largest", [0.0, np.nextafter(PLAIN_LIMIT, 0.0), PLAIN_LIMIT, 1e300, np.nan]
)
def test_plain_losses(largest):
    """1 - m of any m: a multiple of 2**-53, for which three pieces are enough."""
    rng = np.random.default_rng(0)
    x, y = np.maximum(0.0, 1.0 - rng.normal(0.0, 2.0, (2, 300, 2)))
    x[0] = 2.0**-53
    x[7, 1] = largest
    check(x, y, None, plain=True)
    check(y, x, None, plain=True)


def test_one_unusual_double_leaves_its_row_alone():
    x = np.array([[0.5, 1e300], [0.25, 0.125]])
    y = np.array([[0.25, 0.5], [5e-324, 0.5]])
    check(x, y, None)
    check(x, y, np.array([1e-300, 3.0]))


def test_merged_and_taken_out():
    rng = np.random.default_rng(1)
    x, y = rng.exponential(size=(2, 40, 1))
    x[3], y[5] = np.nan, np.inf
    whole, first, second = (added(x[part], y[part], None)[0] for part in np.s_[:, :25, 25:])
    assert first.plus(second) == whole
    assert whole.minus(second) == first
    assert first.minus(first) == NO_MOMENTS


def test_ones():
    total, nothing, squares, products = moments_of_ones(7)
    assert (total, nothing) == ((0, 0, 7 / UNIT), (0, 0, 0))
    assert (squares, products) == (7 / UNIT**2, 0)
