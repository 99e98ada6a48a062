"""The range and bins of the axis of margins, and the histograms over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics.plot._margins import SIDES, sides

_NEAREST = 0.9  # fraction of the margins on each side of 1 that the axis always shows
_FARTHER = 1.5  # lengths by which the axis may grow at either end to show all margins


def shown_range(margins: Floats, by_class: list[Ints]) -> tuple[float, float]:
    """Return the range of the axis of margins, from which far outliers may be left out.

    It contains 0, 1, each class's median and nine of ten margins on each side of 1, hence most of
    those with a loss, however few they are; and all margins, unless that makes it too long.
    """
    medians = [float(np.median(margins[own])) for own in by_class if len(own)]
    costly = margins < 1.0
    low, high = min(0.0, *medians), max(1.0, *medians)
    if costly.any():
        low = min(low, float(np.quantile(margins[costly], 1 - _NEAREST, method="higher")))
    if not costly.all():
        high = max(high, float(np.quantile(margins[~costly], _NEAREST, method="lower")))
    room = _FARTHER * (high - low)
    least, most = float(margins.min()), float(margins.max())
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
