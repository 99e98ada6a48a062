"""Margins of decision values: whose they are, what they cost, and a histogram of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hingemetrics._core import losses
from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics.functional import hinge_loss

SIDES = 3  # of 0 and 1, as `sides` numbers them
LARGEST = 1e100  # beyond, scales of pictures overflow where they are made
_LARGEST_SQUARED = 1e50
_NEAREST = 0.9  # of the margins on each side of 1: those that an axis shows in any case
_FARTHER = 1.5  # times as long as these need may an axis become for the sake of all others


def margins_and_rows(preds: Floats, target: Ints, mode: MulticlassMode) -> tuple[Floats, Ints]:
    """Return all margins, (M,), and in which class's row each belongs."""
    with np.errstate(over="ignore"):  # refused, not warned of
        if preds.ndim == 1:
            return losses.binary_margin(preds, target), target
        if mode is MulticlassMode.CRAMMER_SINGER:
            return losses.crammer_singer_margin(preds, target), target
        margins = losses.one_vs_all_margin(preds, target)
    return margins.ravel(), np.tile(np.arange(margins.shape[1]), len(margins))


def checked_margins(margins: Floats, squared: bool) -> Floats:
    """Return margins, none of which is NaN, infinite (as a difference may be) or beyond a scale."""
    if margins.ndim != 1 or not len(margins):
        raise ValueError(f"margins must have shape (M,), M >= 1, got {margins.shape}")
    largest = _LARGEST_SQUARED if squared else LARGEST
    fits = np.abs(margins) <= largest
    if not fits.all():
        row = int(fits.argmin())
        must = f"finite, and drawn within ±{largest:g}"
        raise ValueError(f"margins must be {must}, got {margins[row]} at index {row}")
    return margins


def checked_rows(rows: Array, margins: int, classes: int) -> Array:
    """Return the class of each margin."""
    if rows.shape != (margins,):
        raise ValueError(f"rows must have shape ({margins},) like margins, got {rows.shape}")
    fits = (rows >= 0) & (rows < classes)
    if not fits.all():
        row = int(fits.argmin())
        raise ValueError(f"rows must be in [0, {classes}), got {rows[row]} at index {row}")
    return rows


def sides(margins: Floats) -> Ints:
    """Return on which side each margin is: 0 wrong, 1 inside the margin, 2 beyond it."""
    return np.digitize(margins, [0.0, 1.0])


def members(rows: Array, classes: int) -> list[Ints]:
    """Return the indices of each class's margins."""
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=classes))
    return np.split(order, ends[:-1])


def mean_loss(margins: Floats, weight: Array | None, squared: bool) -> float:
    """Return the mean loss of margins; NaN if there are none, or none that weighs anything."""
    if not (len(margins) if weight is None else weight.any()):
        return np.nan
    return hinge_loss(margins, np.ones(len(margins)), squared, sample_weight=weight)


def sum_of_losses(margins: Floats, weight: Array | None, squared: bool) -> float:
    """Return the sum of the losses of margins."""
    ones = np.ones(len(margins))
    return hinge_loss(margins, ones, squared, sample_weight=weight, reduction="sum")


def shown_range(margins: Floats, classes: list[Ints]) -> tuple[float, float]:
    """Return from where to where an axis should go, though margins may have far outliers.

    It holds 0, 1, each class's median and nine of ten margins on each side of 1, so most of those
    that cost something, however few they are; and all margins that do not make it too long.
    """
    medians = [float(np.median(margins[chosen])) for chosen in classes if len(chosen)]
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
