"""Plots of the hinge loss: where it comes from, and its values. matplotlib is optional."""

from hingemetrics.plot._display import HingeLossDisplay
from hingemetrics.plot._values import plot_value

__all__ = ["HingeLossDisplay", "plot_value"]

for _public in (HingeLossDisplay, plot_value):
    _public.__module__ = __name__  # pickles then use the public path
