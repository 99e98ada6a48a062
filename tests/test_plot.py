"""The pictures: their numbers by the oracle, and nothing outside the figure changed."""

import gc
import itertools
import warnings
from fractions import Fraction
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from reference import bits, expected, hinge, says
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from strategies import forms, name

import hingemetrics.sklearn
from hingemetrics import HingeLoss
from hingemetrics.margins import bin_edges, members, shown_range
from hingemetrics.plot import HingeLossDisplay, plot_value

ROOT = Path(__file__).parents[1]


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
    everyone = members(np.zeros(len(margins), dtype=np.int64), 1)
    return bin_edges(margins, *shown_range(margins, everyone), bins)


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


MAKERS = {
    "display": lambda ax=None: (
        HingeLossDisplay.from_predictions([0, 1, 1], [-2.2, 2.4, 0.1], ax=ax).ax_
    ),
    "estimator": lambda ax=None: (
        HingeLossDisplay.from_estimator(
            LogisticRegression().fit([[0.0], [1.0]], [0, 1]), [[0.0], [1.0]], [0, 1], ax=ax
        ).ax_
    ),
    "point": lambda ax=None: plot_value(0.5, ax=ax)[1],
    "bars": lambda ax=None: plot_value(np.array([0.5, 0.7]), ax=ax)[1],
    "metric": lambda ax=None: _metric().plot(ax)[1],
}


def _metric():
    metric = HingeLoss()
    metric.update([-2.2, 2.4, 0.1], [0, 1, 1])
    return metric


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
from test_plot import MAKERS
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
