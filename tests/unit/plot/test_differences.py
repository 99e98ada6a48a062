"""The numbers of the pictures of comparisons, by the oracle."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from cases import forms, name
from oracle import bits, cells

from hingemetrics import compare
from hingemetrics.plot import ComparisonDisplay

CASES = {name(case): case for case in forms(120)}
SOME, POSITIVE = (-0.5, -0.125, 0.25, 0.75), (0.125, 0.25, 0.75)
BINS = {"default": 40, "one": 1, "some": SOME, "positive": POSITIVE, "sturges": "sturges"}


@cache
def baseline(named):
    """Other predictions for the same rows: of some of them, the same."""
    preds = CASES[named].preds
    rng = np.random.default_rng(1)
    noise = (
        0.5
        * rng.normal(size=preds.shape)
        * rng.integers(0, 2, len(preds))[(..., *[None] * (preds.ndim - 1))]
    )
    return preds + noise


@cache
def display(named, bins=BINS["default"]):
    case = CASES[named]
    return ComparisonDisplay(
        case.preds,
        baseline(named),
        case.target,
        sample_weight=case.weight,
        squared=case.squared,
        multiclass_mode=case.mode,
    ).plot(bins=bins)


@cache
def columns(named):
    """For each loss of a sample, all samples' losses, baseline losses and weights."""
    case = CASES[named]
    weights = [1.0] * len(case) if case.weight is None else case.weight.tolist()
    both = [
        [
            cells(row, y, case.squared, case.mode)
            for row, y in zip(preds.tolist(), case.target.tolist(), strict=True)
        ]
        for preds in (case.preds, baseline(named))
    ]
    ours, theirs = (list(zip(*table, strict=True)) for table in both)
    return [list(zip(a, b, weights, strict=True)) for a, b in zip(ours, theirs, strict=True)]


def part(column, chosen):
    """The fraction of the weight, and the part of the mean difference, of chosen differences."""
    total = sum(Fraction(w) for _, _, w in column)
    own = [(a, b, w) for a, b, w in column if chosen(a - b)]
    cost = sum((Fraction(w * a) - Fraction(w * b) for a, b, w in own), Fraction(0))
    return float(sum((Fraction(w) for _, _, w in own), Fraction(0)) / total), float(cost / total)


@pytest.fixture(params=CASES)
def named(request):
    return request.param


class TestNumbers:
    def test_differences(self, named):
        wanted = np.array([[a - b for a, b, _ in column] for column in columns(named)]).T
        per_class = wanted.shape[1] > 1
        assert bits(display(named).differences) == bits(wanted if per_class else wanted[:, 0])

    def test_fractions_and_parts(self, named):
        """Some samples are on each side, and the parts are the oracle's, to the last bit."""
        shown = display(named)
        sides = (lambda d: d < 0), (lambda d: d == 0), (lambda d: d > 0)
        for number, chosen in enumerate(sides):
            wanted = [part(column, chosen) for column in columns(named)]
            found = shown.fractions[number], shown.parts[number]
            pairs = zip(*map(np.atleast_1d, found), strict=True)
            assert list(pairs) == wanted
            assert all(fraction > 0 for fraction, _ in wanted)

    def test_comparison(self, named):
        case, shown = CASES[named], display(named)
        options = {"squared": case.squared, "multiclass_mode": case.mode}
        wanted = compare(
            case.preds, baseline(named), case.target, sample_weight=case.weight, **options
        )
        for one, other in zip(shown.comparison, wanted, strict=True):
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()

    @pytest.mark.parametrize("bins", BINS.values(), ids=BINS)
    def test_counts_and_outside(self, named, bins):
        shown = display(named, bins)
        if len(columns(named)) > 1:
            assert (shown.edges_, shown.counts_, shown.outside_) == (None, None, None)
            return
        (column,), edges = columns(named), shown.edges_.tolist()
        counts = np.zeros((2, len(edges) - 1))
        for a, b, w in column:
            if (d := a - b) and edges[0] <= d <= edges[-1]:
                counts[int(d > 0), sum(edge <= d for edge in edges[1:-1])] += w
        np.testing.assert_allclose(shown.counts_, counts, rtol=1e-12)
        left = part(column, lambda d: d and d < edges[0])
        right = part(column, lambda d: d and d > edges[-1])
        assert shown.outside_ == (left, right)
        assert (left == right == (0, 0)) == (bins not in (SOME, POSITIVE))

    @pytest.mark.parametrize("dtype", ["u1", "?", "f4", "g"])
    def test_weights_of_any_dtype(self, dtype):
        """What sums of them cannot hold does not wrap around."""
        weight = np.full(300, 200).astype(dtype)
        shown = ComparisonDisplay(
            np.ones(300), np.zeros(300), np.ones(300, int), sample_weight=weight
        ).plot()
        assert shown.counts_.sum() == 300.0 * float(weight[0])
        assert shown.fractions == (1.0, 0.0, 0.0)

    def test_order(self):
        """All but the weights in bins have the same bits in any order."""
        rng = np.random.default_rng(0)
        preds, theirs = rng.normal(size=(2, 200))
        target, weight = rng.integers(0, 2, 200), rng.random(200)
        order = rng.permutation(200)
        one = ComparisonDisplay(preds, theirs, target, sample_weight=weight)
        other = ComparisonDisplay(
            preds[order], theirs[order], target[order], sample_weight=weight[order]
        )
        assert (one.comparison, one.fractions, one.parts) == (
            other.comparison,
            other.fractions,
            other.parts,
        )
