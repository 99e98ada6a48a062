"""Differences of states of comparisons: refused where one was visibly never part of the other."""

import numpy as np
import pytest
from cases import Case
from oracle import says
from pairs import Pair

from hingemetrics import ComparisonState, HingeComparison, HingeState


def losses(x, y, weights=None):
    """A state of these losses, of targets 1."""
    x, y = (1.0 - np.array(numbers, float) for numbers in (x, y))
    weights = None if weights is None else np.array(weights, float)
    return Pair(Case(x, np.ones(len(x), int), weights), y).state()


HALVES = losses([0.5, 0.5], [0.0, 0.0])


class TestNeverAdded:
    @pytest.mark.parametrize(
        ("a", "b", "words"),
        [
            (ComparisonState(), HALVES, ["negative", "count"]),
            (losses([0.5], [0.0]), HALVES, ["negative", "count"]),
            (HALVES, losses([2.0], [0.0]), ["sum", "losses"]),
            (HALVES, losses([0.5], [0.25]), ["sum", "losses"]),
            (HALVES, losses([np.nan], [0.0]), ["sum", "losses"]),
            (HALVES, losses([0.0], [np.inf]), ["sum", "losses"]),
            # The same sums and counts, but other squares: nothing would be left, and yet something.
            (HALVES, losses([0.75, 0.25], [0.0, 0.0]), ["squares", "differences"]),
            (losses([0.75, 0.25], [0.0, 0.0]), HALVES, ["squares", "differences"]),
            # Two samples are left that cannot have both this sum and so few, or so many, squares.
            (losses([0.5] * 4, [0] * 4), losses([0.875, 0.125], [0, 0]), ["squares"]),
            (losses([2.0, 0.0, 0.0], [0] * 3), losses([1.0], [0.0]), ["squares"]),
            # The same weight, but other squares of it; and weight that was not there.
            (losses([0, 0], [0, 0], [1, 3]), losses([0, 0], [0, 0], [2, 2]), ["weights"]),
            (losses([0, 0, 0], [0] * 3, [1] * 3), losses([0], [0], [4]), ["weight"]),
            # Losses that go with other weights.
            (
                losses([1.0, 1.0, 0.0], [0, 0, 0], [1.0, 1.0, 4.0]),
                losses([1.0], [0.0], [1.0]) + losses([0.25], [0.0], [4.0]),
                ["products"],
            ),
        ],
    )
    def test_refused(self, a, b, words):
        before = a.to_bytes(), b.to_bytes()
        with pytest.raises(ValueError, match=says("never", "added", *words)):
            a - b
        assert (a.to_bytes(), b.to_bytes()) == before

    def test_others(self):
        with pytest.raises(ValueError, match="2 classes after binary data"):
            HALVES - Pair(Case(np.zeros((1, 2)), np.array([0])), np.zeros((1, 2))).state()
        with pytest.raises(ValueError, match=says("configuration", "squared=True")):
            HALVES + ComparisonState(True)
        with pytest.raises(ValueError, match=says("configuration", "one-vs-all")):
            HALVES - ComparisonState(False, "one-vs-all")

    @pytest.mark.parametrize("other", [None, 1, 0.5, "state", b"", HingeComparison(), HingeState()])
    def test_other_kinds(self, other):
        for operation in (
            lambda: HALVES + other,
            lambda: other + HALVES,
            lambda: HALVES - other,
            lambda: other - HALVES,
        ):
            with pytest.raises(TypeError):
                operation()
        assert other != HALVES


class TestDoubling:
    def test_without_end(self):
        """2**70 copies: the standard error is that of so many samples."""
        state = losses([0.5, 0.25, 2.0**20], [0.25, 0.5, 0.0], [1.0, 0.5, 2.0])
        doubled = state
        for _ in range(70):
            doubled = doubled + doubled
        found, one = doubled.comparison(), state.comparison()
        n = 3 * 2**70
        assert doubled.count == n
        assert (found.value, found.difference) == (one.value, one.difference)
        exact = doubled.as_fractions()[3], state.as_fractions()[3]
        assert exact[0] * (n - 1) / n * 2**70 == exact[1] * 2 / 3
        assert ComparisonState.from_bytes(doubled.to_bytes()) == doubled
        assert (doubled + state) - doubled == state

    def test_to_its_end(self):
        state = losses([0.5], [0.25])
        for _ in range(127):
            state = state + state
        with pytest.raises(ValueError, match=r"fewer than 2\*\*128 samples, got"):
            state + state
        assert ComparisonState.from_bytes(state.to_bytes()) == state


class TestFractions:
    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (ComparisonState(), ["two samples"]),
            (losses([0.5], [0.5]), ["two samples"]),
            (losses([0.5, 0.5], [0.5, 0.5], [0, 0]), ["weight"]),
            (losses([0.5, np.nan], [0.5, 0.5]), ["finite", "index 0"]),
            (losses([0.5, 0.5], [np.inf, 0.5]), ["finite", "index 0"]),
        ],
    )
    def test_where_there_are_none(self, state, words):
        with pytest.raises(ValueError, match=says(*words)):
            state.as_fractions()

    def test_the_class_that_is_not_finite(self):
        preds = np.array([[0.5, 0.5, np.nan], [0.5, 0.5, 0.5]])
        pair = Pair(Case(preds, np.array([0, 1]), mode="one-vs-all"), np.zeros((2, 3)))
        with pytest.raises(ValueError, match=says("finite", "index 2")):
            pair.state().as_fractions()
