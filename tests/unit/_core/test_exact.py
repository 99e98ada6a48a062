"""Exact sums against Fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from cases import EDGES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hingemetrics._core import exact
from hingemetrics._core.exact import BLOCK_ROWS, COUNTERS, Accumulator, Sums, stacked, unstacked
from hingemetrics._core.grid import LOWEST, NARROW_LIMIT, NARROW_ROWS, ONE, WIDE_ROWS
from hingemetrics._core.totals import Total, Totals

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
        accumulator.digits[0] += len(block)
        accumulator.add(block)
    return accumulator.sums()


def column_of(values):
    finite = [Fraction(x) for x in values if math.isfinite(x)]
    nan, inf = sum(map(math.isnan, values)), sum(map(math.isinf, values))
    return Total(nan, inf, int(sum(finite, Fraction(0)) * ONE))


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
    assert sums.totals().columns == (Total(*(times * part for part in column)),)
    assert sums.counters()[0] == times
    # What is small again is added as cheaply as before, and to what is large.
    more = sums + added(np.array([[0.5]]))
    assert more.totals().columns[0].finite == times * column.finite + ONE // 2


def test_columns_from_the_first_on():
    accumulator = Accumulator.empty(3)
    accumulator.add(np.array([[1.0, 2.0**40]]), first=1)
    totals = accumulator.sums().totals()
    assert totals.columns == tuple(Total(0, 0, n * ONE) for n in (0, 1, 2**40))
    assert totals.counters == (0,) * COUNTERS


@given(st.integers(0, 2**2100), st.integers(1, 2**1100))
def test_rounded_once(total, divisor):
    try:
        wanted = float(Fraction(total, divisor))
    except OverflowError:
        wanted = math.inf
    assert Total(0, 0, total).over(divisor) == wanted


@pytest.mark.parametrize(
    ("column", "divisor", "value"),
    [
        (Total(1, 1, 5), 2, math.nan),
        (Total(0, 1, 5), 2, math.inf),
        (Total(0, 0, 0), 0, math.nan),
        (Total(0, 0, 1 << 5000), 1, math.inf),
        (Total(0, 0, 1), 1 << -LOWEST, 2.0**LOWEST),
    ],
)
def test_special_values(column, divisor, value):
    assert np.array_equal(column.over(divisor), value, equal_nan=True)


def test_totals_merge():
    totals = Totals((1, 2), (Total(1, 2, 3),))
    assert totals.plus(totals) == Totals((2, 4), (Total(2, 4, 6),))


def wide(block):
    """A block with the columns of `block` in front of ordinary ones, as many as are a crowd."""
    rest = np.full((len(block), exact._MANY_COLUMNS), 0.1)
    return np.concatenate((block, rest), axis=1)


@given(BLOCKS, st.integers(0, 9))
def test_what_was_added_is_taken_out(block, rows):
    """Digit by digit, or where columns are few as integers."""
    for these in (block, wide(block)):
        whole, part = added(these), added(these[:rows])
        rest = tuple(column_of(column) for column in these[rows:].T.tolist())
        left = whole - part
        assert left.totals().columns == rest
        assert left.counters() == [len(these[rows:]), 0, 0, 0]
        assert (left + part).totals() == whole.totals()
        under = (part - whole).totals()
        assert under.columns == tuple(Total(0, 0, 0).minus(column) for column in rest)


def test_digits_fill_up_by_what_is_taken_out_too():
    these = np.full((5, exact._MANY_COLUMNS), 0.1)
    once = added(these)
    sums = once + once - once
    assert sums.digits.item(0) == len(these)
    assert sums.digits.item(0) + sums.extra == 3 * len(these)


@given(BLOCKS, st.integers(1, 9))
def test_carried_digits_are_the_same_sums(block, times):
    for these in (block, wide(block)):
        once = sums = added(these)
        for _ in range(times):
            sums = (sums + sums).carry()
        assert sums.digits.item(0) + sums.extra <= 1
        for _ in range(times):
            sums = sums - (sums - once)
        assert sums.totals() == once.totals()


@pytest.mark.parametrize("value", [0.1, 2.0**30, 5e-324, math.inf, math.nan])
def test_many_columns_beyond_an_int64(value):
    first = sums = added(wide(np.array([[value]])))
    for _ in range(100):
        sums = sums + sums
    times = 2**100
    one, *_, last = sums.totals().columns
    assert one == Total(*(times * part for part in column_of([value])))
    assert last.finite == times * column_of([0.1]).finite
    left = sums - first
    for _ in range(100):
        left = left - left + first
    assert left.totals() == first.totals()


@given(BLOCKS, st.integers(1, 40))
def test_no_more_is_added_than_digits_hold(block, most):
    """Whatever is added and taken out, digits are carried in time; here after a few additions."""
    these = wide(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_MAX_ADDED", len(these) + most)
        once = sums = added(these)
        for k in range(30):
            sums = sums + once if k % 3 else sums - once + once
            assert sums.digits.item(0) + sums.extra <= len(these) + most
            accumulator = sums.accumulator(len(these))
            accumulator.digits[0] += len(these)
            accumulator.add(these)
            assert accumulator.sums().totals() == (sums + once).totals()
        wanted = [column_of(column * 21) for column in these.T.tolist()]
    assert sums.totals().columns == tuple(wanted)


DIGIT = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**32 - 1, 2**32, -(2**32), 2**62 - 1, -(2**62)]),
    st.integers(-(2**62), 2**62),
)


@given(hnp.arrays(np.int64, (NARROW_ROWS, exact._MANY_COLUMNS), elements=DIGIT))
def test_digits_of_any_sign_and_size(digits):
    """Quotients of what no data make, too: negative sums, and such as narrow digits do not hold."""
    sums = Sums(
        np.concatenate((np.ones(COUNTERS, np.int64), digits.reshape(-1))),
        np.empty(0, np.int64),
        None,
    )
    columns = [
        sum(digit << 32 * (29 + k) for k, digit in enumerate(rows)) for rows in digits.T.tolist()
    ]
    assert [column.finite for column in sums.totals().columns] == columns
    assert sums.carry().totals() == sums.totals()
    for divisor in (ONE, 3 * ONE, 10**300):
        wanted = [Total(0, 0, total).over(divisor) for total in columns]
        assert np.array_equal(sums.over(divisor), wanted)
    unusual = [c.finite for c in sums.unusual(len(columns), zero=False)]
    assert unusual == [total for total in columns if not 0 <= total < NARROW_LIMIT]
    assert [c.finite for c in sums.unusual(9, zero=True)] == [t for t in columns[:9] if t]


def test_more_columns_than_a_block(monkeypatch):
    monkeypatch.setattr(exact, "_COLUMN_BLOCK", 7)
    block = np.concatenate((np.arange(40.0), [1e300, math.nan, math.inf, 5e-324, 0.1]))[None]
    wanted = [column_of([x]).over(3 * ONE) for x in block[0].tolist()]
    assert added(block).over(3 * ONE).tobytes() == np.array(wanted).tobytes()
    assert np.isnan(added(block).over(0)).all()


@given(st.lists(st.lists(ANY, min_size=3, max_size=3), min_size=1, max_size=6))
def test_stacks_are_the_same_sums(rows):
    sums = [added(np.array([row])) for row in rows]
    sums += [sums[0] + sums[-1], Sums.of(sums[0].totals()), sums[0] - sums[0]]
    again = list(unstacked(stacked(sums)))
    assert [one.totals() for one in again] == [one.totals() for one in sums]
    assert all(len(one.wide) in (0, 3 * WIDE_ROWS) for one in again)
    assert all(one.digits.base is None for one in again)  # or one of them would keep all in memory
    assert list(unstacked(stacked([]))) == []
