"""A batch added to a tally by group: its losses, block by block, scattered to their groups."""

from __future__ import annotations

import numpy as np

from hingemetrics._core.config import BINARY, Config
from hingemetrics._core.exact import Accumulator
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._core.grouped_tally import GroupedTally
from hingemetrics._core.tally import NEGATIVES, ZEROS, MixedCodingsError
from hingemetrics._core.typing import Floats, Ints
from hingemetrics._engine import backend, frame, machine_code
from hingemetrics._engine.measure import loss_blocks, mixed_codings
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import Groups

_BLOCK_ELEMENTS = 1 << 15  # losses, groups and what they are made of stay in the L2 cache
_BLOCK_ROWS = 1 << 8  # at least
_FLOAT64 = np.dtype(np.float64)
_NO_WEIGHT = np.empty(0)


class _NoSlotError(Exception):
    """A code has no slot."""


def measure_groups(batch: Batch, groups: Groups, onto: GroupedTally) -> GroupedTally:
    """Return a tally by group with a batch added."""
    if not batch.rows:
        return onto
    try:
        try:
            added = _measured(batch, groups, onto.config)
        except _NoSlotError:
            added = _measured(batch, groups.without_guess(), onto.config)
    except _NoSlotError:
        raise RuntimeError("groups changed while they were read") from None
    try:
        return onto + added
    except MixedCodingsError:
        total = onto.total
        before = bool(total.counted(ZEROS)), bool(total.counted(NEGATIVES))
        raise mixed_codings(batch, *before) from None


def _measured(batch: Batch, groups: Groups, config: Config) -> GroupedTally:
    """Return the tally by group of a batch."""
    weighted = batch.weight is not None
    losses = config.losses_per_sample(batch.num_classes)
    plain = not (config.squared or weighted)
    sums = GroupAccumulator(groups.slots, losses, weighted, plain)
    counted = Accumulator.empty(1)
    rows = max(_BLOCK_ELEMENTS // losses, _BLOCK_ROWS)
    for number, (loss, weight) in enumerate(loss_blocks(batch, config, rows, counted)):
        start, stop = number * rows, (number + 1) * rows
        labels, kept = batch.labels(start, stop)
        codes = groups.codes(start, stop)
        if kept is not None:
            labels, codes = labels[kept], codes[kept]
        _add(loss, weight, labels, codes, groups.lowest, batch.num_classes == BINARY, plain, sums)
    found, by_group = sums.sums()
    negative = -1 if counted.digits[NEGATIVES] else 0
    return GroupedTally.of(config, batch.num_classes, groups.keys(found), by_group, negative)


def _add(
    loss: Floats,
    weight: Floats | None,
    labels: Ints,
    codes: Ints,
    lowest: int,
    binary: bool,
    plain: bool,
    sums: GroupAccumulator,
) -> None:
    """Add a block of losses: the kernel what fits into levels, and NumPy the rest."""
    sums.make_room(len(loss))
    kernel = backend.kernel(machine_code.GROUPS, _FLOAT64)
    given = _NO_WEIGHT if weight is None else weight
    start, rows = 0, len(loss) if kernel is None else frame.GROUP_BLOCK
    while True:
        if kernel is not None:
            part = slice(start, None)
            rest = lowest, binary, plain, sums.table
            done = kernel(loss[part], given[part], labels[part], codes[part], *rest)
            if done < 0:
                raise _NoSlotError
            start += done
        if start >= len(loss):
            return
        part = slice(start, start + rows)
        slots = codes[part] - lowest
        if slots.min() < 0 or slots.max() >= len(sums.table):
            raise _NoSlotError
        marked = labels[part] < 1 if binary else None
        sums.add(loss[part], None if weight is None else weight[part], slots, marked)
        start += rows
