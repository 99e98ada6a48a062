"""Everything seen of two losses of the same samples, as a value, and what follows from it.

With the weighted losses x and y of a sample, of weight w, the difference of the means and its
standard error are

    D = sum(x - y) / sum(w),    sqrt(n / (n - 1) * sum((x - y - w * D)**2)) / sum(w)

The second sum is expanded into those of (x - y)**2, w * (x - y) and w**2, each of which is exact.
Where samples have groups, clusters that depend on each other inside, it is that of `clusters`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from hingemetrics._core.clusters import NO_CLUSTERS, Clusters
from hingemetrics._core.config import BINARY, Config
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.moments import NO_MOMENTS, Moments
from hingemetrics._core.rounding import root
from hingemetrics._core.tally import (
    FINEST,
    TOO_MANY_SAMPLES,
    MixedCodingsError,
    check_counts,
    check_losses,
    check_same_classes,
    check_same_config,
)
from hingemetrics._core.totals import Total

if TYPE_CHECKING:
    from fractions import Fraction

_SEVERAL = 2  # fewer samples have no standard error


class Counts(NamedTuple):
    """Numbers of samples, and of binary targets 0 and -1."""

    samples: int
    zeros: int
    negatives: int


class PairedTally(NamedTuple):
    """The exact moments of two losses of the same samples: `+` merges, `-` unmerges.

    Before any data there are no columns, and `num_classes` is 0.
    """

    config: Config
    num_classes: int = 0
    counts: Counts = Counts(0, 0, 0)
    columns: tuple[Moments, ...] = ()  # one for each loss
    weights: Moments = NO_MOMENTS  # of w and 0: the sums of w and of w**2
    clusters: Clusters = NO_CLUSTERS

    @classmethod
    def of(
        cls,
        config: Config,
        num_classes: int,
        counts: Counts,
        columns: tuple[Moments, ...],
        weights: Moments,
        clusters: Clusters = NO_CLUSTERS,
    ) -> PairedTally:
        """Return the tally with these moments, or raise if no data can have them."""
        if counts.zeros and counts.negatives and num_classes == BINARY:
            raise MixedCodingsError
        if counts.samples >= TOO_MANY_SAMPLES:
            raise ValueError(f"a state must be of fewer than 2**128 samples, got {counts.samples}")
        if not counts.samples:
            return cls(config)
        return cls(config, num_classes, counts, columns, weights, clusters)

    @property
    def samples(self) -> int:
        """Number of samples, ignored ones excluded."""
        return self.counts.samples

    def __add__(self, other: PairedTally) -> PairedTally:  # type: ignore[override]
        check_same_config(self.config, other.config)
        if not other.num_classes:
            return self
        if not self.num_classes:
            return other
        check_same_classes(self.num_classes, other.num_classes)
        return PairedTally.of(
            self.config,
            self.num_classes,
            Counts(*map(int.__add__, self.counts, other.counts)),
            tuple(map(Moments.plus, self.columns, other.columns)),
            self.weights.plus(other.weights),
            self.clusters.plus(other.clusters),
        )

    def __sub__(self, other: PairedTally) -> PairedTally:
        check_same_config(self.config, other.config)
        if not other.num_classes:
            return self
        if self.num_classes:
            check_same_classes(self.num_classes, other.num_classes)
        counts = Counts(*map(int.__sub__, self.counts, other.counts))
        columns = self.columns or (NO_MOMENTS,) * len(other.columns)
        columns = tuple(map(Moments.minus, columns, other.columns))
        weights = self.weights.minus(other.weights)
        clusters = self.clusters if self.num_classes else Clusters(other.clusters.kind, {})
        clusters = clusters.minus(other.clusters)
        try:
            check_moments(other.num_classes, counts, columns, weights, clusters)
        except ValueError as error:
            raise ValueError(
                f"cannot subtract a state that was never added: the rest would have {error}"
            ) from None
        return PairedTally.of(self.config, other.num_classes, counts, columns, weights, clusters)

    def __hash__(self) -> int:
        return hash(self[:-1])  # without the clusters, which are in a dict


def check_moments(
    num_classes: int,
    counts: Counts,
    columns: tuple[Moments, ...],
    weights: Moments,
    clusters: Clusters,
) -> None:
    """Raise for moments that no data could have."""
    samples = counts.samples
    total = weights.first.finite
    check_counts(num_classes, *counts, total)
    _check_squares("weights", weights.squares, total, samples, total**2)
    for first, second, squares, products in columns:
        check_losses(first, samples, total)
        check_losses(second, samples, total)
        most = first.finite**2 + second.finite**2
        _check_squares("differences", squares, first.finite - second.finite, samples, most)
        if products % FINEST**2 or products**2 > squares * weights.squares:  # Cauchy and Schwarz
            raise ValueError("an impossible sum of products")
    differences = (first.finite - second.finite for first, second, *_ in columns)
    clusters.check(samples, weights.first.finite, differences)


def _check_squares(what: str, squares: int, total: int, samples: int, most: int) -> None:
    """Raise for a sum of squares that is larger than `most`, or too small for the sum of roots."""
    fits = 0 <= squares <= most and total**2 <= squares * samples  # Cauchy and Schwarz
    if squares % FINEST**2 or not fits:
        raise ValueError(f"an impossible sum of squares of {what}")


class Estimate(NamedTuple):
    """The means of two losses, their difference, and its standard error."""

    value: float
    baseline: float
    difference: float
    stderr: float


def estimates(tally: PairedTally) -> list[Estimate]:
    """Return an estimate for each column, each number rounded once from the exact sums."""
    check_float_unit()
    weight = tally.weights.first.finite
    found = []
    for column, moments in enumerate(tally.columns):
        first, second = moments.first, moments.second
        variance = _variance(tally, column)
        stderr = math.nan if variance is None else root(*variance)
        difference = _difference(first, second, weight)
        found.append(Estimate(first.over(weight), second.over(weight), difference, stderr))
    return found


def fractions(tally: PairedTally) -> list[tuple[Fraction, Fraction, Fraction, Fraction]]:
    """Return value, baseline, difference and the standard error's square of each column."""
    from fractions import Fraction  # takes 2 ms to import

    weight = tally.weights.first.finite
    exact = []
    for column, moments in enumerate(tally.columns):
        if not _is_finite(moments):
            raise ValueError(f"exact losses must be finite, got another one at index {column}")
        variance = _variance(tally, column)
        if variance is None:
            break
        totals = moments.first.finite, moments.second.finite
        value, baseline = (Fraction(total, weight) for total in totals)
        exact.append((value, baseline, value - baseline, Fraction(*variance)))
    if not exact:
        what = "groups" if tally.clusters.kind else "samples"
        raise ValueError(f"an exact comparison must be of at least two {what}, and have a weight")
    return exact


def differences(tally: PairedTally) -> list[Fraction | None]:
    """Return the exact difference of each column's means; None where it is NaN or infinite."""
    from fractions import Fraction

    weight = tally.weights.first.finite
    return [
        Fraction(moments.first.finite - moments.second.finite, weight)
        if weight and _is_finite(moments)
        else None
        for moments in tally.columns
    ]


def _is_finite(moments: Moments) -> bool:
    first, second = moments.first, moments.second
    return not any((first.nan, first.inf, second.nan, second.inf))


def _variance(tally: PairedTally, column: int) -> tuple[int, int] | None:
    """Return numerator and denominator of the square of the difference's standard error."""
    moments, samples = tally.columns[column], tally.counts.samples
    weight = tally.weights.first.finite
    if not weight or not _is_finite(moments):
        return None
    total = moments.first.finite - moments.second.finite
    if tally.clusters.kind:
        return tally.clusters.variance(column, total, weight)
    if samples < _SEVERAL:
        return None
    _, _, squares, products = moments
    weight_squares = tally.weights.squares
    # Mostly multiples of 2**-53: without their common zeros, integers are a tenth as long.
    zeros = min(_zeros_of(total | weight), _zeros_of(squares | products | weight_squares) // 2)
    total, weight = total >> zeros, weight >> zeros
    squares, products = squares >> 2 * zeros, products >> 2 * zeros
    weight_squares >>= 2 * zeros
    spread = squares * weight**2 - 2 * total * products * weight + total**2 * weight_squares
    return samples * spread, (samples - 1) * weight**4


def _zeros_of(number: int) -> int:
    """Return how many binary zeros a number other than zero ends with."""
    return (number & -number).bit_length() - 1


def _difference(first: Total, second: Total, weight: int) -> float:
    """Return the difference of two means, rounded once; inf - inf is NaN, and a zero is +0.0."""
    if first.nan or second.nan or weight == 0 or (first.inf and second.inf):
        return math.nan
    if first.inf or second.inf:
        return math.inf if first.inf else -math.inf
    total = first.finite - second.finite
    size = Total(0, 0, abs(total)).over(weight)
    return 0.0 - size if total < 0 else size
