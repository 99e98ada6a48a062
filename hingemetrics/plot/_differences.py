"""Differences of two models' losses: of each sample, their sides, and the part of each side."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hingemetrics._core.config import Config
from hingemetrics._core.typing import Array, Bools, Floats
from hingemetrics._inputs.arrays import as_float64
from hingemetrics._inputs.batch import Batch
from hingemetrics.comparison import Comparison
from hingemetrics.functional import hinge_loss
from hingemetrics.metrics.comparison import compare
from hingemetrics.plot._bins import bin_edges, shown_range
from hingemetrics.plot._figures import LARGEST_DRAWN
from hingemetrics.plot._margins import fraction

BETTER, UNCHANGED, WORSE = range(3)  # sides of differences, and of intervals


class Pair(NamedTuple):
    """Decision values of two models for the same samples."""

    preds: Floats
    baseline_preds: Floats
    target: Array
    weight: Floats | None
    config: Config

    @classmethod
    def checked(
        cls,
        preds: object,
        baseline_preds: object,
        target: object,
        sample_weight: object,
        config: Config,
    ) -> Pair:
        """Return arrays of samples, of which there must be some; `compare` checks their values."""
        batch = Batch(preds, target, sample_weight, None)
        baseline = Batch(baseline_preds, batch.target, None, None, "baseline_preds")
        if not batch.rows:
            raise ValueError("preds must hold at least one sample, got none")
        weight = None if batch.weight is None else as_float64(batch.weight)
        if weight is not None and not weight.any():
            raise ValueError("sample_weight must have a sum above 0, got only zeros")
        both = as_float64(batch.preds), as_float64(baseline.preds)
        return cls(*both, batch.target, weight, config)

    def compared(self, confidence_level: float = 0.95) -> Comparison:
        """Return the comparison of the mean losses."""
        return compare(
            *self[:3],
            *self.config,
            sample_weight=self.weight,
            confidence_level=confidence_level,
        )

    def differences(self) -> Floats:
        """Return loss - baseline's loss, rounded once: (N,), or (N, C) for one-vs-all."""
        loss, baseline = (
            hinge_loss(preds, self.target, *self.config, reduction="none") for preds in self[:2]
        )
        with np.errstate(all="ignore"):  # inf - inf
            return loss - baseline

    def part(self, mask: Bools) -> tuple[Any, Any]:
        """Return the fraction, by weight, of the samples in a mask, and their part of the mean.

        That is their part of the mean difference, correctly rounded. For one-vs-all, the mask is
        (N, C) and both are arrays (C,).
        """
        if mask.ndim == 1 and not mask.any():
            return 0.0, 0.0
        chosen = mask if mask.ndim == self.preds.ndim else mask[:, np.newaxis]
        ours, theirs = (np.where(chosen, preds, 0.0) for preds in self[:2])  # of the others, equal
        difference = self._replace(preds=ours, baseline_preds=theirs).compared().difference
        if mask.ndim == 1:
            return fraction(mask, self.weight), difference
        return np.array([fraction(column, self.weight) for column in mask.T]), difference


def sides_of_differences(differences: Floats) -> tuple[Bools, Bools, Bools]:
    """Return which samples are better, unchanged and worse; those of NaN are none of these."""
    return differences < 0, differences == 0, differences > 0


def side_of_interval(low: float, high: float) -> int:
    """Return on which side of 0 an interval lies; UNCHANGED if it contains 0 or is NaN."""
    return BETTER if high < 0 else WORSE if low > 0 else UNCHANGED


def edges_of_differences(differences: Floats, bins: Any) -> Floats:
    """Return edges of bins for all differences but 0, NaN and far outliers."""
    drawn = differences[(differences != 0) & (np.abs(differences) <= LARGEST_DRAWN)]
    low, high = range_around_zero(drawn)
    return bin_edges(drawn, low, high, bins)


def range_around_zero(values: Floats) -> tuple[float, float]:
    """Return the range of an axis of differences, which contains 0."""
    if not values.any():
        return -1.0, 1.0
    return shown_range(values, [np.arange(len(values))], boundary=0.0)


def histograms(
    differences: Floats, weight: Array | None, edges: Floats
) -> tuple[Array, tuple[Bools, Bools]]:
    """Return the number, or weight, of better and of worse samples by bin, (2, B).

    Also which samples lie left of the bins, and which right of them.
    """
    better, _, worse = sides_of_differences(differences)
    weights = [None if weight is None else weight[side] for side in (better, worse)]
    counts = [
        np.histogram(differences[side], edges, weights=own)[0]
        for side, own in zip((better, worse), weights, strict=True)
    ]
    changed = better | worse
    return np.array(counts), (
        changed & (differences < edges[0]),
        changed & (differences > edges[-1]),
    )
