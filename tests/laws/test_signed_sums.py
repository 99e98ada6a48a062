"""Differences of losses, of either sign: their sums and squares where others failed, to the bit."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import Case
from pairs import Pair, shown, wanted

from hingemetrics import ComparisonState, loss_interval


def binary(x, y, weights=None, squared=False):
    """Losses of two models, as predictions of targets 1."""
    case = Case(1.0 - np.array(x), np.ones(len(x), int), weights, squared)
    return Pair(case, 1.0 - np.array(y))


def check(pair):
    """Hold a comparison of the binary data of a pair against the oracle, and return it."""
    columns, count = pair.expected()
    found = pair.compare()
    assert shown(found) == wanted(columns, count, vector=False)
    return found


@pytest.mark.usefixtures("backend")
class TestSignedSums:
    """Where sums of differences, of either sign, could go wrong."""

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("number", [0.5, 0.75, 1.0, 3.0, 2.0**17, 2.0**18, 2.0**30, 2.0**41])
    def test_what_can_be_represented_comes_out(self, number, sign):
        pair = binary([0.0, 0.0], [0.5, number * 2 + 0.5])
        found = check(pair if sign == 1 else pair.swapped())
        assert found.difference == -sign * (number + 0.5)

    @pytest.mark.parametrize(
        ("x", "y"),
        [
            ([0.5, 0.25], [0.25, 0.5]),
            ([0.1, 0.2, 0.3], [0.3, 0.1, 0.2]),
            ([2.0**40, 0.5, 0.0], [0.0, 2.0**40, 0.5]),
            ([1e300, 0.0], [0.0, 1e300]),
        ],
    )
    @pytest.mark.parametrize("weights", [None, 1e-320, 1e-200, 0.1, 1e7])
    def test_cancelling_is_a_zero_without_a_sign(self, x, y, weights):
        weights = None if weights is None else np.full(len(x), weights)
        pair = binary(x, y, weights)
        for found in (check(pair), check(pair.swapped())):
            assert found.difference == 0.0
            assert math.copysign(1.0, found.difference) == 1.0
            assert found.stderr > 0.0
            assert found.low == -found.high

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_difference_below_every_double_has_no_sign_either(self, sign):
        weights = np.array([4.0, 5e-324])
        pair = binary([0.0, 0.0], [0.0, 1.0], weights)
        found = check(pair if sign == 1 else pair.swapped())
        assert math.copysign(1.0, found.difference) == 1.0
        assert found.difference == 0.0

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("beside", [-1, 0, 1])
    @pytest.mark.parametrize("odd", [1, 3, 2**52 - 1])
    def test_ties(self, odd, beside, sign):
        """Half a unit between two doubles, and the least bit beside it: to even, not upwards."""
        tie = 2 * (2**52 + odd // 2) + odd % 2  # of 54 bits: between two doubles
        parts = [float(tie >> 27 << 27), float(tie & (1 << 27) - 1), 2.0**-60 * max(beside, 0)]
        zeros = [0.0, 0.0, 2.0**-60 * max(-beside, 0)]
        scale = 2.0**-20
        x, y = ([number * scale for number in numbers] for numbers in (parts, zeros))
        # Losses of any size: the predictions of a weight times a loss of 1.
        weights = np.array([*x, *y, 2.0**60])
        ones, none = [1.0] * 3 + [0.0] * 3 + [0.0], [0.0] * 3 + [1.0] * 3 + [0.0]
        pair = binary(ones, none, weights)
        found = check(pair if sign == 1 else pair.swapped())
        exact = sum(map(Fraction, x)) - sum(map(Fraction, y))
        assert found.difference == sign * float(exact / sum(map(Fraction, weights.tolist())))

    SIZES = (1e-320, 5e-324, 2.0**-73, 2.0**-72, 2.0**-53, 1.0, 2.0**18, 2.0**42, 2.0**43, 1e300)

    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("weight", SIZES)
    @pytest.mark.parametrize("size", SIZES)
    def test_huge_and_tiny(self, size, weight, squared):
        """On both sides of where doubles stop being split into pieces."""
        x, y = [size, 1.0, size, 0.0], [1.0, 0.5, 2.0 * size, size]
        below = np.nextafter(weight, 0.0)
        pair = binary(x, y, np.array([weight, 1.0, below, 0.1]), squared)
        check(pair)
        check(Pair(replace(pair.case, weight=None), pair.baseline))
        assert ComparisonState.from_bytes(pair.state().to_bytes()) == pair.state()
        parts = [pair.rows([k]).state() for k in range(4)]
        assert pair.state() - parts[0] - parts[3] == parts[1] + parts[2]

    @pytest.mark.parametrize("number", [0.1, 1e-17, 1.0, 1e5, 1e17, 1e300])
    @pytest.mark.parametrize("rows", [2, 3, 1000])
    def test_a_constant_difference_has_no_error_at_all(self, number, rows):
        found = check(binary([number] * rows, [0.1] * rows))
        assert (found.stderr, found.low, found.high) == (0.0, *[found.difference] * 2)

    def test_a_constant_difference_of_weighted_samples(self):
        found = check(binary([0.5] * 4, [0.125] * 4, np.array([0.5, 3.0, 0.0, 2.0**30])))
        assert (found.difference, found.stderr) == (0.375, 0.0)

    @pytest.mark.parametrize("outlier", [1e5, 1e12, 1e13, 1e150, 1e300])
    def test_one_outlier(self, outlier):
        """The error of n samples, one of which differs by much: the mean itself."""
        found = check(binary([outlier, *[0.0] * 99], [0.0] * 100))
        assert found.stderr == found.difference == (1.0 - (1.0 - outlier)) / 100

    def test_no_cancellation_in_the_variance(self):
        """Differences of 2**40 and one bit more: textbook sums of squares would lose the bit."""
        x = 2.0**40 + np.array([0.0, 0.5, 0.0, 0.5])
        assert check(binary(x, [0.0] * 4)).stderr == float(np.std([0, 0.5, 0, 0.5], ddof=1) / 2)


class TestTextbook:
    """The formulas that others have in floating point, within their rounding."""

    RNG = np.random.default_rng(3)
    X, Y = RNG.exponential(size=(2, 500))

    def test_numpy(self):
        found, d = check(binary(self.X, self.Y)), (1 - (1 - self.X)) - (1 - (1 - self.Y))
        assert found.difference == pytest.approx(d.mean(), rel=1e-12)
        assert found.stderr == pytest.approx(d.std(ddof=1) / np.sqrt(500), rel=1e-12)

    @pytest.mark.more  # importing it takes a second
    def test_scipy(self):
        stats = pytest.importorskip("scipy.stats")
        found = check(binary(self.X, self.Y))
        tested = stats.ttest_rel(self.X, self.Y)
        assert found.stderr == pytest.approx(stats.sem(self.X - self.Y), rel=1e-12)
        assert found.difference / found.stderr == pytest.approx(tested.statistic, rel=1e-12)
        one = loss_interval(1.0 - self.X, np.ones(500, int), confidence_level=0.9)
        assert one[1:] == pytest.approx(
            stats.norm.interval(0.9, self.X.mean(), stats.sem(self.X)), rel=1e-12
        )

    def test_weighted(self):
        w = self.RNG.exponential(size=500)
        found = check(binary(self.X, self.Y, w))
        d = self.X - self.Y
        mean = np.average(d, weights=w)
        stderr = np.sqrt(500 / 499 * np.sum((w * (d - mean)) ** 2)) / w.sum()
        assert (found.difference, found.stderr) == pytest.approx((mean, stderr), rel=1e-12)

    def test_a_weight_is_not_a_count_but_its_scale_does_not_matter(self):
        w = self.RNG.integers(1, 9, 500) * 1.0
        found, scaled = check(binary(self.X, self.Y, w)), check(binary(self.X, self.Y, w * 2.0**9))
        assert found == scaled
        plain = check(binary(self.X, self.Y))
        constant = check(binary(self.X, self.Y, np.full(500, 4.0)))
        assert plain == constant


@pytest.mark.usefixtures("backend")
class TestNonFinite:
    @pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 2.0, 0.0])])
    def test_numbers(self, weights):
        for x, y in itertools.product((np.nan, np.inf, -np.inf, 0.5), repeat=2):
            case = Case(np.array([0.25, x, 0.5, 0.5]), np.ones(4, int), weights)
            check(Pair(case, np.array([0.5, y, 1.5, 0.5])))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_taken_out_again(self, bad):
        good = binary([0.5, 0.25, 0.0], [0.25, 0.5, 1.0])
        broken = binary([bad, 0.5], [0.5, 0.75]).state()
        both = good.state() + broken + broken
        assert not np.isfinite(both.comparison().stderr)
        assert both - broken - broken == good.state()

    def test_of_one_class(self):
        preds = np.array([[0.5, np.nan, 0.25], [1.5, 0.5, 0.0]])
        pair = Pair(Case(preds, np.array([0, 2]), mode="one-vs-all"), np.zeros((2, 3)))
        columns, count = pair.expected()
        found = pair.compare()
        assert shown(found) == wanted(columns, count, vector=True)
        assert np.isnan(found.stderr).tolist() == [False, True, False]
