"""Sums of states, and their differences."""

import warnings

import numpy as np
import pytest
from cases import BROKEN_EXAMPLE, EXAMPLE, Case, examples, forms, one_row
from hypothesis import given
from hypothesis import strategies as st
from oracle import bits, says
from read_state import read_state

from hingemetrics import HingeLoss, HingeState


class TestSum:
    def test_sum(self):
        parts = [EXAMPLE.rows([k]).state() for k in range(3)]
        assert sum(parts) == EXAMPLE.state()
        assert sum(parts, HingeState()) == EXAMPLE.state()
        assert sum([EXAMPLE.state()]) == EXAMPLE.state()

    @pytest.mark.parametrize("other", [None, 1, 0.5, "state", b"", [], HingeLoss()])
    def test_other_kinds(self, other):
        state = EXAMPLE.state()
        for operation in (
            lambda: state + other,
            lambda: other + state,
            lambda: state - other,
            lambda: other - state,
        ):
            with pytest.raises(TypeError):
                operation()

    @pytest.mark.parametrize("seen", [True, False])
    def test_other_configuration(self, seen):
        squared, ova = HingeState(True), HingeState(False, "one-vs-all")
        state = EXAMPLE.state() if seen else HingeState()
        for other, word in ((squared, "squared"), (ova, "multiclass_mode")):
            for operation in (
                lambda other=other: state + other,
                lambda other=other: other + state,
                lambda other=other: state - other,
            ):
                with pytest.raises(ValueError, match=says(word)):
                    operation()

    @pytest.mark.parametrize("case", [*forms(20), BROKEN_EXAMPLE])
    def test_difference_to_the_byte(self, case):
        a, b = case.rows(slice(0, 3)).state(), case.rows(slice(3, None)).state()
        assert ((a + b) - b).to_bytes() == a.to_bytes()
        assert ((a + b) - a).to_bytes() == b.to_bytes()
        assert (a - a).to_bytes() == case.empty().to_bytes()
        assert (a - a).num_classes is None
        assert a - case.empty() == a

    def test_leave_one_out(self):
        whole = BROKEN_EXAMPLE.state()
        for k in range(4):
            rest = BROKEN_EXAMPLE.rows(np.arange(4) != k)
            left = whole - BROKEN_EXAMPLE.rows([k]).state()
            assert left.to_bytes() == rest.state().to_bytes()
            assert bits(left.value()) == bits(rest.expected())


class TestNeverAdded:
    """`a - b` refuses where `b` was visibly never part of `a`."""

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            (HingeState(), one_row(0.5, 1)),
            (one_row(0.5, 1), one_row(0.5, 1) + one_row(0.5, 1)),  # more rows
            (one_row(0.5, 1), one_row(0.25, 1)),  # more loss, no rows left to have it
            (one_row(0.5, 1), one_row(0.75, 1)),  # loss left over, no rows left to have it
            (one_row(0.5, 1) + one_row(0.5, 1), one_row(-9.0, 1)),  # more loss
            (one_row(0.5, 1, 1.0) + one_row(0.5, 1, 1.0), one_row(0.5, 1, 7.0)),  # more weight
            (one_row(0.5, 1) + one_row(0.5, 1), one_row(np.nan, 1)),  # a NaN that was not there
            (one_row(0.5, 1) + one_row(0.5, 1), one_row(-np.inf, 1)),  # nor this inf
            (one_row(np.nan, 1) + one_row(0.5, 1), one_row(-np.inf, 1)),
            (one_row(0.5, 1) + one_row(0.5, 1), one_row(-0.5, 0)),  # no such label
            (one_row(0.5, 1) + one_row(-0.5, 0), one_row(-0.5, -1)),  # nor this coding
            (one_row(0.5, 1) + one_row(0.5, 1), one_row([0.5, 0.0], 1)),
            (one_row([0.5, 0.0], 1) + one_row([0.5, 0.0], 1), one_row(0.5, 1)),
            (one_row([0.5, 0.0], 1) + one_row([0.5, 0.0], 1), one_row([0.5, 0.0, 0.0], 1)),
        ],
    )
    def test_refused(self, a, b):
        before = a.to_bytes(), b.to_bytes()
        with pytest.raises(ValueError, match=r"."):
            a - b
        assert (a.to_bytes(), b.to_bytes()) == before

    def test_an_infinite_loss_keeps_its_weight(self):
        a = one_row(-np.inf, 1) + one_row(0.5, 1)
        with pytest.raises(ValueError, match="the rest would have losses of more than their"):
            a - one_row(0.75, 1, 2.0)

    @pytest.mark.parametrize("classes", [3, 40])
    @pytest.mark.parametrize("pred", [9.5, 1e300, -np.inf, np.inf, np.nan])
    def test_one_class_is_enough(self, classes, pred):
        others = [1.0, *[-1.0] * (classes - 2)]
        seen = one_row([*others, 0.5], 0, mode="one-vs-all")
        other = one_row([*others, pred], 0, mode="one-vs-all")
        if pred == -np.inf:  # it costs nothing: both losses are left
            assert (seen + seen) - other == one_row([*others, 2.0], 0, mode="one-vs-all")
            return
        with pytest.raises(ValueError, match=r"."):
            (seen + seen) - other


class TestManyClasses:
    """States of many classes are handled as arrays, whatever was done to them before."""

    @given(st.data())
    @examples(100)
    def test_any_sequence_is_its_rows(self, data):
        score = st.sampled_from([0.5, -0.25, 0.1, 2.0**30, 5e-324, 1e300, np.nan, np.inf, -np.inf])
        weight = st.sampled_from([None, 0.0, 0.1, 3.0, 5e-324, 1e300])
        shape = data.draw(st.sampled_from([(1, 20), (1, 2)]))
        shards = []
        for _ in range(4):
            preds = np.full(shape, 0.3)
            preds[0, :2] = data.draw(score), data.draw(score)
            heavy = data.draw(weight)
            heavy = None if heavy is None else np.array([heavy])
            shards.append(Case(preds, np.array([1]), heavy, mode="one-vs-all").state())
        total, counts = HingeState(False, "one-vs-all"), [0] * 4
        for _ in range(12):
            k = data.draw(st.integers(0, 3))
            shard = shards[k]
            if data.draw(st.booleans()):
                shard = HingeState.from_bytes(shard.to_bytes())
            if counts[k] and data.draw(st.booleans()):
                total, counts[k] = total - shard, counts[k] - 1
            else:
                total, counts[k] = total + shard, counts[k] + 1
        rows = [one for n, one in zip(counts, shards, strict=True) for _ in range(n)]
        fresh = sum(rows, HingeState(False, "one-vs-all"))
        assert total.to_bytes() == fresh.to_bytes()
        if rows:
            said = read_state(total.to_bytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of weights that are zero
                assert bits(total.value()) == bits(np.array(said.value()))
            assert bits(total.value("sum")) == bits(np.array(said.value(1)))
