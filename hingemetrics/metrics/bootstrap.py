"""Resampling with exact states: leave one out, and bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.exact import Sums
from hingemetrics._core.resampling import RESAMPLED_ROWS, resampled, sample_counts, shard_counts
from hingemetrics._core.totals import Total
from hingemetrics._core.typing import Array, Floats
from hingemetrics._engine.measure import loss_blocks
from hingemetrics._inputs.arguments import checked_confidence_level, checked_int
from hingemetrics._inputs.batch import Batch
from hingemetrics.metrics._base import BatchMetric, locked
from hingemetrics.state import HingeState, tally_of, updated

_Value = TypeVar("_Value", bound="float | Floats")

_Seen = tuple[HingeState[Any], Sums | None]  # what was seen, and the sums of all resamples


class Interval(NamedTuple):
    """A loss with the ends of its confidence interval: floats, or arrays (C,); dimensionless."""

    value: float | Floats
    low: float | Floats
    high: float | Floats


def leave_one_out(states: Iterable[HingeState[_Value]]) -> list[HingeState[_Value]]:
    """Return, for each state, the sum of all others.

    For states of shards this shows how each of them changes the value; for states of folds, it is
    what cross-validation trains on. It takes one sum, and one exact subtraction per state.

    Parameters
    ----------
    states : iterable of HingeState
        Of disjoint shards, of one configuration.

    Returns
    -------
    list of HingeState

    Raises
    ------
    TypeError
        If an item is not a state.
    ValueError
        If configurations, numbers of classes or codings disagree.

    Examples
    --------
    >>> from hingemetrics import HingeLoss, leave_one_out
    >>> shards = []
    >>> for pred in (0.5, 0.75, -9.0):
    ...     metric = HingeLoss()
    ...     metric.update([pred], [1])
    ...     shards.append(metric.state)
    >>> [rest.value() for rest in leave_one_out(shards)]
    [5.125, 5.25, 0.375]
    """
    shards = _checked_states(states)
    if not shards:
        return []
    total = _merged(shards)
    return [total - shard for shard in shards]


def bootstrap_interval(
    states: Iterable[HingeState],
    *,
    n_resamples: int = 999,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean loss with a percentile bootstrap interval over shards.

    Each resample draws as many shards as there are, with replacement [1]_, and merges them exactly.
    The shards should be exchangeable, such as days, users or files, and there should be at least
    several dozen. The same states in the same order with the same seed give the same bits on any
    machine.

    Parameters
    ----------
    states : iterable of HingeState
        Of disjoint shards, of one configuration, at least two.
    n_resamples : int, default 999
        Number of resamples, at least 2 / (1 - `confidence_level`) - 1. Each takes one product of
        integers per shard and column.
    confidence_level : float, default 0.95
        Between 0 and 1.
    seed : int, default 0
        From 0 to 2**128 - 1.

    Returns
    -------
    Interval
        The mean loss of all shards, and the k-th smallest and largest of the mean losses of the n
        resamples with positive weight, k = floor((n + 1) * (1 - confidence_level) / 2). Both ends
        are NaN if a resample is NaN, or if k is 0 because too few resamples have weight.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is not as above, or the states cannot be merged.

    References
    ----------
    .. [1] Efron, B. and Tibshirani, R. J., "An Introduction to the Bootstrap", 1993.

    Examples
    --------
    >>> from hingemetrics import HingeLoss, bootstrap_interval
    >>> shards = []
    >>> for pred in range(40):
    ...     metric = HingeLoss()
    ...     metric.update([pred / 40], [1])
    ...     shards.append(metric.state)
    >>> bootstrap_interval(shards)
    Interval(value=0.5125, low=0.426875, high=0.6025)
    """
    shards = _checked_states(states)
    if len(shards) < 2:
        raise ValueError(f"states must be of at least 2 shards, got {len(shards)}")
    options = _Options.checked(n_resamples, confidence_level, seed)
    total = _merged(shards)
    table, resamples = _table(shards, total), []
    for counts in shard_counts(n_resamples, seed, len(shards)):
        weight, *numbers = counts @ table
        columns = [Total(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
        resamples.append((weight, columns))
    return options.interval(total, resamples)


class BootstrapHingeLoss(BatchMetric):
    """The hinge loss with a percentile bootstrap interval over samples.

    In each resample a sample counts k times, with k from a Poisson distribution of mean 1: the way
    to resample data that are seen only once [1]_, [2]_. The counts depend on the seed, the
    resample and the sample's position among all samples seen, and resamples are summed exactly:
    the interval has the same bits for any batching, backend, number of threads and machine.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are ignored.
    n_resamples : int, default 999
        Number of resamples, at least 2 / (1 - `confidence_level`) - 1. Each takes 112 bytes, or
        56 * (C + 1) for one-vs-all, ten times that once a loss or weight is above 2**28; some 16 kB
        more while an update runs; and tens of nanoseconds per sample, but an update with one row
        takes as long as one with 64.
    confidence_level : float, default 0.95
        Between 0 and 1.
    seed : int, default 0
        From 0 to 2**128 - 1.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is not as above.

    Notes
    -----
    The interval is for independent samples. For dependent ones, such as the frames of a video,
    make a state for each independent group and use `bootstrap_interval`. For one-vs-all, each
    class has its own interval.

    A sample's position decides how often it counts: unlike the value, the interval depends on the
    order of the samples, and with several threads on which update came first, although no update is
    lost. For the same reason it cannot be merged or synced over ranks; to store it, pickle it.

    References
    ----------
    .. [1] Hanley, J. A. and MacGibbon, B., "Creating non-parametric bootstrap samples using Poisson
       frequencies", Computer Methods and Programs in Biomedicine 83, 2006.
    .. [2] Chamandy, N. et al., "Estimating uncertainty for massive data streams", Google, 2012.

    Examples
    --------
    >>> from hingemetrics import BootstrapHingeLoss
    >>> metric = BootstrapHingeLoss(seed=1)
    >>> metric.update([k / 64 for k in range(64)], [1] * 64)
    >>> metric.compute()
    Interval(value=0.5078125, low=0.43723958333333335, high=0.5816885964912281)
    """

    def __init__(
        self,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        *,
        ignore_index: int | None = None,
        n_resamples: int = 999,
        confidence_level: float = 0.95,
        seed: int = 0,
    ) -> None:
        super().__init__(squared, multiclass_mode, ignore_index)
        self._options = _Options.checked(n_resamples, confidence_level, seed)
        self._seen: _Seen = (self._empty, None)

    @property
    def state(self) -> HingeState:
        """Everything seen so far, as an immutable value."""
        return self._seen[0]

    def compute(self) -> Interval:
        """Return the mean loss of everything seen, with its confidence interval.

        Returns
        -------
        Interval
            The mean loss, as `HingeLoss.compute`, and the k-th smallest and largest of the
            resamples' mean losses, as for `bootstrap_interval`.
        """
        state, sums = self._seen
        if sums is None:
            return self._options.interval(state, [])
        columns = sums.totals().columns
        width = len(columns) // self._options.n_resamples
        parts = [columns[at : at + width] for at in range(0, len(columns), width)]
        return self._options.interval(state, [(part[-1].finite, part[:-1]) for part in parts])

    def reset(self) -> None:
        """Forget everything seen."""
        with locked():
            self._seen = (self._empty, None)

    def _add_batch(self, batch: Batch) -> None:
        n_resamples, _, seed = self._options

        def added(seen: _Seen) -> _Seen:
            state, sums = seen
            at = state.count
            total = updated(state, batch)
            for loss, weight in loss_blocks(batch, tally_of(state).config, RESAMPLED_ROWS):
                if not len(loss):  # every row of the block is ignored
                    continue
                counts = sample_counts(n_resamples, seed, at, len(loss))
                new = resampled(loss, weight, counts)
                sums = new if sums is None else sums + new
                at += len(loss)
            return total, sums

        self._change(added)

    def _configuration(self) -> dict[str, Any]:
        return {**super()._configuration(), **self._options._asdict()}


class _Options(NamedTuple):
    """Number of resamples, confidence level and seed."""

    n_resamples: int
    confidence_level: float
    seed: int

    @classmethod
    def checked(cls, n_resamples: Any, confidence_level: Any, seed: Any) -> _Options:
        """Return valid options, or raise."""
        n_resamples = checked_int(n_resamples, "n_resamples", least=1, bits=32)
        confidence_level = checked_confidence_level(confidence_level)
        least = math.ceil(2.0 / (1.0 - confidence_level) - 1.0 - 1e-9)
        if n_resamples < least:
            raise ValueError(
                f"n_resamples must be at least {least} for confidence_level {confidence_level}, "
                f"got {n_resamples}"
            )
        seed = checked_int(seed, "seed", least=0, bits=128)
        return cls(n_resamples, confidence_level, seed)

    def interval(self, state: HingeState, resamples: list[tuple[int, Any]]) -> Interval:
        """Return a state's value and the quantiles of its resamples, each a weight and columns."""
        value = state.value()
        means = [
            [column.over(weight) for column in columns] for weight, columns in resamples if weight
        ]
        rank = (len(means) + 1) * (1.0 - self.confidence_level) / 2.0
        rank = math.floor(rank + 1e-9)  # 1 - 0.95 is slightly above 0.05, 1 - 0.9 below 0.1
        if rank < 1:
            return Interval(value, value * math.nan, value * math.nan)
        ordered = np.sort(np.array(means), axis=0)  # NaN last
        low, high = (
            np.where(np.isnan(ordered[-1]), np.nan, ends)
            for ends in (ordered[rank - 1], ordered[-rank])
        )
        if isinstance(value, np.ndarray):
            return Interval(value, low, high)
        return Interval(value, float(low[0]), float(high[0]))


def _checked_states(states: Iterable[HingeState[_Value]]) -> list[HingeState[_Value]]:
    """Return a list of states, or raise for anything else."""
    if not isinstance(states, Iterable):
        raise TypeError(f"states must be an iterable of HingeState, got {states!r}")
    listed = list(states)
    for index, state in enumerate(listed):
        if not isinstance(state, HingeState):
            raise TypeError(f"states must be of HingeState, got {state!r} at index {index}")
    return listed


def _merged(shards: list[HingeState[_Value]]) -> HingeState[_Value]:
    """Return the sum of all shards, of which there is at least one; errors name the index."""
    index, total = 0, shards[0]
    try:
        for index, shard in enumerate(shards[1:], start=1):  # noqa: B007
            total += shard
    except ValueError as error:
        raise ValueError(f"states must be of one kind: at index {index}, {error}") from None
    return total


def _table(shards: list[HingeState], total: HingeState) -> Array:
    """Return a row of integers for each state: its weight, then the totals of the losses."""
    width = len(tally_of(total).totals().columns) - 1
    table = np.zeros((len(shards), 1 + 3 * width), object)
    for row, shard in zip(table, shards, strict=True):
        *losses, weights = tally_of(shard).totals().columns
        row[0] = weights.finite
        if losses:
            row[1:] = [number for losses_of_class in losses for number in losses_of_class]
    return table
