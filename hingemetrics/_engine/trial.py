"""A trial of machine code: it must give known sums before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.exact import COUNTERS, Accumulator
from hingemetrics._core.grid import WIDE_ROWS
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._core.losses import losses
from hingemetrics._core.moments import MomentSums
from hingemetrics._core.tally import SAMPLES, UNWEIGHTED, ZEROS
from hingemetrics._core.totals import Total
from hingemetrics._engine.frame import BLOCK, GROUP_BLOCK, MOMENT_BLOCK


def gives_known_sums(kernel: Callable[..., int], form: str, dtype: np.dtype[Any]) -> bool:
    """Whether a kernel agrees with NumPy, also where the wide grid is needed."""
    rows = np.arange(2 * BLOCK + 7)
    target, weight = rows % 2, rows % 5 / 2
    preds = (np.outer(rows, (5, 6, 7)) % 31 / 8 - 2).astype(dtype)
    preds[[3, -2], [0, 1]] = np.nan, -1e30
    if form == "binary":
        preds = preds[:, 0].copy()
    mode = MulticlassMode.ONE_VS_ALL if form == "one-vs-all" else MulticlassMode.CRAMMER_SINGER
    for squared, weights in ((False, None), (True, weight)):
        loss = losses(preds, target, mode, squared, weights)
        columns = loss.shape[1] + 1
        known = Accumulator.empty(columns)
        found = Accumulator(_spacious(len(known.digits)))
        known.add(loss)
        if weights is not None:
            known.add(weights[:, np.newaxis], first=columns - 1)
        known.digits[SAMPLES] = len(rows)
        known.digits[ZEROS] = np.count_nonzero(target == 0) if form == "binary" else 0
        known.digits[UNWEIGHTED] = len(rows) if weights is None else 0
        found.wide = _spacious(WIDE_ROWS * columns)
        given = np.empty(0) if weights is None else weights
        if kernel(preds, target, given, squared, 0, found.digits, found.wide) != len(rows):
            return False
        if found.sums().totals() != known.sums().totals():
            return False
        written = np.full(2 * loss.size + 1024, -1.0)  # room for wrong code, as below
        out = written[: loss.size].reshape(loss.shape)
        counters = Accumulator(_spacious(len(known.digits)))
        rest = squared, 0, counters.digits, found.wide[:0], out
        if kernel(preds, target, given, *rest) != len(rows):
            return False
        if not (np.array_equal(out, loss, equal_nan=True) and (written[loss.size :] == -1).all()):
            return False
        if counters.counters() != known.counters():
            return False
    return True


def gives_known_moments(kernel: Callable[..., int], *_: object) -> bool:
    """Whether the kernel of moments agrees with NumPy, for plain losses and others."""
    rows = np.arange(2 * MOMENT_BLOCK + 7)
    x, y = np.outer(rows, (5, 6)) % 31 / 7, np.outer(rows, (3, 7)) % 29 / 3
    for plain, weight in ((True, None), (False, None), (False, rows % 5 / 7)):
        known, found = MomentSums(3), MomentSums(3)
        first, second = (np.floor(z * 2.0**53) / 2.0**53 if plain else z for z in (x, y))
        known.add(first, second, weight, plain)
        digits = _spacious(found.digits.size).reshape(found.digits.shape)
        given = np.empty(0) if weight is None else weight
        if kernel(first, second, given, plain, digits) != len(rows):
            return False
        found.digits[...] = digits
        if found.moments(weight is not None) != known.moments(weight is not None):
            return False
    return True


def gives_known_groups(kernel: Callable[..., int], *_: object) -> bool:
    """Whether the kernel of groups agrees with NumPy."""
    rows = np.arange(2 * GROUP_BLOCK + 7)
    slots, target = rows * 7 % 11, rows % 3 - 1
    for columns, weight in ((1, None), (2, None), (2, rows % 5 / 7)):
        for plain in (True, False) if weight is None else (False,):
            loss = np.outer(rows, (5, 6)[:columns]) % 31 / 7
            loss = np.floor(loss * 2.0**53) / 2.0**53 if plain else loss
            known = GroupAccumulator(11, columns, weight is not None, plain)
            known.add(loss, weight, slots, target < 1)
            table = _spacious(known.table.size).reshape(known.table.shape)
            given = np.empty(0) if weight is None else weight
            if kernel(loss, given, target, slots - 5, -5, True, plain, table) != len(rows):
                return False
            if not np.array_equal(table, known.table):
                return False
    preds = rows % 31 / 7 - 2
    known, found = (GroupAccumulator(11, 1, False, True) for _ in range(2))
    loss = np.maximum(0.0, 1.0 - np.where(target == 1, preds, -preds))
    known.add(loss[:, np.newaxis], None, slots, target < 1)
    pairs, counters = _spacious(22).reshape(11, 2), _spacious(COUNTERS)
    rest = -5, True, True, pairs, counters
    if kernel(preds, np.empty(0), target, slots - 5, *rest) != len(rows):
        return False
    found.pairs[...] = pairs
    return counters.tolist() == [0, 1, 1, 0] and _totals(found) == _totals(known)


def _totals(sums: GroupAccumulator) -> tuple[list[int], list[list[int]], list[Total]]:
    """Return slots, counts and totals of losses."""
    slots, by_group = sums.sums()
    return slots.tolist(), by_group.counts.tolist(), by_group.totals(0)


def _spacious(length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return zeros with spare room behind them, for wrong code that writes too far."""
    return np.zeros(2 * length + 1024, np.int64)[:length]
