"""Where words of pictures are: on the page, apart, and inside the axes that were given."""

import io
import itertools
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from drawings import PIXEL, assert_apart, assert_inside, boxes, drawn, drawn_texts, legends, words
from matplotlib import image
from matplotlib.figure import Figure
from matplotlib.text import Text

from hingemetrics.plot import HingeLossDisplay


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
SIZES = {
    "4 x 3": ((4, 3), 1),
    "8 x 6": ((8, 6), 1),
    "halves of 10 x 4": ((10, 4), 2),
}
# Drawing takes seconds. A quick run draws some cases by themselves and on small axes, and one on
# halves; the other halves, and layout engines, come with the slow tests.
QUICK = ("weighted", "long names")
QUICK_HALVES = ("two",)


def marks_of(case, size, layout):
    if layout is not None:
        return [pytest.mark.slow]
    return [] if case in (QUICK if size == "4 x 3" else QUICK_HALVES) else [pytest.mark.more]


def given_axes():
    """Parameters of figures whose axes are given to displays."""
    return [
        pytest.param(
            case,
            size,
            layout,
            marks=marks_of(case, size, layout),
        )
        for case, size, layout in itertools.product(CASES, ("4 x 3", "halves of 10 x 4"), LAYOUTS)
    ]


def displays(case, size, layout=None):
    """The displays of a case on all axes of a figure of a size."""
    y_true, preds, options = CASES[case]
    if size == "own":
        return [HingeLossDisplay.from_predictions(y_true, preds, **options)]
    inches, count = SIZES[size]
    figure = Figure(figsize=inches, layout=layout)
    every = figure.subplots(-(-count // 2), min(count, 2), squeeze=False).ravel()
    return [HingeLossDisplay.from_predictions(y_true, preds, ax=ax, **options) for ax in every]


class Page(NamedTuple):
    """A figure that was drawn, and what was written in it."""

    shown: list[HingeLossDisplay]
    figure: Figure
    texts: list[Text]


def drawn_page(case, size, layout=None):
    shown = displays(case, size, layout)
    figure = shown[0].figure_
    return Page(shown, figure, drawn_texts(figure))


@pytest.fixture(
    scope="module",
    params=[pytest.param(c, marks=[] if c in QUICK else pytest.mark.more) for c in CASES],
)
def own(request):
    """A figure of a display's own, drawn once for all tests."""
    return drawn_page(request.param, "own")


class TestOwnFigures:
    def test_words_are_apart_and_on_the_page(self, own):
        found = boxes(own.texts)
        assert len(found) > 15
        assert_inside([*found, *legends(own.figure)], own.figure.bbox)
        assert_apart(found)

    def test_losses_stand_at_the_ends_of_their_rows(self, own):
        (shown,), found = own.shown, boxes(own.texts)
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


@pytest.mark.parametrize(("case", "size", "layout"), given_axes())
def test_given_axes(case, size, layout):
    """Small ones, too, and several side by side."""
    shown, figure, texts = drawn_page(case, size, layout)
    found = boxes(texts)
    assert len(found) > 15 * len(shown)
    assert_inside([*found, *legends(figure)], figure.bbox)
    assert_apart(found)
    for each in shown:
        low, high = each.ax_.get_xlim()
        places = zip(each.ax_.get_xticks(), each.ax_.xaxis.get_major_ticks(), strict=True)
        seen = [x for x, tick in places if low <= x <= high and tick.label1.get_visible()]
        assert 0.0 in seen
        assert len(seen) > 1
        if layout is None:  # no engine makes the box of the axes larger: all stays inside
            own = boxes(set(each.ax_.findobj(Text)) & set(texts))
            assert len(own) > 15
            box = each.ax_.get_position(original=True).transformed(figure.transFigure)
            assert_inside([*own, *legends(each.ax_)], box)


def ink(png):
    """The least box of a picture's pixels that are not white."""
    pixels = image.imread(io.BytesIO(png))[..., :3].min(axis=2) < 1
    return [np.flatnonzero(pixels.any(axis=axis))[[0, -1]] for axis in (0, 1)], pixels.shape


@pytest.mark.parametrize(
    "layout", [None, *(pytest.param(layout, marks=pytest.mark.slow) for layout in LAYOUTS[1:])]
)
@pytest.mark.more
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
    @pytest.mark.more
    def test_another_size_and_resolution(self):
        """They are placed anew at each drawing."""
        figure = displays("ten", "8 x 6")[0].figure_
        for inches, dpi in (((4, 3), 100), ((4, 3), 200), ((9, 5), 72)):
            figure.set_size_inches(inches)
            figure.set_dpi(dpi)
            found = words(figure)
            assert_inside(found, figure.bbox)
            assert_apart(found)

    @pytest.mark.parametrize(
        "layout", [None, *(pytest.param(layout, marks=pytest.mark.more) for layout in LAYOUTS[1:])]
    )
    def test_a_title_is_above_all(self, layout):
        figure = Figure(figsize=(6, 5), layout=layout)
        shown = HingeLossDisplay.from_predictions(*CASES["two"][:2], ax=figure.subplots())
        shown.ax_.set_title("A title")
        found = words(figure)
        assert_inside(found, figure.bbox)
        assert_apart(found)
        title = shown.ax_.title.get_window_extent()
        assert all(title.y0 >= box.y1 - PIXEL for text, box in found if text != "A title")

    @pytest.mark.more
    def test_in_subfigures(self):
        figure = Figure(figsize=(10, 4), layout="constrained")
        for part in figure.subfigures(1, 2):
            ax = part.subplots()
            shown = HingeLossDisplay.from_predictions(*CASES["two"][:2], ax=ax)
            assert shown.figure_ is part
        found = words(figure)
        assert_inside(found, figure.bbox)
        assert_apart(found)
        assert shown._repr_png_().startswith(b"\x89PNG")

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

    @pytest.mark.more
    def test_figures_can_be_pickled(self):
        figure = displays("two", "4 x 3")[0].figure_
        before = words(figure)
        again = words(pickle.loads(pickle.dumps(figure)))
        assert [text for text, _ in again] == [text for text, _ in before]
