"""The axis of a picture of margins, and the bins on it."""

import numpy as np
import pytest
from drawings import drawn, written
from oracle import says

from hingemetrics.plot import HingeLossDisplay
from hingemetrics.plot._bins import bin_edges, shown_range


def edges_of(margins, bins):
    one_class = [np.arange(len(margins))]
    return bin_edges(margins, *shown_range(margins, one_class), bins)


class TestEdges:
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


class TestRange:
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
        assert "left of the axis" in written(shown)
        assert f"m < {low:.4g}".replace("-", "\N{MINUS SIGN}") in written(shown)
        assert f"{100 * loss:.1f}%" in written(shown)
        assert "right of the axis" in written(shown)

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
