"""How often intervals hold the true difference of two models, or the true loss of one.

    python benchmarks/interval_coverage.py [SETS]

Data sets are drawn from populations whose mean losses are known: exponential and heavy-tailed
losses, rare large ones, weights, clusters. Printed is the share of SETS intervals (2000) of level
0.95 that hold the truth, and on which side of it the others lie.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import hingemetrics

Random = np.random.Generator
GROUPED = "groups" in inspect.signature(hingemetrics.compare).parameters


class Sample(NamedTuple):
    """Losses of a model and of its baseline for the same samples."""

    losses: np.ndarray
    baseline: np.ndarray
    options: Mapping[str, Any] = MappingProxyType({})


class Population(NamedTuple):
    """Where samples come from, and the difference of the mean losses there."""

    draw: Callable[[Random, int], Sample]
    difference: float


def exponential(rng: Random, n: int) -> Sample:
    """Losses that go up and down together."""
    shared, own, other = rng.exponential(size=(3, n))
    return Sample(0.75 * shared + 0.5 * own, 0.75 * shared + 0.25 * other)


def heavy(tail: float) -> Callable[[Random, int], Sample]:
    """Lomax losses, twice as large for the model; no moments of order `tail` or more."""

    def draw(rng: Random, n: int) -> Sample:
        return Sample(2.0 * rng.pareto(tail, n), rng.pareto(tail, n))

    return draw


def rare(rng: Random, n: int) -> Sample:
    """One loss in 100 is 20 times as large as all others, of the model alone."""
    common = rng.exponential(size=n)
    return Sample(np.where(rng.random(n) < 0.01, 20.0, common), common)


def weighted(rng: Random, n: int) -> Sample:
    """Weights that know nothing of the losses."""
    sample = exponential(rng, n)
    return sample._replace(options={"sample_weight": rng.exponential(size=n)})


def clusters(size: int, grouped: bool) -> Callable[[Random, int], Sample]:
    """Of `size` samples each, which share a third of the variance of their difference."""

    def draw(rng: Random, n: int) -> Sample:
        group = np.arange(n) // size
        common = rng.exponential(size=group[-1] + 1)[group]
        own, other = rng.exponential(size=(2, n))
        options = {"groups": group} if grouped else {}
        return Sample(common + own, other, options)

    return draw


POPULATIONS = {
    "exponential": Population(exponential, 0.25),
    "heavy tails (Lomax 3)": Population(heavy(3.0), 0.5),
    "heavier tails (Lomax 2.1)": Population(heavy(2.1), 1 / 1.1),
    "rare large losses": Population(rare, 0.01 * 19.0),
    "weights": Population(weighted, 0.25),
    "clusters of 5, as samples": Population(clusters(5, grouped=False), 1.0),
    "clusters of 5, by cluster": Population(clusters(5, grouped=True), 1.0),
}
SIZES = (20, 50, 200, 2000)


def compared(sample: Sample) -> tuple[float, float]:
    """Return the interval of the difference."""
    target = np.ones(len(sample.losses), int)
    found = hingemetrics.compare(
        1.0 - sample.losses, 1.0 - sample.baseline, target, **sample.options
    )
    return float(found.low), float(found.high)


def interval(sample: Sample) -> tuple[float, float]:
    """Return the interval of the model's loss by its standard error."""
    found = hingemetrics.loss_interval(1.0 - sample.losses, np.ones(len(sample.losses), int))
    return float(found.low), float(found.high)


def bootstrap(sample: Sample) -> tuple[float, float]:
    """Return the same by resampling."""
    metric = hingemetrics.BootstrapHingeLoss()
    metric.update(1.0 - sample.losses, np.ones(len(sample.losses), int))
    _, low, high = metric.compute()
    return float(low), float(high)


def row(
    name: str,
    draw: Callable[[Random, int], Sample],
    truth: float,
    found: Callable[[Sample], tuple[float, float]],
    n: int,
    sets: int,
) -> None:
    """Print how many intervals hold the truth, and how many lie below and above it."""
    rng = np.random.default_rng(n)
    ends = np.array([found(draw(rng, n)) for _ in range(sets)])
    below, above = np.mean(ends[:, 1] < truth), np.mean(ends[:, 0] > truth)
    print(f"| {name} | {n} | {1 - below - above:.1%} | {below:.1%} | {above:.1%} |", flush=True)


def main(sets: int = 2000) -> None:
    """Print the table."""
    versions = f"hingemetrics {hingemetrics.__version__}, NumPy {np.__version__}"
    print(f"{versions}, {sets} data sets each\n")
    print("| losses | n | held | below | above |\n|---|---|---|---|---|")
    for name, population in POPULATIONS.items():
        if "by cluster" not in name or GROUPED:
            for n in SIZES:
                row(name, population.draw, population.difference, compared, n, sets)
    for name, found in {"one model: loss_interval": interval, "its bootstrap": bootstrap}.items():
        for tail, draw in (("exponential", exponential), ("heavy tails", heavy(3.0))):
            truth = 1.25 if draw is exponential else 1.0
            row(f"{name}, {tail}", draw, truth, found, 200, min(sets, 1000))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
