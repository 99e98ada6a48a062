"""`HingeState`: an immutable, exact, canonical account of what was seen."""

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from cases import BROKEN_EXAMPLE, EXAMPLE, MODES, Case, cases, examples, forms, name, one_row
from hypothesis import given
from oracle import bits, cells, rounded, says

from hingemetrics import HingeLoss, HingeState, MulticlassMode


class TestAttributes:
    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("mode", [None, *MODES, "ONE_VS_ALL", MulticlassMode.ONE_VS_ALL])
    def test_empty(self, squared, mode):
        state = HingeState(squared, mode)
        assert state == HingeState(squared=squared, multiclass_mode=mode)
        assert state.squared is squared
        assert state.multiclass_mode is MulticlassMode(mode or "crammer-singer")
        assert (state.num_classes, state.count) == (None, 0)
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(state.value()).all()
        assert np.all(state.value("sum") == 0.0)

    @pytest.mark.parametrize("mode", ["ovr", 3])
    def test_unknown_mode(self, mode):
        with pytest.raises(ValueError, match=says("crammer-singer", "one-vs-all")):
            HingeState(False, mode)

    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_seen(self, case):
        state = case.state()
        assert (state.squared, state.multiclass_mode) == (
            case.squared,
            MulticlassMode(case.mode or "crammer-singer"),
        )
        assert (state.num_classes, state.count) == (1 if case.mode is None else 5, 40)
        assert type(state.count) is int
        for reduction in ("mean", "sum"):
            assert bits(state.value(reduction)) == bits(case.expected(reduction))

    def test_ignored_rows_do_not_count(self):
        metric = HingeLoss(ignore_index=0)
        metric.update([1.0, 2.0, 3.0], [0, 1, 1])
        assert metric.state.count == 2

    def test_rows_without_weight_count(self):
        metric = HingeLoss()
        metric.update([1.0, 2.0, 3.0], [0, 1, 1], [0, 0, 1])
        assert metric.state.count == 3

    @pytest.mark.parametrize("reduction", ["none", "median", None, 3])
    def test_unknown_reduction(self, reduction):
        with pytest.raises((ValueError, TypeError), match="mean"):
            EXAMPLE.state().value(reduction)

    @pytest.mark.parametrize(
        "attribute",
        ["squared", "multiclass_mode", "num_classes", "count", "value", "note"],
    )
    def test_immutable(self, attribute):
        state = EXAMPLE.state()
        before = state.to_bytes()
        with pytest.raises((AttributeError, TypeError)):
            setattr(state, attribute, 1)
        with pytest.raises((AttributeError, TypeError)):
            delattr(state, attribute)
        assert state.to_bytes() == before

    @pytest.mark.parametrize("arguments", [(), (True,), (True, "one-vs-all")])
    def test_not_constructed_again(self, arguments):
        state = EXAMPLE.state()
        before = state.to_bytes(), repr(state), hash(state)
        with suppress(TypeError):
            state.__init__(*arguments)
        assert (state.to_bytes(), repr(state), hash(state)) == before

    def test_adding_in_place_makes_another(self):
        state = first = EXAMPLE.state()
        state += first
        assert (state.count, first.count) == (6, 3)
        state -= first
        assert state == first

    def test_value_is_the_callers(self):
        case = Case(np.zeros((2, 3)), np.array([0, 1]), mode="one-vs-all")
        state = case.state()
        before = state.to_bytes()
        for reduction in ("mean", "sum"):
            state.value(reduction)[:] = 7
            assert bits(state.value(reduction)) == bits(case.expected(reduction))
        assert (hash(state), state.to_bytes()) == (hash(case.state()), before)

    def test_repr_tells_what_it_is(self):
        assert repr(EXAMPLE.state()).startswith(("HingeState(", "<HingeState"))


class TestEquality:
    @given(cases())
    @examples(30)
    def test_equal_states_have_equal_hash_and_bytes(self, case):
        one, other = case.state(), case.rows(slice(None, None, -1)).state()
        assert one == other
        assert hash(one) == hash(other)
        assert one.to_bytes() == other.to_bytes()
        assert len({one, other}) == 1

    def test_different(self):
        states = [case.state() for case in forms(9)]
        states += [EXAMPLE.state(), BROKEN_EXAMPLE.state(), EXAMPLE.rows([0, 1]).state()]
        states += [HingeState(s, m) for s in (False, True) for m in MODES]
        assert len({state.to_bytes() for state in states}) == len(states)
        for i, one in enumerate(states):
            assert [one == other for other in states] == [i == j for j in range(len(states))]

    @pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 3e-16])
    def test_one_loss_makes_a_difference(self, value):
        assert Case(np.array([value]), np.array([1])).state() != EXAMPLE.rows([2]).state()

    def test_other_kinds(self):
        state = EXAMPLE.state()
        for other in (None, 0, state.to_bytes(), "state", fed := HingeLoss(), state.value()):
            assert state != other
        assert fed.state == HingeState()


class TestExact:
    @pytest.mark.parametrize("case", forms(30), ids=name)
    def test_doubling_without_end(self, case):
        """2^70 copies and one more sample: far past int64 and the float mantissa, to the bit."""
        state, extra = case.state(), case.rows([7])
        for _ in range(70):
            state = state + state
        assert state.count == 30 * 2**70
        assert bits(state.value()) == bits(case.expected())

        both = state + extra.state()
        assert both.count == 30 * 2**70 + 1
        assert both - state == extra.state()
        assert both - extra.state() == state
        assert HingeState.from_bytes(both.to_bytes()) == both
        sums, weight = zip(*(self.exact(c) for c in (case, extra)), strict=True)
        total = [2**70 * a + b for a, b in zip(*sums, strict=True)]
        means = [rounded(t / (2**70 * weight[0] + weight[1])) for t in total]
        sums = [rounded(t) for t in total]
        vector = case.mode == "one-vs-all"
        assert bits(both.value()) == bits(means if vector else means[0])
        assert bits(both.value("sum")) == bits(sums if vector else sums[0])

    def exact(self, case):
        """The sums of w * l, a column each, and the sum of w, as Fractions."""
        w = [1.0] * len(case) if case.weight is None else case.weight.tolist()
        rows = zip(case.preds.tolist(), case.target.tolist(), strict=True)
        losses = [cells(row, label, case.squared, case.mode) for row, label in rows]
        columns = zip(*losses, strict=True)
        sums = [sum(Fraction(a * b) for a, b in zip(w, c, strict=True)) for c in columns]
        return sums, sum(map(Fraction, w))

    @pytest.mark.parametrize("case", forms(30), ids=name)
    def test_the_end_of_doubling(self, case):
        """The first limit that merging meets is refused, not overflown; all before is exact."""
        state, doubled = case.state(), 0
        while 30 << doubled + 1 < 2**128:
            state = state + state
            doubled += 1
            assert state.count == 30 << doubled
        assert bits(state.value()) == bits(case.expected())
        assert HingeState.from_bytes(state.to_bytes()) == state
        metric = case.metric()
        metric.merge_state(state)
        for add in (lambda: state + state, lambda: metric.merge_state(state)):
            with pytest.raises(ValueError, match=r"fewer than 2\*\*128 samples, got"):
                add()
        assert metric.state == state

    def test_beyond_the_floats(self):
        state = one_row(-1e308, 1)
        for _ in range(12):
            state = state + state
        assert state.value("sum") == np.inf
        assert state.value() == 1e308

    def test_many_non_finite(self):
        state = BROKEN_EXAMPLE.state()
        for _ in range(70):
            state = state + state
        for _ in range(3):
            assert np.isnan(state.value())
        finite = BROKEN_EXAMPLE.rows([3]).state()
        assert bits((finite + state - state).value()) == bits(finite.value())


class TestAsFraction:
    @pytest.mark.parametrize("case", forms(40), ids=name)
    def test_what_value_rounds(self, case):
        state = case.state()
        weight = [1.0] * 40 if case.weight is None else case.weight.tolist()
        rows = zip(case.preds.tolist(), case.target.tolist(), strict=True)
        losses = [cells(row, label, case.squared, case.mode) for row, label in rows]
        sums = tuple(
            sum(Fraction(w * loss) for w, loss in zip(weight, column, strict=True))
            for column in zip(*losses, strict=True)
        )
        means = tuple(total / sum(map(Fraction, weight)) for total in sums)
        for reduction, wanted in (("mean", means), ("sum", sums)):
            found = state.as_fraction(reduction)
            assert found == (wanted if case.mode == "one-vs-all" else wanted[0])
            assert bits(np.array(found, float)) == bits(np.array(state.value(reduction)))
        assert state.as_fraction() == state.as_fraction("mean")

    def test_two_classes_are_two_fractions(self):
        found = Case(np.ones((1, 2)), np.array([0]), mode="one-vs-all").state().as_fraction()
        assert found == (Fraction(0), Fraction(2))
        assert all(type(number) is Fraction for number in found)

    def test_beyond_the_floats(self):
        state = one_row(-1e308, 1)
        for _ in range(12):
            state = state + state
        assert state.as_fraction("sum") == 2**12 * Fraction(1e308)

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (HingeState(), ["samples"]),
            (Case(np.array([0.0, np.nan]), np.array([1, 1])).state(), ["nan"]),
            (Case(np.array([0.0, np.inf]), np.array([0, 0])).state(), ["inf"]),
            (
                Case(np.array([[0, np.nan], [0, 0]]), np.zeros(2, int), mode=MODES[1]).state(),
                ["nan", "index 1"],
            ),
        ],
    )
    def test_where_there_is_none(self, state, words, reduction):
        with pytest.raises(ValueError, match=says(*words)):
            state.as_fraction(reduction)

    def test_weights_of_zero(self):
        state = Case(np.array([0.0]), np.array([1]), np.array([0.0])).state()
        with pytest.raises(ValueError, match=says("weight", "0")):
            state.as_fraction()
        assert state.as_fraction("sum") == 0

    @pytest.mark.parametrize("reduction", ["none", "median", None, 3])
    def test_unknown_reduction(self, reduction):
        with pytest.raises(ValueError, match=says("reduction", "mean", "sum")):
            EXAMPLE.state().as_fraction(reduction)
