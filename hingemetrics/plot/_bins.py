"""The range and bins of the axis of margins or differences, and the histograms over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics.plot._margins import SIDES, sides

_NEAREST = 0.9  # fraction of the values on each side that the axis always shows
_FARTHER = 1.5  # lengths by which the axis may grow at either end to show all values


def shown_range(values: Floats, by_class: list[Ints], boundary: float = 1.0) -> tuple[float, float]:
    """Return the range of an axis, by default of margins; far outliers may be left out of it.

    It contains 0, the boundary, each class's median and nine of ten values on each side of the
    boundary, hence most margins with a loss, however few they are; and all values, unless that
    makes it too long.
    """
    medians = [float(np.median(values[own])) for own in by_class if len(own)]
    below = values < boundary
    low, high = min(0.0, *medians), max(boundary, *medians)
    if below.any():
        low = min(low, float(np.quantile(values[below], 1 - _NEAREST, method="higher")))
    if not below.all():
        high = max(high, float(np.quantile(values[~below], _NEAREST, method="lower")))
    room = _FARTHER * (high - low)
    least, most = float(values.min()), float(values.max())
    return (
        min(low, least) if least >= low - room else low,
        max(high, most) if most <= high + room else high,
    )


def bin_edges(margins: Floats, low: float, high: float, bins: Any) -> Floats:
    """Return the edges of bins; for an int, about this many, of width 1/k or k for an integer k."""
    if isinstance(bins, str):
        return np.histogram_bin_edges(margins, bins, (low, high))
    if not isinstance(bins, (int, np.integer)):
        return np.histogram_bin_edges(margins, bins)
    if bins < 1:
        raise ValueError(f"bins must be >= 1, got {bins}")
    width = (high - low) / bins
    k = 1 // width if width < 1.0 else np.ceil(width)
    factor, divisor = (1.0, k) if width < 1.0 else (k, 1.0)
    first, last = (np.floor(end * divisor / factor) for end in (low, high))
    edges: Floats = np.arange(first, last + 2) * factor / divisor
    edges[0] = min(edges[0], low)  # the edge may have been rounded up
    return edges


def histogram(
    margins: Floats, rows: Array, classes: int, edges: Floats, weight: Array | None
) -> Array:
    """Return the count, or weight, of margins by side, class and bin; the last bin is closed."""
    inside = (margins >= edges[0]) & (margins <= edges[-1])
    margins, rows = margins[inside], rows[inside]
    bins = len(edges) - 1
    places = np.minimum(np.searchsorted(edges, margins, side="right") - 1, bins - 1)
    shape = (SIDES, classes, bins)
    cells = np.ravel_multi_index((sides(margins), rows, places), shape)
    weight = None if weight is None else weight[inside]
    counts: npt.NDArray[Any] = np.bincount(cells, weight, minlength=int(np.prod(shape)))
    return counts.reshape(shape)
