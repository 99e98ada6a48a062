"""HingeLossDisplay: what it is made of, what it says, and what it refuses."""

import io

import numpy as np
import pytest
from drawings import drawn, written
from matplotlib import image
from matplotlib.figure import Figure
from oracle import says
from sklearn.datasets import load_iris
from sklearn.svm import SVC

import hingemetrics.sklearn
from hingemetrics.plot import HingeLossDisplay

PNG = b"\x89PNG\r\n\x1a\n"


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
        assert "n = 0" in written(shown)
        nothing = HingeLossDisplay([0.5, 0], [0, 1], ["a", "b"], sample_weight=[1, 0])
        assert np.isnan(nothing.class_losses).tolist() == [False, True]
        drawn(shown.figure_)

    def test_parts_that_are_hardly_there(self):
        """0.0 % and 100.0 % are said only of nothing and of all."""
        margins = np.append(np.full(9999, 2.0), 0.5)
        said = written(HingeLossDisplay(margins, np.zeros(10_000, int), ["a"]).plot())
        assert "<0.1%" in said
        assert ">99.9%" in said

    def test_a_mean_far_above_the_hinge(self):
        shown = HingeLossDisplay([-1e6, *np.linspace(-1, 1, 50)], [0] * 51, ["a"]).plot()
        assert shown.edges_[0] > -10
        assert f"mean loss: {shown.loss:.4g} (above)" in written(shown)
        assert shown.loss_ax_.get_ylim()[1] < 10

    def test_no_loss(self):
        shown = HingeLossDisplay.from_predictions([0, 1], [-1.0, 2.0])
        assert (shown.loss, shown.shares, shown.fractions) == (0.0, (0, 0, 0), (0, 0, 1))
        drawn(shown.figure_)

    @pytest.mark.more
    def test_many_classes(self):
        target = np.arange(300) % 150
        preds = np.random.default_rng(0).normal(size=(300, 150))
        shown = HingeLossDisplay.from_predictions(target, preds, bins=3)  # few: drawn quickly
        assert shown.figure_.get_figheight() < 20
        shown.figure_.set_layout_engine("none")  # which would measure all words again and again
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
        ("margin", "squared"),
        [
            pytest.param(1e100, False, marks=pytest.mark.more),
            pytest.param(-1e100, False, marks=pytest.mark.more),
            (-1e50, True),
        ],
    )
    def test_the_largest_that_are_drawn(self, margin, squared):
        shown = HingeLossDisplay([margin, 0.5], [0, 0], ["a"], squared=squared).plot()
        drawn(shown.figure_)
        with pytest.raises(ValueError, match=says("margins", "within")):
            HingeLossDisplay([2 * margin, 0.5], [0, 0], ["a"], squared=squared)


class TestNotebook:
    def test_a_display_shows_itself(self):
        shown = HingeLossDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1])
        png = shown._repr_png_()
        assert png.startswith(PNG)
        height, width, _ = image.imread(io.BytesIO(png)).shape
        page = shown.figure_.bbox
        assert (width, height) == (int(page.width), int(page.height))

    def test_to_ipython(self):
        formatters = pytest.importorskip("IPython.core.formatters")
        data, _ = formatters.DisplayFormatter().format(
            HingeLossDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1])
        )
        assert data["image/png"].startswith(PNG)
        assert "HingeLossDisplay" in data["text/plain"]

    def test_what_is_not_drawn_is_not_shown(self):
        assert HingeLossDisplay([0.5], [0], ["a"])._repr_png_() is None

    def test_pyplot_shows_its_own(self):
        """Once; when it has closed them, displays show them."""
        plt = pytest.importorskip("matplotlib.pyplot")
        figure, ax = plt.subplots()
        try:
            shown = HingeLossDisplay([0.5], [0], ["a"]).plot(ax)
            assert shown._repr_png_() is None
        finally:
            plt.close(figure)
        assert shown._repr_png_().startswith(PNG)


class TestErrorState:
    """NumPy may be told to raise where a float underflows or overflows."""

    @pytest.mark.parametrize("weight", [None, [5e-324, 1e-300, 1.0]])
    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize(
        "margins", [[-2.2, 2.4, 0.1], [5e-324, -1e-308, 1e-200], [-1e50, 1, 2]]
    )
    def test_displays(self, margins, squared, weight):
        options = {"sample_weight": weight, "squared": squared}
        with np.errstate(all="raise"):
            shown = HingeLossDisplay(margins, [0, 1, 1], ["a", "b"], **options)
            shown.plot(Figure().subplots())
        drawn(shown.figure_)
