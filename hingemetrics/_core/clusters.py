"""Sums by cluster of samples that depend on each other, as a value, and the error they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hingemetrics._core.group_keys import Key

_SEVERAL = 2  # fewer clusters have no standard error


class Cluster(NamedTuple):
    """The exact sums of one cluster, in units of 2**LOWEST."""

    samples: int
    weight: int
    differences: tuple[int, ...]  # of the weighted losses, by column; NaN and inf count as 0

    def plus(self, other: Cluster, sign: int = 1) -> Cluster:
        """Return the sums of both, or with -1 what is left when `other` is taken out."""
        return Cluster(
            self.samples + sign * other.samples,
            self.weight + sign * other.weight,
            tuple(a + sign * b for a, b in zip(self.differences, other.differences, strict=True)),
        )


class Clusters(NamedTuple):
    """The sums of each cluster by its key, all of one kind, which is "" where samples have none."""

    kind: str
    sums: dict[Key, Cluster]

    def plus(self, other: Clusters) -> Clusters:
        """Return the sums of both."""
        return self._combined(other, 1)

    def minus(self, other: Clusters) -> Clusters:
        """Return what is left when `other` is taken out; clusters without samples are dropped."""
        return self._combined(other, -1)

    def _combined(self, other: Clusters, sign: int) -> Clusters:
        if not (self.kind and other.kind) and self.kind != other.kind:
            raise ValueError("groups must be given with all batches or with none")
        if self.kind != other.kind:
            raise TypeError(f"groups must be of one type, got {other.kind} after {self.kind}")
        sums = dict(self.sums)
        for key, cluster in other.sums.items():
            before = sums.get(key, Cluster(0, 0, (0,) * len(cluster.differences)))
            sums[key] = before.plus(cluster, sign)
            if not any((sums[key].samples, sums[key].weight, *sums[key].differences)):
                del sums[key]
        return Clusters(self.kind, sums)

    def check(self, samples: int, weight: int, differences: Iterable[int]) -> None:
        """Raise unless these sums can be of clusters of data with such totals."""
        if not self.kind:
            return
        for cluster in self.sums.values():
            if cluster.samples < 1 or cluster.weight < 0:
                raise ValueError("an impossible group")
        totals = (samples, weight, *differences)
        rows = [(one.samples, one.weight, *one.differences) for one in self.sums.values()]
        rows.append((0,) * len(totals))  # there may be no cluster left
        if tuple(map(sum, zip(*rows, strict=True))) != totals:
            raise ValueError("groups that are not all samples")

    def variance(self, column: int, total: int, weight: int) -> tuple[int, int] | None:
        """Return numerator and denominator of the squared standard error of total / weight.

        That is G / (G - 1) * sum over G clusters of (difference - weight * total / all weight)**2,
        over all weight squared.
        """
        groups = len(self.sums)
        if groups < _SEVERAL:
            return None
        spread = sum(
            (cluster.differences[column] * weight - total * cluster.weight) ** 2
            for cluster in self.sums.values()
        )
        return groups * spread, (groups - 1) * weight**4


NO_CLUSTERS = Clusters("", {})
