"""Two predictions of the same samples added to a paired tally: their losses, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import numpy as np

from hingemetrics._core.clusters import NO_CLUSTERS, Cluster, Clusters
from hingemetrics._core.config import Config
from hingemetrics._core.exact import Accumulator
from hingemetrics._core.group_keys import Key, kind_of
from hingemetrics._core.grouped_tally import GroupedTally
from hingemetrics._core.moments import MOMENT_ROWS, NOTHING, MomentSums, moments_of_ones
from hingemetrics._core.paired import Counts, PairedTally
from hingemetrics._core.tally import NEGATIVES, SAMPLES, ZEROS, MixedCodingsError, Tally
from hingemetrics._core.typing import Floats
from hingemetrics._engine import backend, frame, machine_code
from hingemetrics._engine.grouped import measure_groups
from hingemetrics._engine.measure import loss_blocks, mixed_codings
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import Groups

_BLOCK_ELEMENTS = 1 << 15  # two blocks of losses take 256 KiB, half of a usual L2 cache
_BLOCK_ROWS = 1 << 6  # at least
_FLOAT64 = np.dtype(np.float64)
_NO_WEIGHT = np.empty(0)


def measure_pair(
    batch: Batch, baseline: Batch | None, onto: PairedTally, groups: Groups | None = None
) -> PairedTally:
    """Return a paired tally with a batch added; without a baseline its losses are zero."""
    if not batch.rows:
        return onto
    config = onto.config
    columns = config.losses_per_sample(batch.num_classes)
    sums, counted = MomentSums(columns + 1), Accumulator.empty(1)
    rows = max(_BLOCK_ELEMENTS // columns, _BLOCK_ROWS)
    of_baseline = _zeros(rows, columns) if baseline is None else _losses(baseline, config, rows)
    for (x, weight), y in zip(loss_blocks(batch, config, rows, counted), of_baseline, strict=False):
        _add(x, y[: len(x)], weight, config, sums)
    counts = counted.counters()
    *moments, weights = sums.moments(weighted=batch.weight is not None)
    if batch.weight is None:
        weights = moments_of_ones(counts[SAMPLES])
    added = PairedTally.of(
        config,
        batch.num_classes,
        Counts(counts[SAMPLES], counts[ZEROS], counts[NEGATIVES]),
        tuple(moments),
        weights,
        NO_CLUSTERS if groups is None else _clusters(batch, baseline, groups, config),
    )
    try:
        return onto + added
    except MixedCodingsError:
        before = onto.counts
        raise mixed_codings(batch, bool(before.zeros), bool(before.negatives)) from None


def _clusters(batch: Batch, baseline: Batch | None, groups: Groups, config: Config) -> Clusters:
    """Return the sums of each cluster, from those of each model's losses by group."""
    first = measure_groups(batch, groups, GroupedTally(Tally(config))).totals()
    second = first
    if baseline is not None:
        second = measure_groups(baseline, groups, GroupedTally(Tally(config))).totals()
    sums: dict[Key, Cluster] = {}
    for key, (counters, (*losses, weights)) in first.items():
        others = second[key].columns if baseline is not None else repeat(NOTHING)
        differences = (a.finite - b.finite for a, b in zip(losses, others, strict=False))
        sums[key] = Cluster(counters[0], weights.finite, tuple(differences))
    return Clusters(next(map(kind_of, sums), ""), sums)


def _losses(batch: Batch, config: Config, rows: int) -> Iterator[Floats]:
    return (loss for loss, _ in loss_blocks(batch, config, rows))


def _zeros(rows: int, columns: int) -> Iterator[Floats]:
    return repeat(np.zeros((rows, columns)))


def _add(x: Floats, y: Floats, weight: Floats | None, config: Config, sums: MomentSums) -> None:
    """Add a block of losses: the kernel what fits into pieces, and NumPy the rest."""
    plain = weight is None and not config.squared
    kernel = backend.kernel(machine_code.MOMENTS, _FLOAT64)
    given = _NO_WEIGHT if weight is None else weight
    start, rows = 0, MOMENT_ROWS if kernel is None else frame.MOMENT_BLOCK
    while True:
        if kernel is not None:
            start += kernel(x[start:], y[start:], given[start:], plain, sums.digits)
        if start >= len(x):
            return
        part = slice(start, start + rows)
        sums.add(x[part], y[part], None if weight is None else weight[part], plain)
        start += rows
