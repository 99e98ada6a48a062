"""Where words of pictures are: on the page, apart, and inside the axes that were given."""

import io
import itertools
import pickle
from unittest.mock import patch

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from places import ROOT

from hingemetrics.plot import HingeLossDisplay, plot_value

BENCHMARKS = ROOT / "benchmarks"
PIXEL = 1.0


def normal(classes, rows=300, **options):
    rng = np.random.default_rng(0)
    y_true = np.arange(rows) % classes
    names = options.pop("names", str)
    preds = rng.normal(size=(rows, classes)) + 2 * np.eye(classes)[y_true]
    labels = [names(c) for c in range(classes)]
    if classes == 2:
        preds = preds[:, 1] - preds[:, 0]
    return [labels[y] for y in y_true], preds, {"labels": labels, **options}


def rare():
    rng = np.random.default_rng(0)
    y_true = (np.arange(4000) % 200 == 0).astype(int)
    return y_true, rng.normal(size=4000) + 2 * y_true - 2.5, {}


def cauchy():
    rng = np.random.default_rng(0)
    y_true = np.arange(3000) % 2
    return y_true, (2 * y_true - 1) * (2.0 + rng.standard_cauchy(3000)), {}


CASES = {
    "two": normal(2),
    "ten": normal(10),
    "fifty": normal(50, 2000),
    "weighted": normal(3, sample_weight=np.linspace(0.1, 3e6, 300), squared=True),
    "one-vs-all": normal(4, multiclass_mode="one-vs-all"),
    "long names": normal(10, names=lambda c: f"{c}, a rather long name with {c} at its end"),
    "rare": rare(),
    "Cauchy": cauchy(),
    "all wrong": ([0, 1, 1], [2e5, -4e5, -1e5], {}),
    "tiny": ([0, 1, 1], [-1.0, 1 - 1e-7, 1.0], {}),
}
LAYOUTS = (None, "constrained", "tight")
LAYOUT_BY_LAYOUT = (  # drawing takes seconds: only without one in every run
    None,
    *(pytest.param(layout, marks=pytest.mark.slow) for layout in LAYOUTS[1:]),
)
SIZES = {
    "4 x 3": ((4, 3), 1),
    "8 x 6": ((8, 6), 1),
    "halves of 10 x 4": ((10, 4), 2),
}


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return figure


def displays(case, size, layout=None):
    """The displays of a case on all axes of a figure of a size."""
    y_true, preds, options = CASES[case]
    if size == "own":
        return [HingeLossDisplay.from_predictions(y_true, preds, **options)]
    inches, count = SIZES[size]
    figure = Figure(figsize=inches, layout=layout)
    every = figure.subplots(-(-count // 2), min(count, 2), squeeze=False).ravel()
    return [HingeLossDisplay.from_predictions(y_true, preds, ax=ax, **options) for ax in every]


def words(figure):
    """Draw a figure; return the texts that were drawn and the boxes they take."""
    seen, draw = {}, Text.draw

    def recorded(text, renderer):
        if text.get_visible() and text.get_text().strip():
            seen[text] = None
        draw(text, renderer)

    with patch.object(Text, "draw", recorded):
        drawn(figure)
    return [(text.get_text(), text.get_window_extent()) for text in seen]


def assert_apart(boxes):
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        shared = Bbox.intersection(a, b)
        if shared is not None:
            assert min(shared.width, shared.height) < PIXEL, (one, other)


def assert_inside(boxes, page):
    for text, box in boxes:
        assert page.x0 - PIXEL <= box.x0 < box.x1 <= page.x1 + PIXEL, text
        assert page.y0 - PIXEL <= box.y0 < box.y1 <= page.y1 + PIXEL, text


def legends(figure):
    return [(str(legend), legend.get_window_extent()) for legend in figure.findobj(Legend)]


@pytest.mark.parametrize("case", CASES)
def test_own_figures(case):
    figure = displays(case, "own")[0].figure_
    found = words(figure)
    assert len(found) > 15
    assert_inside([*found, *legends(figure)], figure.bbox)
    assert_apart(found)


@pytest.mark.parametrize("layout", LAYOUT_BY_LAYOUT)
@pytest.mark.parametrize("size", ["4 x 3", "halves of 10 x 4"])
@pytest.mark.parametrize("case", CASES)
def test_given_axes(case, size, layout):
    """Small ones, too, and several side by side."""
    shown = displays(case, size, layout)
    figure = shown[0].figure_
    found = words(figure)
    assert len(found) > 15 * len(shown)
    for each in shown:
        low, high = each.ax_.get_xlim()
        places = zip(each.ax_.get_xticks(), each.ax_.xaxis.get_major_ticks(), strict=True)
        seen = [x for x, tick in places if low <= x <= high and tick.label1.get_visible()]
        assert 0.0 in seen
        assert len(seen) > 1
    assert_inside([*found, *legends(figure)], figure.bbox)
    assert_apart(found)


@pytest.mark.parametrize("case", CASES)
def test_all_stays_in_the_box_of_the_axes(case):
    """Where no layout engine makes it larger."""
    figure = Figure(figsize=(10, 4))
    _, ax = figure.subplots(1, 2)
    y_true, preds, options = CASES[case]
    box = ax.get_position().transformed(figure.transFigure)
    HingeLossDisplay.from_predictions(y_true, preds, ax=ax, **options)
    figure.delaxes(figure.axes[0])
    found = words(figure)
    assert_inside([*found, *legends(figure)], box)


def ink(png):
    """The least box of a picture's pixels that are not white."""
    pixels = image.imread(io.BytesIO(png))[..., :3].min(axis=2) < 1
    return [np.flatnonzero(pixels.any(axis=axis))[[0, -1]] for axis in (0, 1)], pixels.shape


@pytest.mark.parametrize("layout", LAYOUT_BY_LAYOUT)
@pytest.mark.parametrize("case", ["two", "long names", "Cauchy"])
def test_saved_as_tight_as_can_be(case, layout):
    """It cuts off nothing, and afterwards the figure is as it was."""
    figure = displays(case, "4 x 3", layout)[0].figure_
    before = words(figure)
    saved = [io.BytesIO(), io.BytesIO()]
    figure.savefig(saved[0], dpi=100)
    figure.savefig(saved[1], dpi=100, bbox_inches="tight", pad_inches=0.1)
    (whole, _), (tight, (height, width)) = (ink(file.getvalue()) for file in saved)
    for (first, last), (low, high), size in zip(tight, whole, (width, height), strict=True):
        assert 8 <= first < last <= size - 9  # a tenth of an inch is kept free
        assert abs((last - first) - (high - low)) <= 2
    for (one, a), (other, b) in zip(before, words(figure), strict=True):
        assert one == other
        assert np.abs(a.extents - b.extents).max() < PIXEL


class TestPanels:
    def test_another_size_and_resolution(self):
        """They are placed anew at each drawing."""
        figure = displays("ten", "8 x 6")[0].figure_
        for inches, dpi in (((4, 3), 100), ((4, 3), 200), ((9, 5), 72)):
            figure.set_size_inches(inches)
            figure.set_dpi(dpi)
            found = words(figure)
            assert_inside(found, figure.bbox)
            assert_apart(found)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_title_is_above_all(self, layout):
        figure = Figure(figsize=(6, 5), layout=layout)
        shown = HingeLossDisplay.from_predictions(*CASES["two"][:2], ax=figure.subplots())
        shown.ax_.set_title("A title")
        found = words(figure)
        assert_inside(found, figure.bbox)
        assert_apart(found)
        title = shown.ax_.title.get_window_extent()
        assert all(title.y0 >= box.y1 - PIXEL for text, box in found if text != "A title")

    def test_in_subfigures(self):
        figure = Figure(figsize=(10, 4), layout="constrained")
        for part in figure.subfigures(1, 2):
            ax = part.subplots()
            shown = HingeLossDisplay.from_predictions(*CASES["two"][:2], ax=ax)
            assert shown.figure_ is part
        found = words(figure)
        assert_inside(found, figure.bbox)
        assert_apart(found)
        assert shown._repr_png_().startswith(PNG)

    def test_inset_axes(self):
        """Axes that had a locator before stay where it puts them."""
        figure = Figure(figsize=(10, 8))
        inset = figure.subplots().inset_axes([0.3, 0.3, 0.6, 0.6])
        box = inset.get_tightbbox(figure._get_renderer(), for_layout_only=True)
        HingeLossDisplay.from_predictions(*CASES["two"][:2], ax=inset)
        found = [(text, at) for text, at in words(figure) if "loss" in text or "margin" in text]
        assert len(found) > 4
        assert_inside(found, box)

    def test_rows_share_their_margins_with_the_hinge(self):
        shown = displays("two", "8 x 6")[0]
        shown.ax_.set_xlim(-1, 2)
        drawn(shown.figure_)
        assert shown.loss_ax_.get_xlim() == (-1, 2)
        one, other = (ax.get_window_extent() for ax in (shown.ax_, shown.loss_ax_))
        assert (one.x0, one.x1) == (other.x0, other.x1)
        assert one.y1 < other.y0  # the hinge crosses no row

    @pytest.mark.parametrize("case", CASES)
    def test_losses_stand_at_the_ends_of_their_rows(self, case):
        shown = displays(case, "own")[0]
        found = words(shown.figure_)
        names = [label for label in shown.ax_.get_yticklabels() if label.get_visible()]
        last = max(box.x1 for _, box in found)
        for name in names:
            middle = name.get_window_extent().y0 / 2 + name.get_window_extent().y1 / 2
            (_, y) = shown.ax_.transData.inverted().transform((0, middle))
            loss = shown.class_losses[len(shown.classes) - 1 - int(y)]
            wanted = f"{loss:#.3g}".rstrip(".") if loss else "0"
            near = [box for text, box in found if text == wanted and abs(box.y0 - middle) < 20]
            assert any(abs(box.x1 - last) < PIXEL for box in near), name
        assert shown.ax_.get_window_extent().x1 < last - 20

    def test_figures_can_be_pickled(self):
        figure = displays("two", "4 x 3")[0].figure_
        before = words(figure)
        again = words(pickle.loads(pickle.dumps(figure)))
        assert [text for text, _ in again] == [text for text, _ in before]


class TestValues:
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


PNG = b"\x89PNG\r\n\x1a\n"


MARKS = """
import itertools, json, pathlib, runpy, sys
plot, results = map(pathlib.Path, sys.argv[1:])
figure = runpy.run_path(plot)["draw"](json.loads(results.read_text("utf-8")))
figure.canvas.draw()
texts, marks = [], []
for ax in figure.axes:
    texts += [text.get_window_extent() for text in ax.texts]
    for bar in ax.patches:
        marks.append(bar.get_window_extent())
    for lines in ax.collections:
        marks += [lines.get_transform().transform_path(p).get_extents() for p in lines.get_paths()]
boxes = [[box.padded(6) for box in some] for some in (texts, marks)]
print(len(texts), sum(a.overlaps(b) for a, b in itertools.product(*boxes)))
"""


class TestNotebook:
    def test_a_display_shows_itself(self):
        shown = displays("two", "own")[0]
        png = shown._repr_png_()
        assert png.startswith(PNG)
        height, width, _ = image.imread(io.BytesIO(png)).shape
        page = shown.figure_.bbox
        assert (width, height) == (int(page.width), int(page.height))

    def test_to_ipython(self):
        formatters = pytest.importorskip("IPython.core.formatters")
        data, _ = formatters.DisplayFormatter().format(displays("two", "4 x 3")[0])
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
            shown = HingeLossDisplay(margins, [0, 1, 1], ["a", "b"], **options).plot()
        drawn(shown.figure_)

    @pytest.mark.parametrize("value", [5e-324, np.array([5e-324, 1e100]), np.inf, np.nan])
    def test_values(self, value):
        with np.errstate(all="raise"):
            figure, _ = plot_value(value)
        drawn(figure)


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="an installed package has no benchmarks")
def test_values_of_benchmarks_are_apart_from_marks(python, tmp_path):
    run = python("-W", "error", "-c", MARKS, BENCHMARKS / "plot.py", BENCHMARKS / "results.json")
    assert (run.stderr, run.returncode) == ("", 0)
    texts, touched = map(int, run.stdout.split())
    assert texts > 40
    assert touched == 0
