"""What all pictures have in common: their axes, and nothing outside the figure changed."""

import gc
import runpy

import matplotlib as mpl
import pytest
from displays import MAKERS
from drawings import drawn
from matplotlib.figure import Figure
from places import EXAMPLES, ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
class TestAxes:
    def test_those_that_are_given(self, make):
        left, right = Figure().subplots(1, 2)
        assert make(right) is right
        assert right.figure is left.figure
        assert right.has_data()
        assert not left.has_data()

    def test_new_ones(self, make):
        one, other = make(), make()
        assert one is not other
        assert one.figure is not other.figure

    def test_others_are_refused(self, make):
        with pytest.raises(TypeError, match=r"^ax must be Axes of matplotlib, got 3$"):
            make(3)


ALIKE = ("estimator", "comparison of classes", "metric")  # another maker's picture


@pytest.mark.parametrize(
    "name", [pytest.param(k, marks=pytest.mark.more if k in ALIKE else []) for k in MAKERS]
)
def test_axes_that_are_given_can_be_drawn(name):
    """In half of a figure."""
    left, right = Figure(layout="constrained").subplots(1, 2)
    MAKERS[name](right)
    drawn(left.figure)


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
    @pytest.mark.more
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

    @pytest.mark.more
    def test_figures_are_let_go(self):
        for make in MAKERS.values():
            make()
        gc.collect()
        before = sum(issubclass(type(thing), Figure) for thing in gc.get_objects())
        for make in MAKERS.values():
            make()
        gc.collect()
        assert sum(issubclass(type(thing), Figure) for thing in gc.get_objects()) <= before


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
PICTURES |= {"one_vs_all", "comparison", "comparison_one_vs_all"}


@pytest.mark.more
@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="an installed package has no examples")
def test_pictures_are_what_their_script_makes(tmp_path, monkeypatch):
    """By name and size; their pixels are matplotlib's and the fonts'."""
    script = EXAMPLES / "make_pictures.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    kept = ROOT / "docs" / "images"
    for made in (tmp_path, kept):
        assert {path.stem for path in made.glob("*.png")} >= PICTURES
        for picture in PICTURES:
            assert 10_000 < (made / f"{picture}.png").stat().st_size < 100_000


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


@pytest.mark.more
@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="an installed package has no benchmarks")
def test_values_of_benchmarks_are_apart_from_marks(python, tmp_path):
    run = python("-W", "error", "-c", MARKS, BENCHMARKS / "plot.py", BENCHMARKS / "results.json")
    assert (run.stderr, run.returncode) == ("", 0)
    texts, touched = map(int, run.stdout.split())
    assert texts > 40
    assert touched == 0
