"""Exact sums by group: scattered row by row into a table, kept as digits, one column a group.

A block of doubles is peeled as in `exact`, but 42 bits a level, so that 2**21 rows may go to one
group before the table has to be emptied into digits. What is left of a double after all levels, or
all of it where it is huge or not finite, goes to the wide grid of the few groups that have such.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hingemetrics._core.exact import Accumulator, spread
from hingemetrics._core.grid import (
    DIGIT_BITS,
    DIGIT_MASK,
    LOWEST,
    NARROW,
    NARROW_ROWS,
    NARROW_SHIFT,
    carry,
)
from hingemetrics._core.totals import Total
from hingemetrics._core.typing import Bools, Floats, Ints

SCATTER_MAGIC = (1.5 * 2.0**41, 1.5 * 2.0**-1, 1.5 * 2.0**-43, 1.5 * 2.0**-85)
SCATTER_BITS = tuple(int(np.float64(magic).view(np.int64)) for magic in SCATTER_MAGIC)
SCATTER_LIMIT = 2.0**30  # smaller doubles make integers of at most 2**41
PLAIN_SCATTER_LEVELS = 2  # for losses neither squared nor weighted: multiples of 2**-53
_PLACE = (-11 - LOWEST, -53 - LOWEST, -95 - LOWEST, -137 - LOWEST)
_UNITS = (-53 - LOWEST) // DIGIT_BITS - NARROW.start  # 2**-53 is the unit of this digit
_PAIR_ROW, _PAIR_MARK = 20, 42  # the bits of a pair's second word where a row and a mark count 1
_TABLE_ROWS = 1 << 21  # sums of so many such integers fit in an int64
_PENDING = 1 << 16  # unusual doubles that wait for the wide grid, which takes 36 MB for them
_TOP_LIMIT = 1 << DIGIT_BITS - 1  # of the last digit, which has the sign
_BYTES = NARROW_ROWS * DIGIT_BITS // 8
_NO_COUNTS: Ints = np.zeros((2, 0), np.int64)


class GroupSums(NamedTuple):
    """Counts of rows and exact sums of columns, by group, as a value."""

    counts: Ints  # (2, G): rows, and marked rows among them
    digits: Ints  # (NARROW_ROWS, k, G), carried: below 2**32, but for the sign of the last one
    unusual: dict[tuple[int, int], Total]  # (column, group): what digits do not hold

    @classmethod
    def empty(cls, columns: int, groups: int = 0) -> GroupSums:
        """Return sums that are zero."""
        digits = np.zeros((NARROW_ROWS, columns, groups), np.int64)
        return cls(np.zeros((2, groups), np.int64), digits, {})

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.digits.shape[1])

    def plus(self, other: GroupSums, places: Ints, groups: int) -> GroupSums:
        """Return the sums of so many groups, where group g of `other` is group `places[g]`."""
        total = GroupSums.empty(self.columns, groups)
        own = len(self.counts[0])
        total.counts[:, :own] = self.counts
        total.counts[:, places] += other.counts
        total.digits[..., :own] = self.digits
        added = {(k, int(places[g])): sums for (k, g), sums in other.unusual.items()}
        digits, beyond = _carried(total.digits[..., places] + other.digits)
        total.digits[..., places] = digits
        beyond = {(k, int(places[g])): sums for (k, g), sums in beyond.items()}
        return total._replace(unusual=_union(_union(self.unusual, added), beyond))

    def with_columns(self, digits: Ints) -> GroupSums:
        """Return the same with carried digits of more columns."""
        return self._replace(digits=np.concatenate((self.digits, digits), axis=1))

    def finite(self, column: int) -> list[int]:
        """Return the digits' sums of one column, in units of 2**LOWEST."""
        raw = self.digits[:, column].T.astype("<u4").tobytes()
        return [
            int.from_bytes(raw[at : at + _BYTES], "little", signed=True) << NARROW_SHIFT
            for at in range(0, len(raw), _BYTES)
        ]

    def totals(self, column: int) -> list[Total]:
        """Return the totals of one column by group, as plain integers."""
        totals = [Total(0, 0, finite) for finite in self.finite(column)]
        for (k, group), unusual in self.unusual.items():
            if k == column:
                totals[group] = totals[group].plus(unusual)
        return totals

    def total_of(self, column: int) -> Total:
        """Return the total of one column over all groups."""
        total = Total(0, 0, 0)
        for digit, amount in enumerate(self.digits[:, column].sum(axis=1).tolist(), NARROW.start):
            total = total.plus(Total(0, 0, amount << DIGIT_BITS * digit))
        for (k, _), unusual in self.unusual.items():
            total = total.plus(unusual) if k == column else total
        return total


class GroupAccumulator:
    """Sums by slot that data are being added to; a slot that no row went to is no group.

    `table` is what kernels write to: for each slot the integers of each level of each column, then
    rows + 2**32 * marked rows.
    """

    __slots__ = (
        "_counts",
        "_digits",
        "_pairs",
        "_pending",
        "_room",
        "_table",
        "_unusual",
        "columns",
        "levels",
        "slots",
    )

    def __init__(self, slots: int, losses: int, weighted: bool, plain: bool) -> None:
        self.slots, self.columns = slots, losses + weighted
        self.levels = PLAIN_SCATTER_LEVELS if plain else len(SCATTER_MAGIC)
        self._table: Ints | None = None
        self._pairs: Ints | None = None
        self._room = _TABLE_ROWS
        self._counts = _NO_COUNTS
        self._digits: Ints | None = None
        self._pending: list[tuple[int, Floats, Ints]] = []
        self._unusual: dict[tuple[int, int], Total] = {}

    @property
    def table(self) -> Ints:
        """What losses are added to, allocated on first use."""
        if self._table is None:
            self._table = np.zeros((self.slots, self.columns * self.levels + 1), np.int64)
        return self._table

    @property
    def pairs(self) -> Ints:
        """What a kernel that reads predictions adds plain losses below 2**10 to, likewise.

        For each slot the low 64 bits of their sum in units of 2**-53; then, from the lowest bit on,
        20 bits of the rest of it, 22 bits of rows and 22 bits of marked rows.
        """
        if self._pairs is None:
            self._pairs = np.zeros((self.slots, 2), np.int64)
        return self._pairs

    def make_room(self, rows: int) -> None:
        """Empty the table if so many rows more, at most _TABLE_ROWS, could overflow it."""
        if rows > self._room:
            self._empty_table()
        self._room -= rows

    def add(self, losses: Floats, weight: Floats | None, slots: Ints, marked: Bools | None) -> None:
        """Add a block of losses (n, k) and weights (n,), each row to its slot.

        Plain losses are multiples of 2**-53. Room was made for the rows.
        """
        columns = [*losses.T] if weight is None else [*losses.T, weight]
        width, table = self.table.shape[1], self.table.reshape(-1)
        with np.errstate(all="ignore"):  # of NaN and inf
            first = slots * width
            for column, values in enumerate(columns):
                ordinary = np.abs(values) < SCATTER_LIMIT  # False for NaN
                rest = values if ordinary.all() else np.where(ordinary, values, 0.0)
                for level in range(self.levels):
                    rounded = rest + SCATTER_MAGIC[level]
                    amount = rounded.view(np.int64) - SCATTER_BITS[level]
                    np.add.at(table, first + (column * self.levels + level), amount)
                    rounded -= SCATTER_MAGIC[level]
                    rest = np.subtract(rest, rounded, out=rounded)  # exact
                self._wait(column, np.where(ordinary, rest, values), slots)
            counted = np.ones(len(slots), np.int64)
            if marked is not None:
                counted += marked.astype(np.int64) << DIGIT_BITS
            np.add.at(table, first + (width - 1), counted)

    def _wait(self, column: int, left: Floats, slots: Ints) -> None:
        """Let what is left of a block's doubles wait until it is worth a wide grid."""
        (rows,) = np.nonzero(left)
        if len(rows):
            self._pending.append((column, left[rows], slots[rows]))
            if sum(len(x) for _, x, _ in self._pending) >= _PENDING:
                self._add_pending()

    def sums(self) -> tuple[Ints, GroupSums]:
        """Return the slots that rows went to, and their sums."""
        self._empty_table()
        self._add_pending()
        (slots,) = np.nonzero(self._counts[0])
        assert self._digits is not None
        digits, beyond = _carried(self._digits[..., slots])
        place = dict(zip(slots.tolist(), range(len(slots)), strict=True)) if self._unusual else {}
        unusual = {(k, place[slot]): total for (k, slot), total in self._unusual.items()}
        return slots, GroupSums(self._counts[:, slots], digits, _union(unusual, beyond))

    def _empty_table(self) -> None:
        """Move what is in the table, and in pairs, to counts and digits."""
        if self._digits is None:
            self._digits = np.zeros((NARROW_ROWS, self.columns, self.slots), np.int64)
            self._counts = np.zeros((2, self.slots), np.int64)
        if self._table is not None:
            *amounts, counted = np.ascontiguousarray(self._table.T)
            self._counts += counted & DIGIT_MASK, counted >> DIGIT_BITS
            for at, amount in enumerate(amounts):
                column, level = divmod(at, self.levels)
                for digit, part in spread(amount, np.int64(_PLACE[level])):
                    self._digits[digit - NARROW.start, column] += part
            self._table.fill(0)
        if self._pairs is not None:
            low, high = np.ascontiguousarray(self._pairs.T).view(np.uint64)
            rest = high & np.uint64((1 << _PAIR_ROW) - 1)
            rows = high >> np.uint64(_PAIR_ROW) & np.uint64((1 << _PAIR_MARK - _PAIR_ROW) - 1)
            self._counts += rows.view(np.int64), (high >> np.uint64(_PAIR_MARK)).view(np.int64)
            self._digits[_UNITS, 0] += (low & np.uint64(DIGIT_MASK)).view(np.int64)
            self._digits[_UNITS + 1, 0] += (low >> np.uint64(DIGIT_BITS)).view(np.int64)
            self._digits[_UNITS + 2, 0] += rest.view(np.int64)
            self._pairs.fill(0)
        self._room = _TABLE_ROWS

    def _add_pending(self) -> None:
        """Add the unusual doubles that wait, over the wide grid of their groups alone."""
        for column in {column for column, _, _ in self._pending}:
            values = np.concatenate([x for k, x, _ in self._pending if k == column])
            slots = np.concatenate([slot for k, _, slot in self._pending if k == column])
            found, place = np.unique(slots, return_inverse=True)
            wide = Accumulator.empty(len(found))
            wide.add_wide(values, place.reshape(-1))
            totals = wide.sums().totals_of(slice(None))
            added = {(column, slot): x for slot, x in zip(found.tolist(), totals, strict=True)}
            self._unusual = _union(self._unusual, added)
        self._pending = []


def weight_digits(rows: Ints) -> Ints:
    """Return the weights of groups of so many rows of weight 1 as carried digits, (.., 1, G)."""
    digits = np.zeros((NARROW_ROWS, len(rows)), np.int64)
    for digit, part in spread(rows, np.int64(-LOWEST)):
        digits[digit - NARROW.start] += part
    return carry(digits, digits[:0])[0][:, np.newaxis]


def _carried(digits: Ints) -> tuple[Ints, dict[tuple[int, int], Total]]:
    """Return carried digits (NARROW_ROWS, k, G), and what is then beyond the last one's range."""
    columns, groups = digits.shape[1:]
    flat, _ = carry(digits.reshape(NARROW_ROWS, -1), digits[:0].reshape(0, columns * groups))
    unusual: dict[tuple[int, int], Total] = {}
    top = flat[-1]
    (beyond,) = np.nonzero((top < -_TOP_LIMIT) | (top >= _TOP_LIMIT))
    for at in beyond.tolist():
        amount = int(top[at]) << DIGIT_BITS * (NARROW.stop - 1)
        unusual[divmod(at, groups)] = Total(0, 0, amount)
        top[at] = 0
    return flat.reshape(digits.shape), unusual


def _union(
    one: dict[tuple[int, int], Total], other: dict[tuple[int, int], Total]
) -> dict[tuple[int, int], Total]:
    """Return the sums of both."""
    if not one or not other:
        return one or other
    union = dict(one)
    for key, total in other.items():
        union[key] = union[key].plus(total) if key in union else total
    return union
