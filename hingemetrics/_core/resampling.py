"""Bootstrap resamples: how often each sample or shard is drawn, and exact sums over the draws."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np

from hingemetrics._core.exact import COUNTERS, Accumulator, Sums
from hingemetrics._core.grid import NARROW_ROWS, WIDE_ROWS
from hingemetrics._core.tally import SAMPLES
from hingemetrics._core.typing import Array, Floats, Ints

# Rows resampled at once: digits below 2**34 times counts below 2**5 sum to less than 2**53.
RESAMPLED_ROWS = 512
_STREAM_SAMPLES = 64  # samples whose counts are drawn together
_SAMPLE_STREAM, _SHARD_STREAM = 0, 1  # independent streams of random numbers
_TERMS = range(30)  # of the series of e: more than its first 32 bits need

# Poisson(1) by inversion: a count is the number of thresholds that a 32-bit random number reaches.
_PARTS_OF_E = [math.factorial(_TERMS[-1]) // math.factorial(k) for k in _TERMS]
_POISSON_THRESHOLDS = np.array(
    [(sum(_PARTS_OF_E[: k + 1]) << 32) // sum(_PARTS_OF_E) for k in range(13)], np.uint32
)


def _random(seed: int, stream: int, part: int, number: int) -> Array:
    """Return 64-bit random numbers, a function of the arguments alone."""
    return np.random.Philox(key=seed, counter=[0, part, stream, 0]).random_raw(number)


def shard_counts(n_resamples: int, seed: int, shards: int) -> Iterator[Array]:
    """Yield, for each resample, how often each shard is drawn: (shards,), Python ints."""
    for resample in range(n_resamples):
        drawn = _random(seed, _SHARD_STREAM, resample, shards) >> np.uint64(32)
        drawn = drawn * np.uint64(shards) >> np.uint64(32)
        yield np.bincount(drawn.astype(np.intp), minlength=shards).astype(object)


def sample_counts(n_resamples: int, seed: int, first: int, samples: int) -> Floats:
    """Return how often each sample counts in each resample, (n_resamples, samples)."""
    parts = range(first // _STREAM_SAMPLES, (first + samples - 1) // _STREAM_SAMPLES + 1)
    size = n_resamples * _STREAM_SAMPLES // 2
    raw = [
        _random(seed, _SAMPLE_STREAM, part, size)
        .astype("<u8")
        .view("<u4")
        .reshape(-1, _STREAM_SAMPLES)
        for part in parts
    ]
    numbers = np.concatenate(raw, axis=1)[:, first % _STREAM_SAMPLES :][:, :samples]
    counts: Floats = _counts_by_high_half()[numbers >> 16]
    unsure = counts < 0
    counts[unsure] = np.searchsorted(_POISSON_THRESHOLDS, numbers[unsure], side="right")
    return counts


@functools.cache
def _counts_by_high_half() -> Floats:
    """Return the counts by the high half of a random number, -1 where the low half decides.

    One lookup in 8192 needs the low half; searching for every count would be four times as slow.
    """
    lowest = np.arange(1 << 16, dtype=np.int64) << 16
    counts = np.searchsorted(_POISSON_THRESHOLDS, lowest, side="right").astype(np.float64)
    counts[_POISSON_THRESHOLDS >> 16] = -1.0
    return counts


def resampled(loss: Floats, weight: Floats | None, counts: Floats) -> Sums:
    """Return the sums of (n, k) losses and their weights in each resample, one after another.

    Each loss and each weight becomes its own column of digits, and one matrix product with the
    counts adds them up: all integers below 2**53, so exact in any order.
    """
    weights = np.ones(len(loss)) if weight is None else weight
    values = np.column_stack((loss, weights))
    each = Accumulator.empty(values.size)
    each.add(values.reshape(1, -1))
    narrow = _product(counts, each.digits[COUNTERS:].reshape(NARROW_ROWS, *values.shape))
    digits = np.concatenate((np.zeros(COUNTERS, np.int64), narrow))
    digits[SAMPLES] = counts.sum(axis=1).max()  # an upper bound on the doubles per column
    if not len(each.wide):
        return Sums(digits, each.wide, None)
    wide = each.wide.reshape(WIDE_ROWS, *values.shape)
    unusual = wide.any(axis=(0, 2))  # the few samples on the wide grid
    return Sums(digits, _product(counts[:, unusual], wide[:, unusual]), None)


def _product(counts: Floats, digits: Ints) -> Ints:
    """Sum the digits of samples, (d, n, k), to those of resamples, (d * r * k,)."""
    r, (d, n, k) = len(counts), digits.shape
    used = np.flatnonzero(digits.any(axis=(1, 2)))
    table = digits[used].transpose(1, 0, 2).reshape(n, len(used) * k).astype(np.float64)
    summed = np.zeros((d, r, k), np.int64)
    summed[used] = (counts @ table).reshape(r, len(used), k).transpose(1, 0, 2)
    return summed.reshape(-1)
