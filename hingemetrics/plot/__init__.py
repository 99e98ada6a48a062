"""Plots of the hinge loss: where it comes from, its values, two models. matplotlib is optional."""

from hingemetrics.plot._comparison import ComparisonDisplay
from hingemetrics.plot._display import HingeLossDisplay
from hingemetrics.plot._values import plot_value

__all__ = ["ComparisonDisplay", "HingeLossDisplay", "plot_value"]

for _public in (ComparisonDisplay, HingeLossDisplay, plot_value):
    _public.__module__ = __name__  # pickles then use the public path
