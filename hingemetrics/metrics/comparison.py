"""Comparing two models on the same samples, and the interval of one model's loss."""

from __future__ import annotations

from typing import Any

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.paired import PairedTally
from hingemetrics._engine.pairs import measure_pair
from hingemetrics._inputs.arguments import checked_confidence_level, checked_ignore_index
from hingemetrics._inputs.batch import Batch, check_same_shape
from hingemetrics._inputs.groups import Groups, checked_groups
from hingemetrics.comparison import Comparison, ComparisonState, compared, interval_of
from hingemetrics.metrics._base import Metric, locked
from hingemetrics.metrics.bootstrap import Interval


def compare(
    preds: object,
    baseline_preds: object,
    target: object,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: object = None,
    ignore_index: int | None = None,
    groups: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    r"""Compare the mean hinge losses of two models on the same samples.

    With the losses :math:`a_i` and :math:`b_i` of the two, each in float64 as by `hinge_loss` and
    times the sample's weight :math:`w_i`, the difference is
    :math:`D = \sum (a_i - b_i) / \sum w_i`, and its paired standard error is

    .. math:: \sqrt{\frac{n}{n - 1} \sum (a_i - b_i - w_i D)^2} \,\Big/ \sum w_i

    or with :math:`G` groups, from the differences :math:`E_g = \sum (a_i - b_i)` and weights
    :math:`W_g` of each, :math:`\sqrt{\frac{G}{G - 1} \sum_g (E_g - W_g D)^2} \,\Big/ \sum w_i`.
    All sums are exact, of exact differences, squares and products, and each result is rounded once:
    it has the same bits for any order, batching, thread count and machine. Without weights this is
    the paired standard error of the textbooks. The interval is that of the normal distribution:
    difference ± z * stderr, where the last bit of z is that of the machine's logarithm.

    Parameters
    ----------
    preds, baseline_preds : array_like, shape (N,) or (N, C)
        Decision values of the model and of the one that it is compared with, of the same shape;
        otherwise as for `hinge_loss`.
    target : array_like, shape (N,)
        Labels, as for `hinge_loss`.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0.
    ignore_index : int, optional
        Rows with this target are ignored.
    groups : array_like, shape (N,), optional
        Clusters of samples that depend on each other, such as a user's: strings, integers, bools,
        floats or dates, as for `hinge_loss_by`. The standard error is then that of clusters.
    confidence_level : float, default 0.95
        Between 0 and 1.

    Returns
    -------
    Comparison
        A named tuple of `value`, `baseline`, `difference` (value - baseline: below 0, the model is
        better), `stderr`, `low`, `high` and `count`: dimensionless floats, for one-vs-all arrays
        (C,); `count` is the number of samples. With fewer than two samples, or losses that are not
        finite, the standard error and the interval are NaN. Without samples or weights all are,
        with a UserWarning.

    Raises
    ------
    TypeError, ValueError
        As `hinge_loss`; also if the shapes of `preds` and `baseline_preds` differ.

    Examples
    --------
    >>> from hingemetrics import compare
    >>> found = compare([-2.2, 0.5, 0.25, 2.0], [-1.5, 0.75, 0.5, 1.0], [0, 1, 1, 1])
    >>> found.value, found.baseline, found.difference, found.count
    (0.3125, 0.1875, 0.125, 4)
    >>> round(found.stderr, 4), round(found.low, 4), round(found.high, 4)
    (0.0722, -0.0164, 0.2664)
    """
    config = Config.checked(squared, multiclass_mode)
    level = checked_confidence_level(confidence_level)
    ignored = checked_ignore_index(ignore_index)
    batch, baseline = _batches(preds, baseline_preds, target, sample_weight, ignored)
    tally = measure_pair(batch, baseline, PairedTally(config), _groups(groups, batch.rows))
    return Comparison(*interval_of(tally, level, batch.num_classes), tally.counts.samples)


def loss_interval(
    preds: object,
    target: object,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: object = None,
    ignore_index: int | None = None,
    groups: object = None,
    confidence_level: float = 0.95,
) -> Interval:
    """Return the mean hinge loss of one model with its interval by the standard error.

    It is that of `compare` with a baseline without any loss: exact, and independent of order. Two
    models on the same samples are better compared by `compare`: it is their difference that
    matters, and the losses of both go up and down together.

    Parameters
    ----------
    preds : array_like, shape (N,) or (N, C)
        Decision values, as for `hinge_loss`.
    target : array_like, shape (N,)
        Labels, as for `hinge_loss`.
    squared, multiclass_mode, sample_weight, ignore_index, groups, confidence_level
        As for `compare`.

    Returns
    -------
    Interval
        The mean loss, as `hinge_loss`, and the ends of its interval: NaN with fewer than two
        samples, or losses that are not finite.

    Raises
    ------
    TypeError, ValueError
        As `hinge_loss`.

    Examples
    --------
    >>> from hingemetrics import loss_interval
    >>> found = loss_interval([-2.2, 0.5, 0.25, 2.0], [0, 1, 1, 1])
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.3125, -0.055, 0.68)
    """
    config = Config.checked(squared, multiclass_mode)
    level = checked_confidence_level(confidence_level)
    batch = Batch(preds, target, sample_weight, checked_ignore_index(ignore_index))
    tally = measure_pair(batch, None, PairedTally(config), _groups(groups, batch.rows))
    value, *_, low, high = interval_of(tally, level, batch.num_classes)
    return Interval(value, low, high)


class HingeComparison(Metric):
    """The exact comparison of two models on all the batches that it was updated with.

    The results are those of `compare` on all rows at once, to the bit, for any order and batching.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are ignored.
    confidence_level : float, default 0.95
        Of the interval that `compute` returns.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a choice is not as above.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. A method that raises leaves
    what was seen unchanged.

    Examples
    --------
    >>> from hingemetrics import HingeComparison
    >>> metric = HingeComparison()
    >>> metric.update([-2.2, 0.5], [-1.5, 0.75], [0, 1])
    >>> metric.update([0.25, 2.0], [0.5, 1.0], [1, 1])
    >>> metric.compute().difference
    0.125
    """

    def __init__(
        self,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        *,
        ignore_index: int | None = None,
        confidence_level: float = 0.95,
    ) -> None:
        super().__init__(squared, multiclass_mode, ignore_index)
        self._confidence_level = checked_confidence_level(confidence_level)
        self._seen: ComparisonState = self._nothing()

    @property
    def confidence_level(self) -> float:
        """Confidence level of the interval."""
        return self._confidence_level

    @property
    def state(self) -> ComparisonState:
        """Everything seen so far, as an immutable value."""
        return self._seen

    def update(
        self,
        preds: object,
        baseline_preds: object,
        target: object,
        sample_weight: object = None,
        groups: object = None,
    ) -> None:
        """Add a batch of both models' predictions for the same samples.

        Parameters
        ----------
        preds, baseline_preds : array_like, shape (N,) or (N, C)
            Decision values, as for `compare`.
        target : array_like, shape (N,)
            Labels, as for `hinge_loss`.
        sample_weight : array_like, shape (N,), optional
            Finite weights >= 0.
        groups : array_like, shape (N,), optional
            Clusters, as for `compare`; one may go on in other batches.

        Raises
        ------
        TypeError, ValueError
            As `compare`; also if the number of classes, the form (binary or multi-class), the
            binary coding (0 or -1) or the type of the groups differs from that of earlier batches,
            or only some have groups.
        """
        pair = _batches(preds, baseline_preds, target, sample_weight, self._ignore_index)
        clusters = _groups(groups, pair[0].rows)
        seen = self._seen
        if not self._swap(seen, compared(seen, *pair, clusters)):  # another thread was faster
            self._add(compared(self._nothing(), *pair, clusters))

    def compute(self) -> Comparison:
        """Return the comparison over everything seen.

        Returns
        -------
        Comparison
            As `compare`: NaN with a UserWarning before any update.
        """
        return self._seen.comparison(self._confidence_level)

    def reset(self) -> None:
        """Forget everything seen."""
        with locked():
            self._seen = self._nothing()

    def merge_state(self, other: HingeComparison | ComparisonState) -> None:
        """Add what another comparison has seen, or a state.

        Parameters
        ----------
        other : HingeComparison or ComparisonState
            Of the same configuration.

        Raises
        ------
        TypeError
            If `other` is neither.
        ValueError
            If the configurations, numbers of classes or codings disagree.
        """
        if isinstance(other, HingeComparison):
            self._check_ignore_index(other)
            other = other.state
        if not isinstance(other, ComparisonState):
            raise TypeError(
                f"other must be a HingeComparison or a ComparisonState, got {type(other).__name__}"
            )
        self._add(other)

    def _add(self, state: ComparisonState) -> None:
        """Add a state, all of it or, on any error, none of it."""
        self._change(lambda seen: seen + state)

    def _nothing(self) -> ComparisonState:
        return ComparisonState(self.squared, self.multiclass_mode)

    def _configuration(self) -> dict[str, Any]:
        return {**super()._configuration(), "confidence_level": self._confidence_level}


def _groups(groups: object, rows: int) -> Groups | None:
    return None if groups is None else checked_groups(groups, rows)


def _batches(
    preds: object,
    baseline_preds: object,
    target: object,
    sample_weight: object,
    ignore_index: int | None,
) -> tuple[Batch, Batch]:
    """Return both models' predictions with the same targets and weights, or raise."""
    batch = Batch(preds, target, sample_weight, ignore_index)
    baseline = Batch(baseline_preds, batch.target, batch.weight, ignore_index, "baseline_preds")
    check_same_shape(batch, baseline)
    return batch, baseline
