"""A batch added to a tally by group: its losses, block by block, scattered to their groups."""

from __future__ import annotations

from hingemetrics._core.config import BINARY
from hingemetrics._core.exact import Accumulator
from hingemetrics._core.group_sums import PLAIN_SCATTER_LEVELS, SCATTER_MAGIC, GroupAccumulator
from hingemetrics._core.grouped_tally import GroupedTally
from hingemetrics._core.tally import NEGATIVES, ZEROS, MixedCodingsError
from hingemetrics._engine.measure import loss_blocks, mixed_codings
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import Groups

_BLOCK_ELEMENTS = 1 << 15  # losses, groups and what they are made of stay in the L2 cache
_BLOCK_ROWS = 1 << 8  # at least


def measure_groups(batch: Batch, groups: Groups, onto: GroupedTally) -> GroupedTally:
    """Return a tally by group with a batch added."""
    if not batch.rows:
        return onto
    config = onto.config
    losses = config.losses_per_sample(batch.num_classes)
    plain = not config.squared and batch.weight is None
    levels = PLAIN_SCATTER_LEVELS if plain else len(SCATTER_MAGIC)
    columns = losses + (batch.weight is not None)
    sums, counted = GroupAccumulator(groups.slots, columns, levels), Accumulator.empty(1)
    rows = max(_BLOCK_ELEMENTS // losses, _BLOCK_ROWS)
    for number, (loss, weight) in enumerate(loss_blocks(batch, config, rows, counted)):
        start, stop = number * rows, (number + 1) * rows
        labels, kept = batch.labels(start, stop)
        slots = groups.block(start, stop)
        if kept is not None:
            labels, slots = labels[kept], slots[kept]
        marked = labels < 1 if batch.num_classes == BINARY else None
        values = [*loss.T] if weight is None else [*loss.T, weight]
        sums.add(values, slots, marked)
    found, by_group = sums.sums()
    negative = -1 if counted.digits[NEGATIVES] else 0
    added = GroupedTally.of(config, batch.num_classes, groups.keys(found), by_group, negative)
    try:
        return onto + added
    except MixedCodingsError:
        total = onto.total
        before = bool(total.counted(ZEROS)), bool(total.counted(NEGATIVES))
        raise mixed_codings(batch, *before) from None
