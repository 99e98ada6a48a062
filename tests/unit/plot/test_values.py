"""Pictures of values: a point, or a bar per class, with what is written at them."""

import numpy as np
import pytest
from drawings import assert_apart, assert_inside, drawn, legends, words
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from oracle import expected

from hingemetrics import HingeLoss
from hingemetrics.plot import plot_value


class TestMarks:
    def test_point(self):
        metric = HingeLoss()
        metric.update([-2.2, 2.4, 0.1], [0, 1, 1])
        figure, ax = metric.plot()
        assert figure is ax.figure
        (point,) = [line for line in ax.get_lines() if line.get_marker() == "o"]
        assert point.get_ydata().tolist() == [0.3]
        assert [text.get_text() for text in ax.texts] == ["0.3"]
        assert ax.get_ylabel() == "hinge loss"
        drawn(figure)

    @pytest.mark.parametrize("squared", [False, True])
    def test_bars(self, squared):
        rng = np.random.default_rng(0)
        preds, target = rng.normal(size=(60, 4)), rng.integers(0, 4, 60)
        metric = HingeLoss(squared, "one-vs-all")
        metric.update(preds, target)
        figure, ax = metric.plot()
        wanted = expected(preds, target, squared, "one-vs-all")
        assert [bar.get_height() for bar in ax.patches] == wanted.tolist()
        assert [text.get_text() for text in ax.texts] == [f"{loss:.3g}" for loss in wanted]
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2", "3"]
        assert ax.get_ylabel() == ("squared hinge loss" if squared else "hinge loss")
        assert ax.get_ylim()[1] > wanted.max()
        drawn(figure)

    @pytest.mark.more
    def test_many_bars(self):
        figure, ax = plot_value(np.linspace(0, 2, 300))
        assert len(ax.patches) == 300
        assert len(ax.texts) == 0
        assert all(float(tick).is_integer() for tick in ax.get_xticks())
        drawn(figure)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, value):
        for shown in (value, np.array([0.5, value])):
            figure, ax = plot_value(shown)
            assert ax.texts[-1].get_text() == str(value)
            drawn(figure)

    def test_nothing_seen(self):
        with pytest.warns(UserWarning, match="no sample"):
            _, ax = HingeLoss().plot()
        assert [text.get_text() for text in ax.texts] == ["nan"]

    def test_the_metric_stays_as_it_is(self):
        metric = HingeLoss(multiclass_mode="one-vs-all")
        metric.update(np.eye(3), [0, 1, 2])
        before = metric.state_dict()
        metric.plot()
        assert metric.state_dict() == before


class TestWords:
    @pytest.mark.parametrize(
        "value",
        [0.0, 0.96, 1.0, np.linspace(0, 1.2, 10), np.linspace(1e-4, 5, 20), np.full(12, 1e-5)],
        ids=["zero", "near one", "one", "ten", "twenty", "tiny"],
    )
    @pytest.mark.parametrize("inches", [(4, 3), (5, 4), (7, 3.6)])
    def test_words_are_apart_and_on_the_page(self, value, inches):
        figure = Figure(figsize=inches, layout="constrained")
        plot_value(value, ax=figure.subplots())
        found = words(figure)
        assert_inside([*found, *legends(figure)], figure.bbox)
        assert_apart(found)

    @pytest.mark.parametrize("value", [0.0, 0.5])
    def test_a_point_is_whole(self, value):
        """As many of its pixels are seen at 0 as anywhere."""
        figure, ax = plot_value(value)
        (point,) = [line for line in ax.get_lines() if line.get_marker() == "o"]
        point.set_color("#FF00FF")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        seen = (pixels == (255, 0, 255)).all(axis=2)
        across = [np.ptp(np.flatnonzero(seen.any(axis=axis))) for axis in (0, 1)]
        assert min(across) >= 10 / 72 * figure.dpi - 3

    @pytest.mark.parametrize("value", [1.7e308, np.array([0.5, 1e101]), np.array([np.inf, np.nan])])
    def test_what_is_beyond_any_scale_is_written(self, value):
        figure, ax = plot_value(value)
        drawn(figure)
        assert f"{np.atleast_1d(value)[-1]:.3g}" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("value", [5e-324, np.array([5e-324, 1e100]), np.inf, np.nan])
def test_numpy_may_raise(value):
    """Where a float underflows or overflows."""
    with np.errstate(all="raise"):
        figure, _ = plot_value(value)
    drawn(figure)
