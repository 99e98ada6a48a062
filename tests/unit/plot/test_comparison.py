"""ComparisonDisplay: what it is made of, what it says, where its words are, what it refuses."""

import itertools

import numpy as np
import pytest
from drawings import assert_apart, assert_inside, boxes, drawn, drawn_texts, legends, written
from matplotlib.figure import Figure
from matplotlib.text import Text
from oracle import says
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import SVC

import hingemetrics.sklearn
from hingemetrics.plot import ComparisonDisplay

ONE_VS_ALL = {"multiclass_mode": "one-vs-all"}


def binary(change=0.4, rows=200, scale=1.0, **options):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    theirs = (2 * y - 1) * 1.2 + rng.normal(size=rows)
    ours = theirs + change * rng.normal(size=rows)
    return (scale * ours, scale * theirs, y), options


def classes(count, rows=300, **options):
    rng = np.random.default_rng(0)
    y = np.arange(rows) % count
    theirs = rng.normal(size=(rows, count)) + 2 * np.eye(count)[y]
    ours = theirs + 0.3 * rng.normal(size=(rows, count))
    return (ours, theirs, y), {**ONE_VS_ALL, **options}


def outlier():
    (ours, theirs, y), options = binary()
    ours[3] = -1e6 * (2 * y[3] - 1)
    return (ours, theirs, y), options


def broken():
    """Losses that are NaN, infinite, and infinite with both models."""
    (ours, theirs, y), options = binary()
    ours[:3] = np.nan, np.inf, -np.inf
    ours[3] = theirs[3] = -np.inf * (2 * y[3] - 1)
    return (ours, theirs, y), options


LONG = {
    "name": "a rather long name of a model " * 3,
    "baseline_name": "last $week$'s\nbaseline " * 2,
}
CASES = {
    "two": binary(),
    "weighted": binary(sample_weight=np.linspace(0.1, 3e6, 200), squared=True),
    "equal": binary(change=0.0),
    "outlier": outlier(),
    "long names": binary(**LONG),
    "one sample": (([0.5], [0.75], [1]), {}),
    "three samples": (([0.5, 0.3, 2], [0.75, 0.25, 3], [1, 0, 1]), {}),
    "NaN and inf": broken(),
    "tiny": binary(scale=1e-12),
    "tiny weights": (([0.5, 0.75, 0.5], [0.5] * 3, [1] * 3), {"sample_weight": [1, 1e-320, 1]}),
    "large weights": binary(sample_weight=np.geomspace(1e200, 1e300, 200)),
    "large": binary(scale=1e90),
    "too large": binary(scale=1e200),
    "three classes": classes(3),
    "thirty classes": classes(30),
    "long names of classes": classes(
        3, classes=[f"{c}, a rather long name with {c} at its end" for c in "abc"], **LONG
    ),
}
QUICK = {("outlier", "own"), ("long names", "small"), ("long names of classes", "small")}


def display(case, ax=None):
    arrays, options = CASES[case]
    return ComparisonDisplay(*arrays, **options).plot(ax)


class TestWords:
    """They are on the page, apart, and inside the axes that were given."""

    @pytest.mark.parametrize(
        ("case", "size"),
        [
            pytest.param(*both, marks=[] if both in QUICK else pytest.mark.more)
            for both in itertools.product(CASES, ("own", "small"))
        ],
    )
    def test_places(self, case, size):
        ax = None if size == "own" else Figure(figsize=(4, 3)).subplots()
        shown = display(case, ax)
        texts = drawn_texts(shown.figure_)
        found = boxes(texts)
        assert len(found) > 15
        assert_inside([*found, *legends(shown.figure_)], shown.figure_.bbox)
        assert_apart(found)
        if ax is not None:
            own = boxes(set(ax.findobj(Text)) & set(texts))
            box = ax.get_position(original=True).transformed(shown.figure_.transFigure)
            assert_inside([*own, *legends(ax)], box)

    @pytest.mark.more
    @pytest.mark.parametrize("layout", ["constrained", "tight"])
    def test_side_by_side(self, layout):
        figure = Figure(figsize=(10, 4), layout=layout)
        for case, ax in zip(("two", "three classes"), figure.subplots(1, 2), strict=True):
            display(case, ax)
        found = boxes(drawn_texts(figure))
        assert_inside(found, figure.bbox)
        assert_apart(found)

    @pytest.mark.parametrize(
        ("shift", "verdict"),
        [
            (0.2, "better: the 95% interval is below 0"),
            (0.0, "undecided: the 95% interval contains 0"),
            (-0.2, "worse: the 95% interval is above 0"),
        ],
    )
    def test_verdict(self, shift, verdict):
        (ours, theirs, y), _ = CASES["two"]
        shown = ComparisonDisplay(ours + shift * (2 * y - 1), theirs, y).plot()
        assert verdict in written(shown)
        assert np.sign(shown.comparison.low) + np.sign(shown.comparison.high) == -2 * np.sign(shift)

    @pytest.mark.parametrize(
        ("case", "verdict"),
        [
            ("tiny weights", "undecided: the 95% interval contains 0"),
            ("equal", "equal: no sample's loss differs"),
            ("one sample", "undecided: no interval of one sample"),
            ("NaN and inf", "undecided: no interval of losses that are not finite"),
        ],
    )
    def test_no_interval(self, case, verdict):
        assert verdict in written(display(case))

    def test_the_table_adds_up(self):
        """From the baseline's loss to the model's, by the numbers that are written."""
        shown = display("two")
        said = [text.replace("\N{MINUS SIGN}", "-") for text in written(shown)]
        found = shown.comparison
        numbers = [found.baseline, *shown.parts[::2], found.value]
        spec = next(f".{d}f" for d in range(3, 7) if f"{found.value:.{d}f}" in said)
        texts = [f"{n:{'+' if n in shown.parts else ''}{spec}}" for n in numbers]
        assert set(texts) <= set(said)
        *start, end = map(float, texts)
        assert abs(sum(start) - end) < 2e-3 * found.value
        assert f"difference, 95% interval {found.low:+{spec}} to {found.high:+{spec}}" in said
        assert {"of samples", "d: difference of hinge losses", "samples"} <= set(said)

    def test_weights(self):
        said = written(display("weighted"))
        assert {"of weight", "d: difference of squared hinge losses", "weight"} <= set(said)

    def test_what_is_not_drawn_is_told(self):
        shown = display("outlier")
        (_, _), (share, part) = shown.outside_
        said = [text.replace("\N{MINUS SIGN}", "-") for text in written(shown)]
        assert {"right of the axis", f"d > {shown.edges_[-1]:.4g}", f"{share:.1%}"} <= set(said)
        assert shown.edges_[-1] < 10 < 1000 < part
        assert "neither" in written(display("NaN and inf"))
        assert "no difference on this axis" in written(display("too large"))

    def test_classes(self):
        shown = display("three classes")
        said = [text.replace("\N{MINUS SIGN}", "-") for text in written(shown)]
        found = shown.comparison
        for difference, losses in zip(
            found.difference, zip(found.baseline, found.value, strict=True), strict=True
        ):
            assert f"{difference:+#.3g}" in said
            assert " → ".join(f"{loss:#.3g}" for loss in losses) in said
        counts = (found.high < 0).sum(), (found.low > 0).sum()
        assert {str(count) for count in counts} <= set(said)
        names = [label.get_text() for label in shown.ax_.get_yticklabels()]
        assert dict(zip(names, shown.ax_.get_yticks() // 1, strict=True)) == {
            "0": 2,
            "1": 1,
            "2": 0,
        }

    def test_a_class_without_interval(self):
        (ours, theirs, y), options = classes(3)
        ours[0, 1] = np.nan
        said = written(ComparisonDisplay(ours, theirs, y, **options).plot())
        assert "unknown" in said
        assert "unknown" not in written(display("three classes"))


class TestMarks:
    def test_bars_are_the_counts(self):
        shown = display("two")
        highest = shown.counts_.sum(axis=0).max()
        assert str(highest) in written(shown)
        better, worse = [patch for patch in shown.ax_.patches if hasattr(patch, "get_data")]
        for steps, counts in zip((better, worse), shown.counts_, strict=True):
            top, edges, bottom = steps.get_data()
            np.testing.assert_allclose((top - bottom) * highest, counts, atol=1e-9)
            assert (edges == shown.edges_).all()
        assert 0.0 in shown.edges_
        assert better.get_facecolor() != worse.get_facecolor()
        zero = shown.edges_.tolist().index(0.0)
        assert not shown.counts_[0, zero:].any()
        assert not shown.counts_[1, :zero].any()

    def test_samples_that_did_not_change_do_not_shorten_the_axis(self):
        worse = np.arange(0.1, 1.1, 0.1)
        ours = np.append(np.zeros(1000), -worse)
        shown = ComparisonDisplay(ours, np.zeros(1010), np.ones(1010, int)).plot()
        assert shown.counts_.sum() == 10
        assert shown.outside_ == ((0.0, 0.0), (0.0, 0.0))

    def test_intervals(self):
        for case, rows in (("two", 1), ("three classes", 3)):
            shown = display(case)
            found = shown.comparison
            lines = [line.get_xdata() for line in shown.interval_ax_.get_lines()[1:]]
            ends = [x for x in lines if len(x) == 2]
            means = [x for x in lines if len(x) == 1]
            assert len(ends) == len(means) == rows
            assert (np.array(ends) == np.column_stack([found.low, found.high])).all()
            assert (np.ravel(means) == np.ravel(found.difference)).all()
            low, high = shown.interval_ax_.get_xlim()
            assert low < 0 < high

    def test_far_classes_have_an_arrow(self):
        (ours, theirs, y), options = classes(12)
        ours[:, 7] *= 1e8
        shown = ComparisonDisplay(ours, theirs, y, **options).plot()
        (arrow,) = [line for line in shown.ax_.get_lines() if line.get_marker() == ">"]
        assert arrow.get_ydata() == [12 - 7 - 0.5]


class TestMakers:
    data, y = load_iris(return_X_y=True)

    @pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
    def test_from_estimators(self, mode):
        one, other = (SVC(C=c).fit(self.data, self.y) for c in (0.1, 10))
        rows = self.y != 1  # a class that the estimators know and these rows do not have
        weight = np.random.default_rng(0).random(rows.sum())
        options = {"sample_weight": weight, "squared": True, "multiclass_mode": mode}
        x, y = self.data[rows], self.y[rows]
        found = ComparisonDisplay.from_estimators(one, other, x, y, **options)
        ours, theirs = (svc.decision_function(x) for svc in (one, other))
        wanted = ComparisonDisplay.from_predictions(y, ours, theirs, labels=[0, 1, 2], **options)
        assert (found.differences == wanted.differences).all()
        assert str(found.comparison) == str(wanted.comparison)
        assert found.classes == wanted.classes == [0, 1, 2]
        assert (found.name, found.baseline_name) == ("model", "baseline")

    def test_names(self):
        one, other = (
            model.fit(self.data, self.y) for model in (SVC(), LinearDiscriminantAnalysis())
        )
        found = ComparisonDisplay.from_estimators(one, other, self.data, self.y, name="new")
        assert (found.name, found.baseline_name) == ("new", "LinearDiscriminantAnalysis")
        assert {"new", "LinearDiscriminantAnalysis"} <= set(written(found))

    def test_labels_of_any_type(self):
        found = ComparisonDisplay.from_predictions(
            ["spam", "ham"], [0.5, -2.0], [0.25, -2.0], confidence_level=0.9
        )
        assert found.differences.tolist() == [-0.25, 0.0]
        assert found.comparison == hingemetrics.compare(
            [0.5, -2.0], [0.25, -2.0], [1, 0], confidence_level=0.9
        )
        assert any("90% interval" in text for text in written(found))

    def test_once_more(self):
        """On the same axes and with other bins, the numbers stay."""
        shown = display("two")
        before, ax = (shown.comparison, shown.parts), shown.ax_
        assert shown.plot(ax, bins=3).ax_ is ax
        assert len(shown.edges_) < 8
        assert (shown.comparison, shown.parts) == before
        assert len(shown.ax_.patches) == 3

    def test_notebooks(self):
        assert display("two", Figure().subplots())._repr_png_().startswith(b"\x89PNG")
        assert ComparisonDisplay([0.5], [0.5], [1])._repr_png_() is None

    def test_is_the_adapters(self):
        assert hingemetrics.sklearn.ComparisonDisplay is ComparisonDisplay


class TestRefusals:
    @pytest.mark.parametrize(
        ("arrays", "options", "words"),
        [
            (([], [], []), {}, ("preds", "at least one", "none")),
            (([0.5, 1], [0.5], [0, 1]), {}, ("baseline_preds", "(2,)", "(1,)")),
            (([0.5], [0.5], [3]), {}, ("target", "3", "index 0")),
            (([0.5], [0.5], [1]), {"sample_weight": [0.0]}, ("sample_weight", "only zeros")),
            (([0.5], [0.5], [1]), {"sample_weight": [-1.0]}, ("sample_weight", "-1.0", "index 0")),
            (([0.5], [0.5], [1]), {"confidence_level": 1.5}, ("confidence_level", "1.5")),
            ((np.eye(3), np.eye(3), [0, 1, 2]), {**ONE_VS_ALL, "classes": "ab"}, ("classes", "3")),
        ],
    )
    def test_arrays(self, arrays, options, words):
        with pytest.raises((TypeError, ValueError), match=says(*words)):
            ComparisonDisplay(*arrays, **options)

    def test_decisions(self):
        with pytest.raises(ValueError, match=says("baseline_decision", "nan", "index 1")):
            ComparisonDisplay.from_predictions([0, 1], [0.5, 0.5], [0.5, np.nan])
        with pytest.raises(ValueError, match=says("baseline_decision", "(2,)", "(1,)")):
            ComparisonDisplay.from_predictions([0, 1], [0.5, 0.5], [0.5])
        with pytest.raises(ZeroDivisionError, match="sample_weight"):
            ComparisonDisplay.from_predictions([0, 1], [1, 1], [1, 1], sample_weight=[0, 0])

    def test_estimators(self):
        data, y = load_iris(return_X_y=True)
        one, other = SVC().fit(data, y), SVC().fit(data, y > 0)
        with pytest.raises(ValueError, match=says("baseline_estimator", "classes")):
            ComparisonDisplay.from_estimators(one, other, data, y)
        with pytest.raises(AttributeError, match=says("baseline_estimator", "decision_function")):
            ComparisonDisplay.from_estimators(one, object(), data, y)

    @pytest.mark.parametrize(
        "case",
        [
            pytest.param(c, marks=[] if c in ("tiny", "NaN and inf") else pytest.mark.more)
            for c in CASES
        ],
    )
    def test_error_state(self, case):
        """NumPy may be told to raise where a float underflows or overflows."""
        with np.errstate(all="raise"):
            shown = display(case, Figure().subplots())
        drawn(shown.figure_)
