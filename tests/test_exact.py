"""Exact sums against Fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import EDGES

from hingemetrics.exact import BLOCK_ROWS, COUNTERS, LOWEST, ONE, Accumulator, Column, Totals

ANY = st.one_of(
    st.sampled_from(EDGES[EDGES >= 0].tolist()),
    st.floats(0.0, allow_nan=False, allow_infinity=False),
    st.sampled_from([math.nan, math.inf]),
)
BLOCKS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=ANY)


def added(*blocks):
    """The sums of blocks of doubles; the first counter counts rows, as it must."""
    accumulator = Accumulator.empty(blocks[0].shape[1])
    for block in blocks:
        accumulator.hot[0] += len(block)
        accumulator.add(block)
    return accumulator.finished()


def column_of(values):
    finite = [Fraction(x) for x in values if math.isfinite(x)]
    nan, inf = sum(map(math.isnan, values)), sum(map(math.isinf, values))
    return Column(nan, inf, int(sum(finite, Fraction(0)) * ONE))


@given(BLOCKS)
def test_sums_are_exact(block):
    wanted = tuple(column_of(column) for column in block.T.tolist())
    assert added(block).totals().columns == wanted


@given(BLOCKS)
def test_merged_sums_are_exact(block):
    rows = [block[i : i + 1] for i in range(len(block))]
    merged = added(rows[0])
    for row in rows[1:]:
        merged = added(row) + merged
    assert merged.totals() == added(block).totals() == added(*rows).totals()


@pytest.mark.parametrize(
    "value", [2.0**28 - 2.0**-22, 2.0**30, 5e-324, 0.1, 1.7976931348623157e308]
)
def test_a_full_block(value):
    block = np.full((BLOCK_ROWS, 1), value)
    assert added(block).totals().columns == (column_of([value] * BLOCK_ROWS),)


@pytest.mark.parametrize("value", [0.1, 2.0**30, 5e-324, math.inf, math.nan])
def test_doubling_beyond_an_int64(value):
    sums = added(np.array([[value]]))
    for _ in range(100):
        sums = sums + sums
    column = column_of([value])
    times = 2**100
    assert sums.totals().columns == (Column(*(times * part for part in column)),)
    assert sums.counters()[0] == times
    # What is small again is added as cheaply as before, and to what is large.
    more = sums + added(np.array([[0.5]]))
    assert more.totals().columns[0].total == times * column.total + ONE // 2


def test_columns_from_the_first_on():
    accumulator = Accumulator.empty(3)
    accumulator.add(np.array([[1.0, 2.0**40]]), first=1)
    totals = accumulator.finished().totals()
    assert totals.columns == tuple(Column(0, 0, n * ONE) for n in (0, 1, 2**40))
    assert totals.counters == (0,) * COUNTERS


@given(st.integers(0, 2**2100), st.integers(1, 2**1100))
def test_rounded_once(total, divisor):
    try:
        wanted = float(Fraction(total, divisor))
    except OverflowError:
        wanted = math.inf
    assert Column(0, 0, total).over(divisor) == wanted


@pytest.mark.parametrize(
    ("column", "divisor", "value"),
    [
        (Column(1, 1, 5), 2, math.nan),
        (Column(0, 1, 5), 2, math.inf),
        (Column(0, 0, 0), 0, math.nan),
        (Column(0, 0, 1 << 5000), 1, math.inf),
        (Column(0, 0, 1), 1 << -LOWEST, 2.0**LOWEST),
    ],
)
def test_special_values(column, divisor, value):
    assert np.array_equal(column.over(divisor), value, equal_nan=True)


def test_totals_merge():
    totals = Totals((1, 2), (Column(1, 2, 3),))
    assert totals.plus(totals) == Totals((2, 4), (Column(2, 4, 6),))
