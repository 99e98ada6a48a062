"""ComparisonState: all that was seen of two models on the same samples, as an immutable value."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from hingemetrics._core import paired_wire
from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.exact_state import ExactState
from hingemetrics._core.paired import Estimate, PairedTally, differences, estimates, fractions
from hingemetrics._core.typing import Floats
from hingemetrics._core.warn import warn_caller
from hingemetrics._engine.pairs import measure_pair
from hingemetrics._inputs.arguments import checked_confidence_level
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import Groups

if TYPE_CHECKING:
    from fractions import Fraction

_BELOW_ONE = 1.0 - 2.0**-53


class Comparison(NamedTuple):
    """A loss beside that of a baseline: floats, or arrays (C,) for one-vs-all; dimensionless."""

    value: float | Floats
    baseline: float | Floats
    difference: float | Floats  # value - baseline, rounded once
    stderr: float | Floats  # of the difference
    low: float | Floats  # ends of the confidence interval of the difference
    high: float | Floats
    count: int  # type: ignore[assignment]  # samples; tuple.count is of no use here


class ComparisonState(ExactState):
    """What was seen of two models on the same samples: exact sums, as an immutable value.

    States of disjoint shards are merged with ``+`` (or ``sum``) and unmerged with ``-``; both are
    exact, so any order and any tree of merges gives the same bytes, and ``(a + b) - b == a``. A
    state whose count is zero is the empty state of its configuration and the identity of ``+``.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        ``"crammer-singer"`` (also None) or ``"one-vs-all"``. Binary data ignores it.

    Raises
    ------
    TypeError
        If `squared` is not a bool.
    ValueError
        If `multiclass_mode` is not one of the choices.

    Examples
    --------
    >>> from hingemetrics import HingeComparison
    >>> monday, tuesday = HingeComparison(), HingeComparison()
    >>> monday.update([-2.2, 0.5], [-1.5, 0.75], [0, 1])
    >>> tuesday.update([0.25, 2.0], [0.5, 1.0], [1, 1])
    >>> total = monday.state + tuesday.state
    >>> total.comparison().difference, total.count
    (0.125, 4)
    >>> total - tuesday.state == monday.state
    True
    """

    __slots__ = ()

    _tally: PairedTally
    _wire: ClassVar[ModuleType] = paired_wire

    def __new__(
        cls, squared: bool = False, multiclass_mode: str | MulticlassMode | None = None
    ) -> ComparisonState:
        """Return the empty state of a configuration."""
        return comparison_state_of(PairedTally(Config.checked(squared, multiclass_mode)))

    def comparison(self, confidence_level: float = 0.95) -> Comparison:
        """Return both losses and their difference with its confidence interval.

        Parameters
        ----------
        confidence_level : float, default 0.95
            Between 0 and 1.

        Returns
        -------
        Comparison
            See `compare`.

        Raises
        ------
        TypeError, ValueError
            If `confidence_level` is not such a float.
        """
        level = checked_confidence_level(confidence_level)
        return Comparison(*interval_of(self._tally, level), self.count)

    def as_fractions(self) -> Any:
        """Return the exact numbers that `comparison` rounds.

        Returns
        -------
        tuple of 4 fractions.Fraction, or, for one-vs-all, a tuple of those, length C
            The loss, the baseline's, their difference and the square of its standard error.

        Raises
        ------
        ValueError
            If one of them is not a rational number: if a loss is NaN or infinite, or there are
            fewer than two samples or no weight.

        Examples
        --------
        >>> from hingemetrics import HingeComparison
        >>> metric = HingeComparison()
        >>> metric.update([0.5, 0.5, 0.25], [0.5, 0.75, 0.75], [1, 1, 1])
        >>> metric.state.as_fractions()
        (Fraction(7, 12), Fraction(1, 3), Fraction(1, 4), Fraction(1, 48))
        """
        exact = fractions(self._tally)
        per_class = self._tally.config.is_per_class(self._tally.num_classes)
        return tuple(exact) if per_class else exact[0]

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> ComparisonState:
        """Return the state that `to_bytes` wrote.

        Parameters
        ----------
        data : bytes-like
            ``b"paired-hinge"``, the format's version (1), then flags, numbers, sums and a checksum
            in the encoding of `HingeState.from_bytes`: the number of classes, of samples, of
            targets 0 and of targets -1, the sum of the weights and that of their squares, and for
            the loss, or for each class's, of the first model and then of the baseline the number of
            NaN, the number of inf and the sum of the rest, the sum of squares of the differences,
            and the sum of their products with the weights behind a number that is 1 if it is
            negative. Squares and products are in units of 2**-2154. Then 0 without groups, else the
            number of their type (str, int, bool, float, date, datetime, datetime with a time zone)
            and that of groups; and for each, sorted, the length of its key, the key as JSON, the
            number of samples, the sum of the weights, and those of the differences behind a sign.

        Returns
        -------
        ComparisonState

        Raises
        ------
        TypeError
            If `data` is not bytes-like.
        ValueError
            If `data` is not what `to_bytes` writes: damaged, truncated, of another version, or a
            state that no data could produce.
        """
        return super().from_bytes(data)


def comparison_state_of(tally: PairedTally) -> ComparisonState:
    """Wrap a paired tally as the state that users see."""
    return ComparisonState._of(tally)


def exact_differences(state: ComparisonState) -> list[Fraction | None]:
    """The exact difference of each class, or the one; None where it is NaN or infinite.

    Before any data the number of classes is unknown, and there are none.
    """
    return differences(state._tally)


def compared(
    state: ComparisonState, batch: Batch, baseline: Batch | None, groups: Groups | None = None
) -> ComparisonState:
    """Return a state plus one batch."""
    return comparison_state_of(measure_pair(batch, baseline, state._tally, groups))


def interval_of(
    tally: PairedTally, confidence_level: float, num_classes: int = 0
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return value, baseline, difference, its standard error, and the ends of its interval.

    `num_classes` is the number of classes of the data, for the case that no sample was seen.
    """
    from statistics import NormalDist  # takes 8 ms to import

    if not tally.weights.first.finite:
        why = "all weights are zero" if tally.counts.samples else "no sample was seen"
        warn_caller(f"the mean hinge loss is NaN: {why}")
    num_classes = tally.num_classes or num_classes
    per_class = num_classes and tally.config.is_per_class(num_classes)
    found = estimates(tally)
    if not found:
        found = [Estimate(np.nan, np.nan, np.nan, np.nan)] * (num_classes if per_class else 1)
    value, baseline, difference, stderr = np.array(found).T
    with np.errstate(all="ignore"):  # inf - inf
        quantile = min(0.5 + confidence_level / 2, _BELOW_ONE)
        reach = NormalDist().inv_cdf(quantile) * stderr
        columns = value, baseline, difference, stderr, difference - reach, difference + reach
    return tuple(columns if per_class else map(np.ndarray.item, columns))
