"""10^12 samples in 10^5 shards: simulated states of that many samples, really merged."""

from fractions import Fraction

import numpy as np
import pytest
from cases import form
from oracle import bits, cells, rounded

from hingemetrics import HingeLoss, HingeState

SHARDS, SAMPLES, ROWS = 10**5, 10**12, 100
FORMS = [
    (5, "crammer-singer", True),
    pytest.param(None, None, False, marks=pytest.mark.more),
    pytest.param(5, "one-vs-all", False, marks=pytest.mark.more),
]


def times(state, number):
    """A state merged with itself: number copies of it."""
    total, doubled = state - state, state
    while number:
        if number & 1:
            total = total + doubled
        doubled = doubled + doubled
        number >>= 1
    return total


def merged(states, fan_in=8):
    """The sum of states along a tree, and how deep that is."""
    depth = 0
    while len(states) > 1:
        parts = range(0, len(states), fan_in)
        states = [sum(states[at + 1 : at + fan_in], states[at]) for at in parts]
        depth += 1
    return states[0], depth


def exact_sums(case, weight):
    """The sum of each column's weighted losses, as Fractions."""
    rows = zip(case.preds.tolist(), case.target.tolist(), strict=True)
    table = [cells(row, label, case.squared, case.mode) for row, label in rows]
    return [
        sum(Fraction(w * loss) for w, loss in zip(weight, column, strict=True))
        for column in zip(*table, strict=True)
    ]


@pytest.mark.parametrize(("classes", "mode", "squared"), FORMS)
def test_a_trillion_samples(classes, mode, squared):
    """Four kinds of shards of ten million samples each, in any order; the oracle counts them."""
    cases = [form(ROWS, classes, mode, squared, "tenths", seed) for seed in range(4)]
    kinds = [times(case.state(), SAMPLES // SHARDS // ROWS) for case in cases]
    assert all(kind.count == SAMPLES // SHARDS for kind in kinds)
    drawn = np.random.default_rng(0).integers(0, 4, SHARDS)
    total, depth = merged([kinds[k] for k in drawn])
    assert (total.count, depth) == (SAMPLES, 6)

    copies = np.bincount(drawn).tolist()
    weights = [case.weight.tolist() for case in cases]
    weight = sum(n * sum(map(Fraction, w)) for n, w in zip(copies, weights, strict=True))
    sums = [exact_sums(case, w) for case, w in zip(cases, weights, strict=True)]
    columns = zip(*sums, strict=True)
    means = [
        rounded(sum(n * s for n, s in zip(copies, column, strict=True)) / weight)
        for column in columns
    ]
    assert bits(total.value()) == bits(means if mode == "one-vs-all" else means[0])

    data = total.to_bytes()
    assert len(data) < 24 + 30 * (1 + len(means))
    assert HingeState.from_bytes(data) == total
    rest, _ = merged([kinds[k] for k in drawn[: SHARDS // 2]])
    assert total - rest == merged([kinds[k] for k in drawn[SHARDS // 2 :]])[0]


def test_a_trillion_and_one():
    """The mean of 10^12 zeros and one 1 is not lost, and the one can be taken out again."""
    metric, single = HingeLoss(), HingeLoss()
    metric.update([1.0], [1])
    single.update([0.0], [1])
    zeros = times(metric.state, SAMPLES)
    assert (zeros + single.state).value() == 1 / (SAMPLES + 1)
    assert zeros + single.state - zeros == single.state
    assert zeros.value() == 0.0


@pytest.mark.parametrize("worst", [np.finfo(float).max, 1e-308, np.inf, np.nan])
@pytest.mark.parametrize("weight", [None, [1e300, 1e-300, 0.1]])
def test_counts_and_digits_do_not_overflow(worst, weight):
    """Beyond what 64 bits count, of what fills every digit."""
    metric = HingeLoss()
    metric.update([-worst, 0.3, 2.0**30 - 2.0**-22], [1, 1, 0], weight)
    many = times(metric.state, 10**30)
    assert many.count == 3 * 10**30
    assert bits(many.value()) == bits(metric.compute())
    assert many - times(metric.state, 10**30 - 1) == metric.state
