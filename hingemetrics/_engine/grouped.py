"""A batch added to a tally by group: its losses, block by block, scattered to their groups."""

from __future__ import annotations

import numpy as np

from hingemetrics._core.config import BINARY, Config
from hingemetrics._core.exact import Accumulator
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._core.grouped_tally import GroupedTally
from hingemetrics._core.tally import NEGATIVES, ZEROS, MixedCodingsError
from hingemetrics._engine import backend, frame, machine_code, tiers
from hingemetrics._engine.measure import mixed_codings
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import Groups

_BLOCK_ELEMENTS = 1 << 15  # losses, groups and what they are made of stay in the L2 cache
_BLOCK_ROWS = 1 << 8  # at least
_IN_PLACE_ROWS = 1 << 18  # that are read once: Ctrl-C is heard after a millisecond
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
    check_float_unit()
    scatter = _Scatter(batch, groups, config)
    start = 0
    while start < batch.rows:
        start = scatter.add(start)
    counted = scatter.counted.digits
    if counted[ZEROS] and counted[NEGATIVES]:
        raise mixed_codings(batch, False, False)
    slots, sums = scatter.sums.sums()
    negative = -1 if counted[NEGATIVES] else 0
    return GroupedTally.of(config, batch.num_classes, groups.keys(slots), sums, negative)


class _Scatter:
    """A batch whose losses are added to the sums of their groups, block by block."""

    def __init__(self, batch: Batch, groups: Groups, config: Config) -> None:
        self._batch, self._groups, self._config = batch, groups, config
        self._binary = batch.num_classes == BINARY
        weighted = batch.weight is not None
        self._plain = not (config.squared or weighted)
        losses = config.losses_per_sample(batch.num_classes)
        self._rows = max(_BLOCK_ELEMENTS // losses, _BLOCK_ROWS)
        self._out = np.empty((min(self._rows, batch.rows), losses))
        self.counted = Accumulator.empty(1)
        self.sums = GroupAccumulator(groups.slots, losses, weighted, self._plain)

    def add(self, start: int) -> int:
        """Add a block of rows from `start` on, and return where it ends.

        The kernel takes the predictions if it can, else losses; where it stops, NumPy goes on for a
        few rows.
        """
        batch, rows = self._batch, self._rows
        kernel = backend.kernel(machine_code.GROUPS, _FLOAT64)
        of_preds = kernel is not None and self._binary and self._plain and batch.is_all_float64
        if of_preds and batch.in_place and self._groups.in_place:
            rows = _IN_PLACE_ROWS
        stop = min(start + rows, batch.rows)
        self.sums.make_room(stop - start)
        if kernel is not None and of_preds:
            preds, labels, _ = batch.block(start, stop)
            codes = self._groups.codes(start, stop)
            rest = self._groups.lowest, True, True, self.sums.pairs, self.counted.digits
            start += _done(kernel(preds, _NO_WEIGHT, labels, codes, *rest))
            stop = min(start + min(frame.GROUP_BLOCK, self._rows), stop)
        if start < stop:
            self._add_losses(kernel, start, stop)
        return stop

    def _add_losses(self, kernel: machine_code.Kernel | None, start: int, stop: int) -> None:
        """Add rows by their losses."""
        batch, groups = self._batch, self._groups
        tier = tiers.select_tier(self._config, batch)
        kept, weight = tier.write_losses(batch, start, stop, self._config, self.counted, self._out)
        loss = self._out[:kept]
        labels, mask = batch.labels(start, stop)
        codes = groups.codes(start, stop)
        if mask is not None:
            labels, codes = labels[mask], codes[mask]
        given = _NO_WEIGHT if weight is None else weight
        at, rows = 0, kept if kernel is None else frame.GROUP_BLOCK
        while True:
            if kernel is not None:
                rest = groups.lowest, self._binary, self._plain, self.sums.table
                at += _done(kernel(loss[at:], given[at:], labels[at:], codes[at:], *rest))
            if at >= kept:
                return
            part = slice(at, at + rows)
            slots = codes[part] - groups.lowest
            if slots.min() < 0 or slots.max() >= groups.slots:
                raise _NoSlotError
            marked = labels[part] < 1 if self._binary else None
            self.sums.add(loss[part], None if weight is None else weight[part], slots, marked)
            at += rows


def _done(rows: int) -> int:
    """Return how many rows a kernel added, or raise if it met a code without a slot."""
    if rows < 0:
        raise _NoSlotError
    return rows
