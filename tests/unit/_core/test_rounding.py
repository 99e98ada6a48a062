"""Quotients of many exact sums against Fractions, and roots against bisection, to the bit."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import double_of_bits, nearest_root, units_of_bits

from hingemetrics._core.exact import Sums
from hingemetrics._core.grid import NARROW_ROWS, ONE
from hingemetrics._core.rounding import quotients, quotients_by_counts, root
from hingemetrics._core.totals import Total, Totals

LARGEST = 0x7FEF_FFFF_FFFF_FFFF  # the bits of the largest double


def near_ties():
    """Sums on ties, and next to them, in units of 2**-149; and such as are exact."""
    for mantissa in (2**52, 2**52 + 1, 2**53 - 1, 2**53 - 2, 0x15555555555555):
        for place in (0, 1, 31, 32, 40, 150, 169):
            tie = 2 * mantissa + 1 << place
            yield from (tie - 1, tie, tie + 1, 2 * mantissa << place)
    yield from (0, 1, 2, 3, 2**32 - 1, 2**32, 2**64 - 1, 2**224 - 1, 2**223)


@pytest.mark.parametrize("odd", [1, 3, 5, 7, 2**31 - 1, 2**33 + 1, 10**19, 3**60, 2**53 - 1])
@pytest.mark.parametrize("power", [928, 1060, 1077, 1100, 1800, 2101])
def test_quotients_of_many_columns(odd, power):
    """To the bit as Fractions: on ties of the quotient, one unit beside them, and elsewhere."""
    totals = [n * m for n in near_ties() for m in (1, odd) if n * m < 2**224]
    divisor = odd << power
    sums = Sums.of(Totals((1, 0, 0, 0), tuple(Total(0, 0, t << 928) for t in totals)))
    assert sums.carried is None
    wanted = [float(Fraction(t << 928, divisor)) for t in totals]
    assert sums.over(divisor).tobytes() == np.array(wanted).tobytes()


@given(
    st.lists(st.integers(0, 2**224 - 1), min_size=1, max_size=20),
    st.one_of(st.integers(1, 2**2230), st.integers(1, 2**40).map(lambda n: n * ONE)),
    st.integers(0, 223),
)
def test_quotients_are_sure_or_left_to_integers(totals, divisor, shift):
    totals = [total >> shift for total in totals]
    digits = np.array([[t >> 32 * k & 0xFFFFFFFF for t in totals] for k in range(NARROW_ROWS)])
    values, sure = quotients(digits, divisor)
    for total, value, known in zip(totals, values.tolist(), sure.tolist(), strict=True):
        wanted = Total(0, 0, total << 928).over(divisor)
        assert not known or value == wanted


def test_ordinary_quotients_need_no_integers():
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 2**32, (NARROW_ROWS, 1000))
    for divisor in (ONE, 7 * ONE, 12345 * ONE, int(2.0**53 * 0.1) << 1030):
        assert quotients(digits, divisor)[1].all()


def test_quotients_by_counts():
    """Ties, what lies just beside them, and counts of 32 bits, against fractions."""
    counts, numbers = [], []
    for count in (1, 2, 3, 7, 1000, 2**31 + 1, 2**32 - 1):
        for quotient in (2**53 + 1, 2**53 + 3, 2**60 + 2**7, 3 * 2**52 + 1, 1):
            for beside in (-1, 0, 1):
                for shift in (0, 31, 90):
                    counts.append(count)
                    numbers.append((quotient * count << shift) + beside)
    # 1 / count, of 54 bits up to a tie that only what follows 11 zeros after it breaks
    hard = [c for c in range(2**31 + 1, 2**31 + 2**16, 2) if 2**85 // c % 4 == 1]
    hard = [c for c in hard if 0 < 2**85 % c < c >> 11]
    assert hard
    counts, numbers = counts + hard, numbers + [1] * len(hard)
    digits = np.array([[n >> 32 * k & 0xFFFFFFFF for n in numbers] for k in range(7)])
    unit = Fraction(1, 2**149)
    wanted = [float(Fraction(n, c) * unit) for n, c in zip(numbers, counts, strict=True)]
    assert quotients_by_counts(digits, np.array(counts)).tolist() == wanted


class TestRoot:
    """To the bit as by bisection over all doubles."""

    @given(
        st.one_of(st.integers(0, 2**200), st.integers(0, 2**4400)),
        st.one_of(st.integers(1, 2**200), st.integers(1, 2**4400)),
    )
    def test_any(self, numerator, denominator):
        wanted = nearest_root(Fraction(numerator, denominator))
        assert root(numerator, denominator) == wanted

    @given(st.integers(0, LARGEST))
    @example(0)
    @example(LARGEST)  # next to it is infinity, to which it rounds from where 2**1024 would be
    def test_on_a_double_and_between_two(self, number):
        """The square of a double, or of the middle of two, and the least bit beside it."""
        for between, beside in product((0, 1), (-1, 0, 1)):
            twice = units_of_bits(number) + units_of_bits(number + between)
            numerator, denominator = (twice**2 << 200) + beside, 1 << 2350
            if numerator >= 0:
                above = between and (beside > 0 or (beside == 0 and number % 2))
                wanted = double_of_bits(number + bool(above))
                assert nearest_root(Fraction(numerator, denominator)) == wanted
                assert root(numerator, denominator) == wanted

    @pytest.mark.parametrize("scale", [1, 3, 2**70, 10**400])
    def test_known(self, scale):
        for numerator, denominator, wanted in (
            (0, 1, 0.0),
            (1, 1, 1.0),
            (2, 1, 2.0**0.5),
            (1, 4, 0.5),
            (2**2046, 1, 2.0**1023),
            ((2**53 + 1) ** 2, 1, 2.0**53),  # the middle of two: to even
            ((2**53 + 1) ** 2 + 1, 1, 2.0**53 + 2),
            (1, 2**2148, 5e-324),
            (1, 2**2150, 0.0),  # half of it: to even
            (2**2100 + 1, 2**4250, 5e-324),  # more than half
            (9, 2**2150, 1e-323),  # one and a half: to even
            (2**2048, 1, np.inf),
            ((2**1024 - 2**970) ** 2, 1, np.inf),  # the middle between the largest and 2**1024
            ((2**1024 - 2**970) ** 2 - 1, 1, float(np.finfo(float).max)),
        ):
            assert root(numerator * scale, denominator * scale) == wanted
