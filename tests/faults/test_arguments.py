"""Arguments that raise, re-enter or change while they are read."""

import numpy as np
import pytest
from cases import form
from metrics import snapshot
from oracle import bits, expected

from hingemetrics import HingeLoss

ROWS = 12
BINARY = form(ROWS, None, None, False, None)


class Raising:
    """An array that cannot be read."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error

    def __len__(self):
        raise self.error

    def __getitem__(self, index):
        raise self.error


@pytest.mark.parametrize("argument", range(3))
@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError, ZeroDivisionError])
def test_arguments_that_raise(argument, entry, error):
    metric = BINARY.feed(BINARY.metric())
    before = snapshot(metric)
    arguments = [BINARY.preds, BINARY.target, np.ones(ROWS)]
    arguments[argument] = Raising(error("mine"))
    with pytest.raises((error, TypeError, ValueError)):
        getattr(metric, entry)(*arguments)
    assert snapshot(metric) == before


class Reentrant:
    """An array that, when read, changes the metric it is for."""

    def __init__(self, change):
        self.change = change

    def __array__(self, dtype=None, copy=None):
        self.change()
        return np.full(2, 0.5)


@pytest.mark.parametrize("entry", ["update", "forward"])
@pytest.mark.parametrize("argument", range(3))
def test_arguments_that_update_the_metric(backend, entry, argument):
    """Both updates count."""
    metric = HingeLoss()
    arguments = [[0.5, 0.5], [1, 1], [1.0, 1.0]]
    change = Reentrant(lambda: metric.update([0.25], [1]))
    if argument == 1:
        change.__class__ = ReentrantLabels
    arguments[argument] = change
    value = getattr(metric, entry)(*arguments)
    assert (metric.state.count, metric.update_count) == (3, 2)
    weight = [1.0, 1.0, 1.0] if argument < 2 else [0.5, 0.5, 1.0]
    assert bits(metric.compute()) == bits(
        expected([0.5, 0.5, 0.25], [1, 1, 1], sample_weight=weight)
    )
    assert value in (None, 0.5)


class ReentrantLabels(Reentrant):
    """The same as labels."""

    def __array__(self, dtype=None, copy=None):
        self.change()
        return np.ones(2, int)


@pytest.mark.parametrize("entry", ["update", "forward"])
def test_arguments_that_reset_the_metric(backend, entry):
    metric = HingeLoss()
    metric.update([0.25], [1])
    getattr(metric, entry)(Reentrant(metric.reset), [1, 1])
    assert (metric.state.count, metric.update_count, metric.compute()) == (2, 1, 0.5)


class Shrinking:
    """A sequence that gets shorter while it is read."""

    def __init__(self):
        self.values = [0.5] * 8

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        self.values = self.values[:-1]
        return self.values[index]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (x for x in [0.5]),
        lambda: iter([0.5]),
        lambda: map(float, "1"),
        lambda: {0.5},
        lambda: {0.5: 1}.keys(),
        Shrinking,
    ],
)
def test_no_arrays(make):
    metric = BINARY.feed(BINARY.metric())
    before = snapshot(metric)
    for entry in (metric.update, metric.forward):
        with pytest.raises((TypeError, ValueError, IndexError)):
            entry(make(), [1])
    assert snapshot(metric) == before
