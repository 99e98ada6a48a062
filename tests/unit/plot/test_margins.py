"""The numbers of the pictures of margins, by the oracle."""

import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from cases import forms, name
from drawings import drawn, written
from oracle import bits, expected, hinge

from hingemetrics.plot import HingeLossDisplay

CASES = {name(case): case for case in forms(120)}
BINS = {
    "default": 40,
    "one": 1,
    "all": (-9.0, -1.0, 0.5, 3.0, 9.0),
    "some": (-0.5, 0.25, 0.75),
    "sturges": "sturges",
}


def margins(case):
    """Every margin of a case, with its row and its weight: one sample at a time."""
    weights = np.ones(len(case)) if case.weight is None else case.weight
    for scores, y, w in zip(case.preds.tolist(), case.target.tolist(), weights, strict=True):
        if not isinstance(scores, list):
            yield scores if y == 1 else -scores, int(y == 1), w
        elif case.mode == "one-vs-all":
            yield from ((s if c == y else -s, c, w) for c, s in enumerate(scores))
        else:
            yield scores[y] - max(scores[:y] + scores[y + 1 :]), y, w


def side(margin):
    return 0 if margin < 0 else 1 if margin < 1 else 2


@cache
def display(named, bins=BINS["default"]):
    """The display of a case, made once for all tests."""
    case = CASES[named]
    return HingeLossDisplay.from_predictions(
        case.target,
        case.preds,
        sample_weight=case.weight,
        squared=case.squared,
        multiclass_mode=case.mode,
        bins=bins,
    )


@pytest.fixture(scope="module", params=CASES)
def named(request):
    return request.param


@pytest.fixture
def case(named):
    return CASES[named]


@pytest.fixture
def shown(named):
    return display(named)


class TestNumbers:
    def test_loss(self, case, shown):
        """Of one-vs-all it is the mean of all cells, as if they were so many samples."""
        values, _, weights = zip(*margins(case), strict=True)
        options = {"squared": case.squared, "sample_weight": weights}
        found = shown.loss
        assert bits(found) == bits(expected(values, np.ones(len(values)), **options))
        if case.mode != "one-vs-all":
            assert bits(found) == bits(case.expected())

    def test_shares(self, case, shown):
        cost, total = [Fraction(0)] * 3, Fraction(0)
        for margin, _, weight in margins(case):
            loss = Fraction(weight * hinge(margin, case.squared))
            cost[side(margin)] += loss
            total += loss
        shares = shown.shares
        assert shares == tuple(float(part) / float(total) for part in cost)
        assert shares[0] > shares[2] == 0
        assert shares[1] > 0

    def test_fractions(self, case, shown):
        mass = [Fraction(0)] * 3
        for margin, _, weight in margins(case):
            mass[side(margin)] += Fraction(float(weight))
        assert shown.fractions == tuple(float(part / sum(mass)) for part in mass)

    @pytest.mark.parametrize("bins", BINS.values(), ids=BINS)
    def test_counts(self, named, case, bins):
        shown = display(named, bins)
        edges = shown.edges_.tolist()
        counts = np.zeros((3, 2 if case.preds.ndim == 1 else 5, len(edges) - 1))
        for margin, row, weight in margins(case):
            if bins == BINS["some"] and not edges[0] <= margin <= edges[-1]:
                continue
            bin_ = sum(edge <= margin for edge in edges[1:-1])
            assert edges[bin_] <= margin <= edges[bin_ + 1]
            counts[side(margin), row, bin_] += weight
        assert shown.counts_.shape == counts.shape
        if case.weight is None:
            assert (shown.counts_ == counts).all()
        else:  # of weights in an order of NumPy's own
            np.testing.assert_allclose(shown.counts_, counts, rtol=1e-12)

    def test_class_losses(self, case, shown):
        every = list(margins(case))
        found = shown.class_losses
        for row, loss in enumerate(found):
            values, weights = zip(*[(m, w) for m, r, w in every if r == row], strict=True)
            options = {"squared": case.squared, "sample_weight": weights}
            assert bits(loss) == bits(expected(values, np.ones(len(values)), **options))
        if case.mode == "one-vs-all":
            assert found.tolist() == case.expected().tolist()

    @pytest.mark.parametrize("bins", BINS.values(), ids=BINS)
    def test_outside(self, named, case, bins):
        shown = display(named, bins)
        low, high = shown.edges_[[0, -1]]
        every, outside = [], ([], [])
        for margin, _, weight in margins(case):
            pair = Fraction(float(weight)), Fraction(weight * hinge(margin, case.squared))
            every.append(pair)
            if not low <= margin <= high:
                outside[int(margin > high)].append(pair)
        mass, loss = map(sum, zip(*every, strict=True))
        for found, pairs in zip(shown.outside_, outside, strict=True):
            part, cost = map(sum, zip(*pairs, strict=True)) if pairs else (Fraction(0), Fraction(0))
            assert found == (float(part / mass), float(cost) / float(loss))
        assert (shown.outside_ == ((0, 0), (0, 0))) == (bins != BINS["some"])


class TestPicture:
    def test_bars_are_the_counts(self, case, shown):
        """Each row has a scale of its own."""
        _, rows, _ = shown.counts_.shape
        tall = np.zeros(rows)
        for (number, row), steps in zip(
            itertools.product(range(3), range(rows)), shown.ax_.patches, strict=True
        ):
            top, edges, bottom = steps.get_data()
            highest = shown.counts_[:, row].sum(axis=0).max()
            assert (edges == shown.edges_).all()
            np.testing.assert_allclose(
                (top - bottom) * highest, 0.85 * shown.counts_[number, row], atol=1e-9 * highest
            )
            assert (bottom >= rows - 1 - row).all()
            assert (top < rows - row).all()
            tall[row] = max(tall[row], (top - (rows - 1 - row)).max())
        np.testing.assert_allclose(tall, 0.85)

    def test_text(self, case, shown):
        said = written(shown)
        for parts in (shown.fractions, shown.shares):
            for part in parts:
                assert f"{100 * part:.1f}%" in said
        for row, loss in enumerate(shown.class_losses):
            assert f"{loss:#.3g}" in said
            assert f"n = {(shown.rows == row).sum()}" in said
        assert ("of weight" in said) == (case.weight is not None)
        assert "margin m (each row has its own scale)" in said
        assert ("squared hinge loss" if case.squared else "hinge loss") in said
        assert f"mean loss: {shown.loss:.4g}" in said
        assert not any("of the axis" in text for text in said)
        curve, mean, *_ = shown.loss_ax_.get_lines()
        assert set(mean.get_ydata()) == {shown.loss}
        for margin, loss in zip(*curve.get_data(), strict=True):
            assert loss == hinge(margin, case.squared)
        assert {0.0, 1.0} <= set(curve.get_xdata())
        assert shown.loss_ax_.get_xlim() == shown.ax_.get_xlim()

    @pytest.mark.slow  # the cases of test_panels are of all these forms, and are drawn
    def test_it_draws(self, shown):
        drawn(shown.figure_)
