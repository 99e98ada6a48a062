"""Margins of decision values: the class and side of each, and the fraction of the loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hingemetrics._core import losses
from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.typing import Array, Bools, Floats, Ints
from hingemetrics.functional import hinge_loss
from hingemetrics.plot._figures import LARGEST_DRAWN

SIDES = 3  # the number of sides, see `sides`
_LARGEST_SQUARED = 1e50  # its square is LARGEST_DRAWN


def margins_and_rows(preds: Floats, target: Ints, mode: MulticlassMode) -> tuple[Floats, Ints]:
    """Return all margins, (M,), and the index of the class whose row each belongs to."""
    with np.errstate(over="ignore"):  # an infinite margin is refused later
        if preds.ndim == 1:
            return losses.binary_margin(preds, target), target
        if mode is MulticlassMode.CRAMMER_SINGER:
            return losses.crammer_singer_margin(preds, target), target
        margins = losses.one_vs_all_margin(preds, target)
    return margins.ravel(), np.tile(np.arange(margins.shape[1]), len(margins))


def checked_margins(margins: Floats, squared: bool) -> Floats:
    """Return margins, or raise if one is NaN, infinite or too large to draw."""
    if margins.ndim != 1 or not len(margins):
        raise ValueError(f"margins must have shape (M,), M >= 1, got {margins.shape}")
    largest = _LARGEST_SQUARED if squared else LARGEST_DRAWN
    fits = np.abs(margins) <= largest
    if not fits.all():
        row = int(fits.argmin())
        must = f"finite, and drawn within ±{largest:g}"
        raise ValueError(f"margins must be {must}, got {margins[row]} at index {row}")
    return margins


def checked_rows(rows: Array, margins: int, classes: int) -> Array:
    """Return the class index of each margin, or raise if one is out of range."""
    if rows.shape != (margins,):
        raise ValueError(f"rows must have shape ({margins},) like margins, got {rows.shape}")
    fits = (rows >= 0) & (rows < classes)
    if not fits.all():
        row = int(fits.argmin())
        raise ValueError(f"rows must be in [0, {classes}), got {rows[row]} at index {row}")
    return rows


def sides(margins: Floats) -> Ints:
    """Return the side of each margin: 0 wrong, 1 inside the margin, 2 beyond it."""
    return np.digitize(margins, [0.0, 1.0])


def indices_by_class(rows: Array, classes: int) -> list[Ints]:
    """Return the indices of each class's margins."""
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=classes))
    return np.split(order, ends[:-1])


class WeightedMargins(NamedTuple):
    """Margins with their weights, and their losses."""

    margins: Floats
    weight: Array | None
    squared: bool

    def chosen(self, index: Array) -> WeightedMargins:
        """Return the margins selected by a mask or by indices."""
        weight = None if self.weight is None else self.weight[index]
        return self._replace(margins=self.margins[index], weight=weight)

    def mean_loss(self) -> float:
        """Return the mean loss; NaN if there are no margins, or all weights are zero."""
        if not (len(self.margins) if self.weight is None else self.weight.any()):
            return np.nan
        ones = np.ones(len(self.margins))
        return hinge_loss(self.margins, ones, self.squared, sample_weight=self.weight)

    def total_loss(self) -> float:
        """Return the sum of the losses."""
        ones = np.ones(len(self.margins))
        return hinge_loss(
            self.margins, ones, self.squared, sample_weight=self.weight, reduction="sum"
        )

    def parts(self, mask: Bools) -> tuple[float, float]:
        """Return the fractions of the margins, by weight, and of the loss selected by a mask."""
        loss = self.chosen(mask).total_loss()
        return fraction(mask, self.weight), loss / self.total_loss() if loss else 0.0


def fraction(mask: Bools, weight: Array | None) -> float:
    """Return the fraction, by weight, that a mask selects, correctly rounded."""
    # A mean loss, where what is selected costs 1 and the rest 0
    return hinge_loss(np.where(mask, 0.0, 1.0), np.ones(len(mask)), sample_weight=weight)
