"""Public names are found, pickled and documented where users import them from."""

import doctest
import importlib
import inspect
import pickle
import pickletools

import pytest

from hingemetrics.plot import ComparisonDisplay, HingeLossDisplay

PLACES = {
    "hingemetrics": {
        "BootstrapHingeLoss",
        "Comparison",
        "ComparisonState",
        "GroupedHingeLoss",
        "HingeComparison",
        "HingeLoss",
        "HingeState",
        "Interval",
        "MulticlassMode",
        "RunningHingeLoss",
        "__version__",
        "bootstrap_interval",
        "compare",
        "get_backend",
        "get_num_threads",
        "hinge_loss",
        "hinge_loss_by",
        "leave_one_out",
        "loss_interval",
        "set_backend",
        "set_num_threads",
        "show_config",
        "warmup",
    },
    "hingemetrics.distributed": {
        "dask_hinge_loss",
        "dask_hinge_state",
        "spark_hinge_loss",
        "spark_hinge_state",
    },
    "hingemetrics.plot": {"ComparisonDisplay", "HingeLossDisplay", "plot_value"},
    "hingemetrics.sklearn": {
        "ComparisonDisplay",
        "HingeLossDisplay",
        "HingeScorer",
        "compare",
        "hinge_loss",
        "hinge_loss_by",
        "hinge_scorer",
        "make_hinge_scorer",
    },
}
NAMES = [
    (place, name) for place, names in PLACES.items() for name in sorted(names - {"__version__"})
]
# Shown where they are used, or by what sets them.
WITHOUT_EXAMPLE = {"Comparison", "Interval", "MulticlassMode", "get_backend", "get_num_threads"}


def modules_named(pickled):
    """The modules of the package that a pickle names."""
    strings = {text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}
    return {text for text in strings if text.partition(".")[0] == "hingemetrics"}


def test_a_pickled_display():
    shown = HingeLossDisplay([0.5, -1.0], [0, 1], ["a", "b"], sample_weight=[1.0, 2.0])
    pickled = pickle.dumps(shown)
    assert modules_named(pickled) == {"hingemetrics.plot"}
    assert pickle.loads(pickled).loss == shown.loss


def test_a_pickled_comparison_display():
    shown = ComparisonDisplay([0.5, -1.0], [0.25, 1.0], [0, 1], sample_weight=[1.0, 2.0])
    pickled = pickle.dumps(shown)
    assert modules_named(pickled) <= {"hingemetrics", "hingemetrics.plot"}
    assert pickle.loads(pickled).comparison == shown.comparison


@pytest.mark.parametrize("place", PLACES)
def test_all(place):
    assert set(importlib.import_module(place).__all__) == PLACES[place]


@pytest.mark.parametrize(("place", "name"), NAMES)
class TestPublicNames:
    def test_module(self, place, name):
        """A class or function names a public place where it can be imported from."""
        thing = getattr(importlib.import_module(place), name)
        module = thing.__module__
        assert module in PLACES
        of_instances = thing if inspect.isclass(thing) or inspect.isfunction(thing) else type(thing)
        assert getattr(importlib.import_module(module), of_instances.__name__) is of_instances

    def test_pickle(self, place, name):
        thing = getattr(importlib.import_module(place), name)
        pickled = pickle.dumps(thing)
        again = pickle.loads(pickled)
        assert again is thing or again == thing
        assert modules_named(pickled) <= {*PLACES}

    def test_examples(self, place, name):
        """All that its docstrings show; of a class, `doctest` skips methods from another module."""
        if place == "hingemetrics.distributed":
            pytest.importorskip("dask")
        thing = getattr(importlib.import_module(place), name)
        tests = doctest.DocTestFinder().find(thing, name, module=False, globs={})
        runner = doctest.DocTestRunner(verbose=False)
        for test in tests:
            runner.run(test)
        assert runner.failures == 0
        assert (runner.tries > 0) == (name not in WITHOUT_EXAMPLE)
