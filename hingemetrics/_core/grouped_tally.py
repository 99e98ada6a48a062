"""Everything seen of one loss by group: a tally for each group, kept as arrays, as a value."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hingemetrics._core.config import Config
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._core.grid import DIGIT_BITS, NARROW_ROWS, ONE
from hingemetrics._core.group_keys import Key, kind_of
from hingemetrics._core.group_sums import GroupSums, weight_digits
from hingemetrics._core.rounding import quotients_by_counts
from hingemetrics._core.tally import NEGATIVES, Tally
from hingemetrics._core.totals import Total, Totals
from hingemetrics._core.typing import Floats
from hingemetrics._core.warn import warn_caller


class GroupedTally:
    """The exact sums of one configuration by group, as an immutable value: `+` merges.

    `sums` has one column for each loss, then one for the weights if any sample had one. Its marked
    rows are those of the negative class of binary data. `places` has the group numbers of the keys,
    all of one kind, and `total` the tally of all rows.
    """

    __slots__ = ("places", "sums", "total")

    def __init__(
        self, total: Tally, places: dict[Key, int] | None = None, sums: GroupSums | None = None
    ) -> None:
        self.total = total
        self.places = {} if places is None else places
        self.sums = GroupSums.empty(0) if sums is None else sums

    @classmethod
    def of(
        cls, config: Config, num_classes: int, keys: list[Key], sums: GroupSums, negative: int
    ) -> GroupedTally:
        """Return the tally of groups with these keys; `negative` is binary data's: 0 or -1."""
        if not keys:
            return cls(Tally(config))
        rows, marked = (int(count) for count in sums.counts.sum(axis=1))
        totals = [sums.total_of(column) for column in range(sums.columns)]
        counters = _counters(rows, marked, negative)
        total = _tally(config, num_classes, counters, totals)
        return cls(total, {key: place for place, key in enumerate(keys)}, sums)

    @classmethod
    def of_tallies(cls, config: Config, tallies: Iterable[tuple[Key, Tally]]) -> GroupedTally:
        """Return the tally of groups with these tallies, none of them empty."""
        grouped = list(tallies)
        if not grouped:
            return cls(Tally(config))
        total = Tally(config)
        for _, tally in grouped:
            total += tally
        columns = config.losses_per_sample(total.num_classes) + 1
        sums = GroupSums.empty(columns, len(grouped))
        for group, (_, tally) in enumerate(grouped):
            (samples, zeros, negatives), totals = tally.totals()
            sums.counts[:, group] = samples, zeros + negatives
            sums.unusual.update({(k, group): one for k, one in enumerate(totals) if any(one)})
        sums = GroupSums.empty(columns, len(grouped)).plus(
            sums, np.arange(len(grouped)), len(grouped)
        )
        return cls(total, {key: place for place, (key, _) in enumerate(grouped)}, sums)

    @property
    def config(self) -> Config:
        """What must agree before two can be merged."""
        return self.total.config

    @property
    def kind(self) -> str | None:
        """The kind of all keys; None without groups."""
        return next(map(kind_of, self.places), None)

    @property
    def is_weighted(self) -> bool:
        """Whether there is a column of weights; else each sample weighs 1."""
        losses = self.config.losses_per_sample(self.total.num_classes)
        return self.sums.columns > losses

    def __add__(self, other: GroupedTally) -> GroupedTally:
        total = self.total + other.total  # refuses what does not fit
        if not other.places:
            return self
        if not self.places:
            return other
        if self.kind != other.kind:
            raise TypeError(f"groups must be of one type, got {other.kind} after {self.kind}")
        one, two = self.sums, other.sums
        if self.is_weighted or other.is_weighted:
            one, two = self._weighted_sums(), other._weighted_sums()
        places = self.places
        new = [key for key in other.places if key not in places]
        if new:
            places = dict(places)
            places.update(zip(new, range(len(places), len(places) + len(new)), strict=True))
        where = np.array([places[key] for key in other.places], np.int64)
        return GroupedTally(total, places, one.plus(two, where, len(places)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupedTally):
            return NotImplemented
        if self.total != other.total or self.kind != other.kind:
            return False
        return self.totals() == other.totals()

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: object) -> GroupedTally:
        return self  # it does not change

    def keys(self) -> list[Key]:
        """Return the keys, sorted."""
        return sorted(self.places)

    def totals(self) -> dict[Key, Totals]:
        """Return counters and totals by group, as `Tally.totals` has them, sorted by key."""
        sums = self._weighted_sums()
        columns = list(zip(*map(sums.totals, range(sums.columns)), strict=True))
        negative = -1 if self.total.counted(NEGATIVES) else 0
        counts = sums.counts.T.tolist()
        return {
            key: Totals(_counters(counts[place][0], counts[place][1], negative), columns[place])
            for key, place in sorted(self.places.items())
        }

    def tallies(self) -> dict[Key, Tally]:
        """Return the tally of each group, sorted by key."""
        config, num_classes = self.config, self.total.num_classes
        return {
            key: _tally(config, num_classes, totals.counters, totals.columns)
            for key, totals in self.totals().items()
        }

    def values(self) -> dict[Key, float] | dict[Key, Floats]:
        """Return the mean loss of each group, or those of its classes, each rounded once.

        NaN, with a warning, where all weights are zero.
        """
        check_float_unit()
        keys = self.keys()
        if not keys:
            return {}
        losses = self.config.losses_per_sample(self.total.num_classes)
        means = self._weighted_means(losses) if self.is_weighted else self._means(losses)
        means = means[:, np.fromiter(map(self.places.__getitem__, keys), np.int64, len(keys))]
        if self.config.is_per_class(self.total.num_classes):
            return dict(zip(keys, means.T.copy(), strict=True))
        return dict(zip(keys, means[0].tolist(), strict=True))

    def _means(self, losses: int) -> Floats:
        """Return the losses over the numbers of samples, (k, G)."""
        digits, counts = self.sums.digits, self.sums.counts[0]
        groups = len(counts)
        means = quotients_by_counts(digits.reshape(NARROW_ROWS, -1), np.tile(counts, losses))
        means = means.reshape(losses, groups)
        unsure = {*self.sums.unusual}
        unsure |= {(k, int(g)) for g in np.flatnonzero(counts >> DIGIT_BITS) for k in range(losses)}
        for column in {column for column, _ in unsure}:
            totals = self.sums.totals(column)
            for k, group in unsure:
                if k == column:
                    means[k, group] = totals[group].over(int(counts[group]) * ONE)
        return means

    def _weighted_means(self, losses: int) -> Floats:
        """Return the losses over the weights, (k, G)."""
        weights = [total.finite for total in self.sums.totals(losses)]
        if not all(weights):
            warn_caller("the mean hinge loss of a group is NaN: all its weights are zero")
        return np.array(
            [list(map(Total.over, self.sums.totals(k), weights)) for k in range(losses)]
        )

    def _weighted_sums(self) -> GroupSums:
        """Return the sums with a column of weights."""
        if self.is_weighted or not self.places:
            return self.sums
        return self.sums.with_columns(weight_digits(self.sums.counts[0]))


def _counters(rows: int, marked: int, negative: int) -> tuple[int, int, int]:
    """Return samples, zeros and negatives."""
    return (rows, 0, marked) if negative else (rows, marked, 0)


def _tally(
    config: Config,
    num_classes: int,
    counters: tuple[int, ...],
    columns: Iterable[Total],
) -> Tally:
    """Return a tally of these totals; without a column of weights, every sample weighs 1."""
    totals = tuple(columns)
    if len(totals) == config.losses_per_sample(num_classes):
        totals = (*totals, Total(0, 0, counters[0] * ONE))
    return Tally.of_totals(config, num_classes, Totals(counters, totals))
