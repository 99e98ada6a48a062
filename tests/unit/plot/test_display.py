"""The pictures: what they are drawn on and of, and nothing outside the figure changed."""

import gc

import matplotlib as mpl
import numpy as np
import pytest
from displays import MAKERS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from oracle import expected, says
from places import ROOT
from sklearn.datasets import load_iris
from sklearn.svm import SVC

import hingemetrics.sklearn
from hingemetrics import HingeLoss
from hingemetrics.plot import HingeLossDisplay, plot_value


def drawn(figure):
    """Draw all of a figure, in memory."""
    FigureCanvasAgg(figure).draw()
    return figure


def words(shown):
    """All that is written and seen."""
    texts = [text for text in shown.figure_.findobj(Text) if text.get_visible()]
    return [text.get_text() for text in texts if text.get_text()]


class TestDisplay:
    data, y = load_iris(return_X_y=True)

    @pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
    def test_from_estimator(self, mode):
        classifier = SVC().fit(self.data, self.y)
        rows = self.y != 1  # a class that the estimator knows and these rows do not have
        weight = np.random.default_rng(0).random(rows.sum())
        options = {"sample_weight": weight, "squared": True, "multiclass_mode": mode, "bins": 9}
        found = HingeLossDisplay.from_estimator(
            classifier, self.data[rows], self.y[rows], **options
        )
        wanted = HingeLossDisplay.from_predictions(
            self.y[rows],
            classifier.decision_function(self.data[rows]),
            labels=[0, 1, 2],
            **options,
        )
        assert found.classes == wanted.classes == [0, 1, 2]
        assert (found.loss, found.shares) == (wanted.loss, wanted.shares)
        assert (found.counts_ == wanted.counts_).all()
        assert (found.edges_ == wanted.edges_).all()

    def test_refused(self):
        with pytest.raises(ValueError, match=says("pred_decision", "nan", "index 1")):
            HingeLossDisplay.from_predictions([0, 1], [0.5, np.nan])
        with pytest.raises(ValueError, match=says("margins", "-inf", "index 1")):
            HingeLossDisplay.from_predictions(
                [0, 1, 2], [[1.0, 2, 3], [1e308, -1e308, 0], [1, 2, 3]]
            )
        classifier = SVC(decision_function_shape="ovo").fit(self.data, self.y)
        with pytest.raises(ValueError, match=says("decision_function_shape='ovr'")):
            HingeLossDisplay.from_estimator(classifier, self.data, self.y)
        with pytest.raises(ValueError, match="multiclass_mode"):
            HingeLossDisplay.from_predictions([0, 1], [0.5, 0.5], multiclass_mode="ovr")

    def test_rows_are_named_after_classes(self):
        ax = HingeLossDisplay.from_predictions(["b", "c", "a"], np.eye(3)).ax_
        names = [label.get_text() for label in ax.get_yticklabels()]
        assert dict(zip(names, ax.get_yticks() // 1, strict=True)) == {"a": 2, "b": 1, "c": 0}

    def test_names_are_no_formulas(self):
        names = ["$5", "$x^2$", "two\nlines", "long " * 40]
        ax = HingeLossDisplay([0.5] * 4, [0, 1, 2, 3], names).plot().ax_
        drawn(ax.figure)
        shown = [label.get_text().replace("\\$", "$") for label in ax.get_yticklabels()]
        assert shown[:3] == ["$5", "$x^2$", "two lines"]
        assert len(shown[3]) < 40

    def test_a_class_without_margins(self):
        shown = HingeLossDisplay([0.5], [0], ["a", "b"]).plot()
        assert shown.class_losses[0] == 0.5
        assert np.isnan(shown.class_losses[1])
        assert "n = 0" in words(shown)
        nothing = HingeLossDisplay([0.5, 0], [0, 1], ["a", "b"], sample_weight=[1, 0])
        assert np.isnan(nothing.class_losses).tolist() == [False, True]
        drawn(shown.figure_)

    def test_parts_that_are_hardly_there(self):
        """0.0 % and 100.0 % are said only of nothing and of all."""
        margins = np.append(np.full(9999, 2.0), 0.5)
        written = words(HingeLossDisplay(margins, np.zeros(10_000, int), ["a"]).plot())
        assert "<0.1%" in written
        assert ">99.9%" in written

    def test_a_mean_far_above_the_hinge(self):
        shown = HingeLossDisplay([-1e6, *np.linspace(-1, 1, 50)], [0] * 51, ["a"]).plot()
        assert shown.edges_[0] > -10
        assert f"mean loss: {shown.loss:.4g} (above)" in words(shown)
        assert shown.loss_ax_.get_ylim()[1] < 10

    def test_no_loss(self):
        shown = HingeLossDisplay.from_predictions([0, 1], [-1.0, 2.0])
        assert (shown.loss, shown.shares, shown.fractions) == (0.0, (0, 0, 0), (0, 0, 1))
        drawn(shown.figure_)

    def test_many_classes(self):
        target = np.arange(300) % 150
        preds = np.random.default_rng(0).normal(size=(300, 150))
        shown = HingeLossDisplay.from_predictions(target, preds)
        assert shown.figure_.get_figheight() < 20
        drawn(shown.figure_)
        named = [label for label in shown.ax_.get_yticklabels() if label.get_visible()]
        assert 10 < len(named) < 150

    def test_once_more(self):
        """On other axes and with other bins, the numbers stay."""
        shown = HingeLossDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1])
        first, before = shown.ax_, (shown.loss, shown.shares, shown.fractions)
        assert shown.plot(bins=5) is shown
        assert shown.ax_ is not first
        assert shown.plot(shown.ax_, bins=3).ax_.figure is shown.figure_
        assert len(shown.ax_.patches) == 6
        assert (shown.loss, shown.shares, shown.fractions) == before
        assert shown.counts_.sum() == 3

    def test_is_the_adapters(self):
        assert hingemetrics.sklearn.HingeLossDisplay is HingeLossDisplay


class TestValue:
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

    def test_many_bars(self):
        figure, ax = plot_value(np.linspace(0, 2, 1000))
        assert len(ax.patches) == 1000
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


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
class TestAxes:
    def test_those_that_are_given(self, make):
        left, right = Figure(layout="constrained").subplots(1, 2)
        assert make(right) is right
        assert right.figure is left.figure
        assert right.has_data()
        assert not left.has_data()
        drawn(left.figure)

    def test_new_ones(self, make):
        one, other = make(), make()
        assert one is not other
        assert one.figure is not other.figure

    def test_others_are_refused(self, make):
        with pytest.raises(TypeError, match=r"^ax must be Axes of matplotlib, got 3$"):
            make(3)


GLOBAL = """
import sys
import matplotlib as mpl
from displays import MAKERS
def settings():  # to ask for the backend would import pyplot
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}
before = settings()
for make in MAKERS.values():
    make()
print(settings() == before, "matplotlib.pyplot" in sys.modules)
"""


class TestNothingGlobal:
    def test_settings_and_pyplot(self, python):
        run = python("-W", "error", "-c", GLOBAL)
        assert (run.stdout, run.stderr) == ("True False\n", "")

    def test_figures_of_pyplot(self):
        before = mpl.get_backend()
        plt = pytest.importorskip("matplotlib.pyplot")
        numbers, settings = plt.get_fignums(), dict(mpl.rcParams)
        for make in MAKERS.values():
            make()
        assert plt.get_fignums() == numbers
        assert dict(mpl.rcParams) == settings
        assert mpl.get_backend() == before

    def test_figures_are_let_go(self):
        for make in MAKERS.values():
            make()
        gc.collect()
        before = sum(issubclass(type(thing), Figure) for thing in gc.get_objects())
        for make in MAKERS.values():
            make()
        gc.collect()
        assert sum(issubclass(type(thing), Figure) for thing in gc.get_objects()) == before


BLOCKED = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from hingemetrics import HingeLoss
from hingemetrics.sklearn import HingeLossDisplay, hinge_loss
print(hinge_loss([0, 1], [0.5, 0.5]))
metric = HingeLoss()
metric.update([0.5], [1])
for draw in (
    metric.plot,
    lambda: HingeLossDisplay.from_predictions([0, 1], [0.5, 0.5]),
    lambda: HingeLossDisplay([0.5], [0], ["a"]).plot(),
):
    try:
        draw()
    except ImportError as error:
        print("pip install matplotlib" in str(error))
print(metric.compute(), HingeLossDisplay([0.5], [0], ["a"]).loss)
"""


def test_without_matplotlib(python):
    run = python("-W", "error", "-c", BLOCKED)
    assert (run.stdout.split(), run.stderr) == (["1.0", "True", "True", "True", "0.5", "0.5"], "")


PICTURES = {f"margins_{what}" for what in ("binary", "digits", "rare", "outliers", "side_by_side")}
PICTURES |= {"one_vs_all"}


@pytest.mark.skipif(not (ROOT / "examples").is_dir(), reason="an installed package has no examples")
def test_pictures_are_what_their_script_makes(python, tmp_path):
    """By name and size; their pixels are matplotlib's and the fonts'."""
    run = python("-W", "error", ROOT / "examples" / "make_pictures.py", tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    kept = ROOT / "docs" / "images"
    for made in (tmp_path, kept):
        assert {path.stem for path in made.glob("*.png")} >= PICTURES
        for picture in PICTURES:
            assert 10_000 < (made / f"{picture}.png").stat().st_size < 100_000


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (([], [], ["a"]), ("margins", "(M,)", "(0,)")),
            (([[0.5]], [[0]], ["a"]), ("margins", "(M,)", "(1, 1)")),
            (([0.5, np.inf], [0, 0], ["a"]), ("margins", "finite", "inf", "index 1")),
            (([0.5, -1e308], [0, 0], ["a"]), ("margins", "1e+100", "-1e+308", "index 1")),
            (([0.5, 0.5], [0], ["a"]), ("rows", "(2,)", "(1,)")),
            (([0.5, 0.5], [0, 7], ["a"]), ("rows", "[0, 1)", "7", "index 1")),
            (([0.5, 0.5], [0, -1], ["a"]), ("rows", "[0, 1)", "-1", "index 1")),
        ],
    )
    def test_what_is_no_data_of_a_picture(self, arguments, words):
        with pytest.raises(ValueError, match=says(*words)):
            HingeLossDisplay(*arguments)

    def test_no_weight(self):
        with pytest.raises(ValueError, match=says("sample_weight", "only zeros")):
            HingeLossDisplay([0.5], [0], ["a"], sample_weight=[0.0])

    @pytest.mark.parametrize(
        ("margin", "squared"), [(1e100, False), (-1e100, False), (-1e50, True)]
    )
    def test_the_largest_that_are_drawn(self, margin, squared):
        shown = HingeLossDisplay([margin, 0.5], [0, 0], ["a"], squared=squared).plot()
        drawn(shown.figure_)
        with pytest.raises(ValueError, match=says("margins", "within")):
            HingeLossDisplay([2 * margin, 0.5], [0, 0], ["a"], squared=squared)

    @pytest.mark.parametrize("value", [1.7e308, np.array([0.5, 1e101]), np.array([np.inf, np.nan])])
    def test_values_beyond_any_scale_are_written(self, value):
        figure, ax = plot_value(value)
        drawn(figure)
        assert f"{np.atleast_1d(value)[-1]:.3g}" in [text.get_text() for text in ax.texts]
