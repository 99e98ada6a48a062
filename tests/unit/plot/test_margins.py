"""The numbers of the pictures of margins, by the oracle."""

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest
from cases import forms, name
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from oracle import bits, expected, hinge, says

from hingemetrics.plot import HingeLossDisplay
from hingemetrics.plot._bins import bin_edges, shown_range


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


def display(case, **options):
    return HingeLossDisplay.from_predictions(
        case.target,
        case.preds,
        sample_weight=case.weight,
        squared=case.squared,
        multiclass_mode=case.mode,
        **options,
    )


def drawn(figure):
    """Draw all of a figure, in memory."""
    FigureCanvasAgg(figure).draw()
    return figure


def words(shown):
    """All that is written and seen."""
    texts = [text for text in shown.figure_.findobj(Text) if text.get_visible()]
    return [text.get_text() for text in texts if text.get_text()]


def edges_of(margins, bins):
    one_class = [np.arange(len(margins))]
    return bin_edges(margins, *shown_range(margins, one_class), bins)


@pytest.fixture(scope="module", params=forms(300), ids=name)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def shown(case):
    return display(case)


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

    @pytest.mark.parametrize("bins", [1, 40, [-9.0, -1.0, 0.5, 3.0, 9.0], "sturges"])
    def test_counts(self, case, bins):
        shown = display(case, bins=bins)
        edges = shown.edges_.tolist()
        counts = np.zeros((3, 2 if case.preds.ndim == 1 else 5, len(edges) - 1))
        for margin, row, weight in margins(case):
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

    @pytest.mark.parametrize("bins", [40, [-0.5, 0.25, 0.75]])
    def test_outside(self, case, bins):
        shown = display(case, bins=bins)
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
        assert (shown.outside_ == ((0, 0), (0, 0))) == (bins == 40)

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
        written = words(shown)
        for parts in (shown.fractions, shown.shares):
            for part in parts:
                assert f"{100 * part:.1f}%" in written
        for row, loss in enumerate(shown.class_losses):
            assert f"{loss:#.3g}" in written
            assert f"n = {(shown.rows == row).sum()}" in written
        assert ("of weight" in written) == (case.weight is not None)
        assert "margin m (each row has its own scale)" in written
        assert ("squared hinge loss" if case.squared else "hinge loss") in written
        assert f"mean loss: {shown.loss:.4g}" in written
        assert not any("of the axis" in text for text in written)
        curve, mean, *_ = shown.loss_ax_.get_lines()
        assert set(mean.get_ydata()) == {shown.loss}
        for margin, loss in zip(*curve.get_data(), strict=True):
            assert loss == hinge(margin, case.squared)
        assert {0.0, 1.0} <= set(curve.get_xdata())
        assert shown.loss_ax_.get_xlim() == shown.ax_.get_xlim()

    def test_it_draws(self, shown):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn(shown.figure_)


class TestBins:
    @pytest.mark.parametrize("bins", [1, 2, 3, 7, 40, 333])
    @pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 7.0, 1e6, 1e300])
    def test_edges_are_at_the_ends_of_the_margin(self, bins, scale):
        margins = scale * np.random.default_rng(bins).normal(size=50)
        edges = edges_of(margins, bins)
        width = edges[-1] - edges[-2]
        assert 0.0 in edges
        assert 1.0 in edges or width > 1
        assert edges[0] <= margins.min()
        assert edges[-1] > margins.max()
        assert len(edges) <= bins + 3
        np.testing.assert_allclose(np.diff(edges), width, rtol=1e-9)

    def test_the_bin_that_begins_at_one_is_beyond(self):
        shown = HingeLossDisplay.from_predictions([0, 1], [0.0, 1.0])
        assert shown.edges_[-1] > 1.0
        assert shown.counts_.sum(axis=(1, 2)).tolist() == [0, 1, 1]

    def test_an_edge_that_rounding_moves(self):
        """Each margin is in a bin, also where a product with it was rounded up."""
        for low in -np.nextafter(np.arange(1, 600) / 10, np.inf):
            margins = np.array([low, 1.5])
            assert np.histogram(margins, edges_of(margins, 50))[0].sum() == 2, low

    def test_elsewhere(self):
        shown = HingeLossDisplay.from_predictions([0, 1], [0.5, 0.5], bins=[5.0, 6.0])
        assert shown.counts_.sum() == 0
        drawn(shown.figure_)

    def test_refused(self):
        for bins in (0, -3):
            with pytest.raises(ValueError, match=says("bins", str(bins))):
                HingeLossDisplay.from_predictions([0, 1], [0.5, 0.5], bins=bins)

    def test_where_the_loss_is(self):
        """Far outliers are not drawn but told of; the loss of the many is drawn."""
        rng = np.random.default_rng(0)
        rows = rng.integers(0, 2, 3000)
        margins = 2 + rng.standard_cauchy(3000)
        shown = HingeLossDisplay(margins, rows, ["a", "b"]).plot()
        low, high = shown.edges_[[0, -1]]
        assert -20 < low < -5
        assert 5 < high < 20
        assert (margins[margins < 1] >= low).mean() >= 0.9
        assert (margins[margins >= 1] <= high).mean() >= 0.9
        (left, loss), (right, nothing) = shown.outside_
        assert (left, right) == ((margins < low).mean(), (margins > high).mean())
        assert left > 0
        assert loss > 0
        assert right > 0
        assert nothing == 0
        assert "left of the axis" in words(shown)
        assert f"m < {low:.4g}".replace("-", "\N{MINUS SIGN}") in words(shown)
        assert f"{100 * loss:.1f}%" in words(shown)
        assert "right of the axis" in words(shown)

    @pytest.mark.parametrize("squared", [False, True])
    def test_the_rare_and_the_costly_are_seen(self, squared):
        """All of the loss comes from one class of few, or from few of a class, far to the left."""
        rng = np.random.default_rng(0)
        many = np.full(5000, 3.0)
        for rows, few in ((1, rng.normal(-20, 1, 25)), (0, np.linspace(-9, 0, 25))):
            margins = np.concatenate([many, few])
            of_rows = np.repeat([0, rows], [5000, 25])
            shown = HingeLossDisplay(margins, of_rows, ["a", "b"], squared=squared).plot()
            assert shown.edges_[0] <= np.quantile(few, 0.1)
            tops = [steps.get_data()[0].max() for steps in shown.ax_.patches]
            assert max(tops[rows::2]) == pytest.approx(1.85 - rows)

    def test_bins_that_are_asked_for_stay(self):
        margins = np.append(np.random.default_rng(0).standard_cauchy(500), 1e6)
        edges = [-1e7, 0.0, 1.0, 1e7]
        shown = HingeLossDisplay(margins, np.zeros(501, int), ["a"]).plot(bins=edges)
        assert shown.edges_.tolist() == edges
        assert shown.outside_ == ((0, 0), (0, 0))
        assert len(shown.plot(bins="fd").edges_) < 1000
