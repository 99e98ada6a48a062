"""What if the data had been others: leave one out, and bootstrap intervals, from exact states."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.exact import COUNTERS, FAR_ROWS, NEAR_ROWS, Accumulator, Column, Sums
from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._engine import measure as engine
from hingemetrics._inputs.batch import Batch, checked_int
from hingemetrics.metrics import hinge as metric
from hingemetrics.state import SAMPLES, HingeState

_Value = TypeVar("_Value", bound="float | Floats")

_ROWS = 512  # resampled at a time: digits below 2**34 times counts below 2**5 sum up below 2**53
_SHARED = 64  # samples whose counts come from one stream of random numbers
_OF_SAMPLES, _OF_SHARDS = 0, 1  # streams of random numbers
_TERMS = range(30)  # of e: more than its first 32 bits need

# Poisson(1) by inversion: a count is the number of these that a 32-bit random number reaches.
_PARTS_OF_E = [math.factorial(_TERMS[-1]) // math.factorial(k) for k in _TERMS]
_REACHED = np.array(
    [(sum(_PARTS_OF_E[: k + 1]) << 32) // sum(_PARTS_OF_E) for k in range(13)], np.uint32
)


class Interval(NamedTuple):
    """A loss with the ends of its confidence interval: floats, or arrays (C,); dimensionless."""

    value: float | Floats
    low: float | Floats
    high: float | Floats


def leave_one_out(states: Iterable[HingeState[_Value]]) -> list[HingeState[_Value]]:
    """Return, for each state, the sum of all others.

    Of states of shards this tells what each of them does to the value; of states of folds, what
    cross-validation leaves to train on. It takes one sum and as many exact subtractions.

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
        If an item is no state.
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
    total = _sum(shards)
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
    The shards should be exchangeable, such as days, users or files, and not fewer than some dozens.
    The same states in the same order, and the same seed, give the same bits on any machine.

    Parameters
    ----------
    states : iterable of HingeState
        Of disjoint shards, of one configuration, at least two.
    n_resamples : int, default 999
        Number of resamples, at least 2 / (1 - `confidence_level`) - 1. Each takes a product of
        integers a shard and column.
    confidence_level : float, default 0.95
        Between 0 and 1.
    seed : int, default 0
        From 0 to 2**128 - 1.

    Returns
    -------
    Interval
        The mean loss of all shards, and the k-th smallest and largest of the mean losses of those
        n resamples that have weight, k = floor((n + 1) * (1 - confidence_level) / 2). An end is
        NaN where a resample is, or where k is 0, for too few have weight.

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
    total = _sum(shards)
    table, resamples = _table(shards, total), []
    for counts in _shard_counts(options, len(shards)):
        weight, *numbers = counts @ table
        columns = [Column(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
        resamples.append((weight, columns))
    return options.interval(total, resamples)


class BootstrapHingeLoss(metric.Configured):
    """The hinge loss with a percentile bootstrap interval over samples.

    In each resample a sample counts k times, with k from a Poisson distribution of mean 1, which
    is how to resample data that are seen once [1]_, [2]_. The counts depend on the seed, the
    resample and the sample's position among all that were seen, and resamples are summed exactly:
    the interval has the same bits for any batching, backend, number of threads and machine.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are left out of everything.
    n_resamples : int, default 999
        Number of resamples, at least 2 / (1 - `confidence_level`) - 1. Each takes 112 bytes, or
        56 * (C + 1) for one-vs-all, ten times that once a loss or weight is above 2**28; while an
        update runs, some 16 kB; and tens of nanoseconds a sample, but an update of one row takes as
        long as one of 64.
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
    make a state for each independent group and use `bootstrap_interval`. For one-vs-all there is
    an interval for each class, by itself.

    The positions of samples decide how often they count: other than the value, the interval depends
    on their order, and with several threads on who came first, although no update is lost. For the
    same reason it merges with no other and knows no ranks; to store it, pickle it.

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
        self._seen: tuple[HingeState, Sums | None] = (self._empty, None)

    @property
    def state(self) -> HingeState:
        """What was seen so far, as an immutable value."""
        return self._seen[0]

    def update(self, preds: object, target: object, sample_weight: object = None) -> None:
        """Add a batch.

        Parameters
        ----------
        preds : array_like, shape (N,) or (N, C)
            Decision values, as for `hinge_loss`.
        target : array_like, shape (N,)
            Labels, as for `hinge_loss`.
        sample_weight : array_like, shape (N,), optional
            Finite weights >= 0.

        Raises
        ------
        TypeError, ValueError
            As `HingeLoss.update`.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        while True:
            seen = self._seen
            state, sums = seen
            grown = engine.measure(batch, state)
            at = state.count
            for loss, weight in engine.loss_blocks(batch, self._empty, _ROWS):
                if not len(loss):  # all rows of the block are ignored
                    continue
                counts = _sample_counts(self._options, at, len(loss))
                new = _resampled(loss, weight, counts)
                sums = new if sums is None else sums + new
                at += len(loss)
            with metric._lock:
                if self._seen is seen:  # else another thread was faster
                    self._seen = grown, sums
                    return

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
        return self._options.interval(state, [(part[-1].total, part[:-1]) for part in parts])

    def reset(self) -> None:
        """Forget everything seen."""
        with metric._lock:
            self._seen = (self._empty, None)

    def _configuration(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {**super()._configuration(), **self._options._asdict()}


class _Options(NamedTuple):
    """How to resample."""

    n_resamples: int
    confidence_level: float
    seed: int

    @classmethod
    def checked(cls, n_resamples: Any, confidence_level: Any, seed: Any) -> _Options:
        """Return options that are possible."""
        n_resamples = checked_int(n_resamples, "n_resamples", least=1, bits=32)
        if not isinstance(confidence_level, (float, np.floating)):
            raise TypeError(
                f"confidence_level must be a float between 0 and 1, got {confidence_level!r}"
            )
        if not 0.0 < confidence_level < 1.0:
            raise ValueError(f"confidence_level must be between 0 and 1, got {confidence_level}")
        least = math.ceil(2.0 / (1.0 - confidence_level) - 1.0 - 1e-9)
        if n_resamples < least:
            raise ValueError(
                f"n_resamples must be at least {least} for confidence_level {confidence_level}, "
                f"got {n_resamples}"
            )
        seed = checked_int(seed, "seed", least=0, bits=128)
        return cls(n_resamples, float(confidence_level), seed)

    def interval(self, state: HingeState, resamples: list[tuple[int, Any]]) -> Interval:
        """Return the value of a state between quantiles of its resamples: weights and columns."""
        value = state.value()
        means = [
            [column.over(weight) for column in columns] for weight, columns in resamples if weight
        ]
        rank = (len(means) + 1) * (1.0 - self.confidence_level) / 2.0
        rank = math.floor(rank + 1e-9)  # 1 - 0.95 is a little above 0.05, 1 - 0.9 below 0.1
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
    """Return states as a list."""
    if not isinstance(states, Iterable):
        raise TypeError(f"states must be an iterable of HingeState, got {states!r}")
    listed = list(states)
    for index, state in enumerate(listed):
        if not isinstance(state, HingeState):
            raise TypeError(f"states must be of HingeState, got {state!r} at index {index}")
    return listed


def _sum(shards: list[HingeState[_Value]]) -> HingeState[_Value]:
    """Return all shards merged; there is at least one."""
    index, total = 0, shards[0]
    try:
        for index, shard in enumerate(shards[1:], start=1):  # noqa: B007
            total += shard
    except ValueError as error:
        raise ValueError(f"states must be of one kind: at index {index}, {error}") from None
    return total


def _random(options: _Options, stream: int, part: int, number: int) -> Array:
    """Return random 64-bit numbers, always the same for the same place in the same stream."""
    return np.random.Philox(key=options.seed, counter=[0, part, stream, 0]).random_raw(number)


def _shard_counts(options: _Options, shards: int) -> Iterator[Array]:
    """Yield, for each resample, how often each shard is drawn, (shards,) of Python ints."""
    for resample in range(options.n_resamples):
        drawn = _random(options, _OF_SHARDS, resample, shards) >> np.uint64(32)
        drawn = drawn * np.uint64(shards) >> np.uint64(32)
        yield np.bincount(drawn.astype(np.intp), minlength=shards).astype(object)


def _table(shards: list[HingeState], total: HingeState) -> Array:
    """Return the integers of each state: its weight, then those of each column of losses."""
    records = [shard._record() for shard in shards]
    width = len(total._record().losses)
    table = np.zeros((len(shards), 1 + 3 * width), object)
    for row, record in zip(table, records, strict=True):
        row[0] = record.weight
        if record.samples:
            row[1:] = [number for column in record.losses for number in column]
    return table


def _sample_counts(options: _Options, first: int, samples: int) -> Floats:
    """Return how often samples count in each resample, (n_resamples, samples)."""
    parts = range(first // _SHARED, (first + samples - 1) // _SHARED + 1)
    size = options.n_resamples * _SHARED // 2
    raw = [
        _random(options, _OF_SAMPLES, part, size).astype("<u8").view("<u4").reshape(-1, _SHARED)
        for part in parts
    ]
    numbers = np.concatenate(raw, axis=1)[:, first % _SHARED :][:, :samples]
    counts: Floats = _by_high_half()[numbers >> 16]
    unsure = counts < 0
    counts[unsure] = np.searchsorted(_REACHED, numbers[unsure], side="right")
    return counts


@functools.cache
def _by_high_half() -> Floats:
    """Return the count that a number's high half tells, or -1 where its low half is needed too.

    One lookup in 8192 needs it; without this table all would be searched, four times as slow.
    """
    lowest = np.arange(1 << 16, dtype=np.int64) << 16
    counts = np.searchsorted(_REACHED, lowest, side="right").astype(np.float64)
    counts[_REACHED >> 16] = -1.0
    return counts


def _resampled(loss: Floats, weight: Floats | None, counts: Floats) -> Sums:
    """Return the sums of (n, k) losses and their weights in each resample, one after another.

    Each loss and weight becomes a column of digits of its own, and one product of matrices adds up
    as many of them as each resample counts: integers below 2**53, so exact in any order.
    """
    weights = np.ones(len(loss)) if weight is None else weight
    values = np.column_stack((loss, weights))
    each = Accumulator.empty(values.size)
    each.add(values.reshape(1, -1))
    near = _product(counts, each.hot[COUNTERS:].reshape(NEAR_ROWS, *values.shape))
    hot = np.concatenate((np.zeros(COUNTERS, np.int64), near))
    hot[SAMPLES] = counts.sum(axis=1).max()  # so many were added, at most
    if not len(each.new_far):
        return Sums(hot, each.new_far, None)
    far = each.new_far.reshape(FAR_ROWS, *values.shape)
    wide = far.any(axis=(0, 2))  # samples, of which there are few
    return Sums(hot, _product(counts[:, wide], far[:, wide]), None)


def _product(counts: Floats, digits: Ints) -> Ints:
    """Return the digits (d, n, k) of samples summed to those of resamples, (d * r * k,)."""
    r, (d, n, k) = len(counts), digits.shape
    used = np.flatnonzero(digits.any(axis=(1, 2)))
    table = digits[used].transpose(1, 0, 2).reshape(n, len(used) * k).astype(np.float64)
    summed = np.zeros((d, r, k), np.int64)
    summed[used] = (counts @ table).reshape(r, len(used), k).transpose(1, 0, 2)
    return summed.reshape(-1)
