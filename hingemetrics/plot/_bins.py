"""The axis of a picture of margins, its bins, and how many margins are in each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics.plot._margins import SIDES, sides

_NEAREST = 0.9  # of the margins on each side of 1: those that an axis shows in any case
_FARTHER = 1.5  # times as long as these need may an axis become for the sake of all others


def shown_range(margins: Floats, by_class: list[Ints]) -> tuple[float, float]:
    """Return from where to where an axis should go, though margins may have far outliers.

    It holds 0, 1, each class's median and nine of ten margins on each side of 1, so most of those
    that cost something, however few they are; and all margins that do not make it too long.
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
    """Return edges of bins; of about so many, at multiples of 1/k or of k for an integer k."""
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
    edges[0] = min(edges[0], low)  # the product may have been rounded up
    return edges


def histogram(
    margins: Floats, rows: Array, classes: int, edges: Floats, weight: Array | None
) -> Array:
    """Return the number, or weight, of margins by side, class and bin; the last bin is closed."""
    inside = (margins >= edges[0]) & (margins <= edges[-1])
    margins, rows = margins[inside], rows[inside]
    bins = len(edges) - 1
    places = np.minimum(np.searchsorted(edges, margins, side="right") - 1, bins - 1)
    shape = (SIDES, classes, bins)
    cells = np.ravel_multi_index((sides(margins), rows, places), shape)
    weight = None if weight is None else weight[inside]
    counts: npt.NDArray[Any] = np.bincount(cells, weight, minlength=int(np.prod(shape)))
    return counts.reshape(shape)
