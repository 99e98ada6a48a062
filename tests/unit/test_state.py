"""`HingeState`: an immutable, exact, canonical account of what was seen."""

import copy
import pickle
import tracemalloc
import warnings
import zlib
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from cases import BROKEN, MODES, Case, battery, cases, forms, labels, name, weights
from hostile_states import HOSTILE, ONE_LOSS, spelt
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import bits, cells, rounded, says
from read_state import read_state

from hingemetrics import HingeLoss, HingeState, MulticlassMode

EXAMPLE = Case(np.array([-2.2, 2.4, 0.1]), np.array([0, 1, 1]))
BROKEN_EXAMPLE = Case(np.array([*BROKEN, 0.1]), np.array([0, 0, 1, 1]), np.array([0.1, 1, 2, 3]))


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
    @settings(max_examples=30)
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


def one(preds, label, weight=None, mode=None):
    weight = None if weight is None else np.array([weight])
    return Case(np.array([preds]), np.array([label]), weight, mode=mode).state()


class TestNeverAdded:
    """`a - b` refuses where `b` was visibly never part of `a`."""

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            (HingeState(), one(0.5, 1)),
            (one(0.5, 1), one(0.5, 1) + one(0.5, 1)),  # more rows
            (one(0.5, 1), one(0.25, 1)),  # more loss, no rows left to have it
            (one(0.5, 1), one(0.75, 1)),  # loss left over, no rows left to have it
            (one(0.5, 1) + one(0.5, 1), one(-9.0, 1)),  # more loss
            (one(0.5, 1, 1.0) + one(0.5, 1, 1.0), one(0.5, 1, 7.0)),  # more weight
            (one(0.5, 1) + one(0.5, 1), one(np.nan, 1)),  # a NaN that was not there
            (one(0.5, 1) + one(0.5, 1), one(-np.inf, 1)),  # nor this inf
            (one(np.nan, 1) + one(0.5, 1), one(-np.inf, 1)),
            (one(0.5, 1) + one(0.5, 1), one(-0.5, 0)),  # no such label
            (one(0.5, 1) + one(-0.5, 0), one(-0.5, -1)),  # nor this coding
            (one(0.5, 1) + one(0.5, 1), one([0.5, 0.0], 1)),
            (one([0.5, 0.0], 1) + one([0.5, 0.0], 1), one(0.5, 1)),
            (one([0.5, 0.0], 1) + one([0.5, 0.0], 1), one([0.5, 0.0, 0.0], 1)),
        ],
    )
    def test_refused(self, a, b):
        before = a.to_bytes(), b.to_bytes()
        with pytest.raises(ValueError, match=r"."):
            a - b
        assert (a.to_bytes(), b.to_bytes()) == before

    def test_an_infinite_loss_keeps_its_weight(self):
        a = one(-np.inf, 1) + one(0.5, 1)
        with pytest.raises(ValueError, match="the rest would have losses of more than their"):
            a - one(0.75, 1, 2.0)

    @pytest.mark.parametrize("classes", [3, 40])
    @pytest.mark.parametrize("pred", [9.5, 1e300, -np.inf, np.inf, np.nan])
    def test_one_class_is_enough(self, classes, pred):
        others = [1.0, *[-1.0] * (classes - 2)]
        seen = one([*others, 0.5], 0, mode="one-vs-all")
        other = one([*others, pred], 0, mode="one-vs-all")
        if pred == -np.inf:  # it costs nothing: both losses are left
            assert (seen + seen) - other == one([*others, 2.0], 0, mode="one-vs-all")
            return
        with pytest.raises(ValueError, match=r"."):
            (seen + seen) - other


STATES = {
    "empty": HingeState(),
    "empty, squared, one-vs-all": HingeState(True, "one-vs-all"),
    "binary": EXAMPLE.state(),
    "non-finite": BROKEN_EXAMPLE.state(),
    "one-vs-all": Case(np.eye(3) / 3, np.arange(3), mode="one-vs-all").state(),
    **{name(case): case.state() for case in forms(50) if case.squared and case.weight is not None},
}


class TestBytes:
    @given(cases())
    @pytest.mark.filterwarnings("ignore::UserWarning")  # of batches of no weight
    def test_round_trip(self, case):
        state = case.state()
        data = state.to_bytes()
        assert type(data) is bytes
        for kind in (bytes, bytearray, memoryview):
            again = HingeState.from_bytes(kind(data))
            assert again == state
            assert again.to_bytes() == data
            assert (again.count, again.num_classes, hash(again)) == (
                state.count,
                state.num_classes,
                hash(state),
            )
        if len(case):
            assert bits(again.value()) == bits(case.expected())

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, protocol):
        for case in battery(20):
            again = pickle.loads(pickle.dumps(case.state(), protocol))
            assert type(again) is HingeState
            assert again.to_bytes() == case.state().to_bytes()

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
    def test_copy(self, duplicate):
        for state in STATES.values():
            assert duplicate(state) == state
            assert duplicate(state).to_bytes() == state.to_bytes()
            assert duplicate({"state": [state]})["state"][0] == state

    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("kind", [None, "uniform"])
    @pytest.mark.parametrize("mode", [None, "crammer-singer"])
    def test_compact(self, mode, kind, squared):
        rng = np.random.default_rng(0)
        preds = rng.normal(size=100_000 if mode is None else (100_000, 10))
        target = labels(rng, 100_000, 10 if mode else None)
        weight = weights(rng, 100_000, kind)
        assert len(Case(preds, target, weight, squared, mode).state().to_bytes()) < 200

    @pytest.mark.parametrize("bad", [None, 0, "", "abcd", [1, 2], {}, HingeState(), 1.5])
    def test_wrong_kind(self, bad):
        with pytest.raises(TypeError, match="bytes"):
            HingeState.from_bytes(bad)

    @pytest.mark.parametrize("label", STATES)
    def test_every_flipped_bit_is_noticed(self, label):
        data = bytearray(STATES[label].to_bytes())
        for k in range(8 * len(data)):
            data[k // 8] ^= 1 << k % 8
            self.corrupt(data)
            data[k // 8] ^= 1 << k % 8
        assert HingeState.from_bytes(data) == STATES[label]

    @pytest.mark.parametrize("label", STATES)
    def test_every_truncation_is_noticed(self, label):
        data = STATES[label].to_bytes()
        for k in range(len(data)):
            self.corrupt(data[:k])
            self.corrupt(data[k + 1 :])

    @pytest.mark.parametrize("label", STATES)
    @pytest.mark.parametrize("more", [b"\0", b"\xff", b"\n", b"\0" * 8])
    def test_trailing_bytes_are_noticed(self, label, more):
        self.corrupt(STATES[label].to_bytes() + more)
        self.corrupt(more + STATES[label].to_bytes())
        self.corrupt(STATES[label].to_bytes() * 2)

    @given(st.binary(max_size=300), st.integers(0, 60))
    def test_noise_is_noticed(self, noise, kept):
        data = EXAMPLE.state().to_bytes()[:kept] + noise
        if data != EXAMPLE.state().to_bytes():
            self.corrupt(data)

    def test_hostile_lengths_allocate_little(self):
        tracemalloc.start()
        try:
            for state in STATES.values():
                data = state.to_bytes()
                for width in (1, 2, 4, 8):
                    for k in range(len(data) - width + 1):
                        for fill in (b"\xff", b"\x7f"):
                            hostile = data[:k] + fill * width + data[k + width :]
                            if hostile != data:
                                self.corrupt(hostile)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 1_000_000

    def corrupt(self, data):
        with pytest.raises(ValueError, match=r"."):
            HingeState.from_bytes(data)


LARGEST = int(Fraction(np.finfo(float).max) * 2**1077)


def written(samples, zeros, negatives, weight, nan, infinite, total, classes=1):
    """The bytes of numbers that may be those of a one-vs-all state, sums in units of 2**-1077.

    It is binary, or the losses are those of the last of its classes.
    """
    if not any((samples, zeros, negatives, weight, nan, infinite, total)):
        return spelt(0, 0, 0, 0, 0, 0, flags=2)
    losses = (0, 0, 0, 0) * (classes - 1) + (nan, infinite, *split(total))
    return spelt(classes, samples, zeros, negatives, *split(weight), *losses, flags=2)


def split(total):
    """A sum as its exponent and odd mantissa."""
    exponent = max((total & -total).bit_length() - 1, 0)
    return exponent, total >> exponent


def is_possible(data):
    """Whether a reader that is not the package's takes bytes."""
    try:
        read_state(data)
    except ValueError:
        return False
    return True


def read(data):
    """The state that bytes spell, or None where both readers refuse them."""
    try:
        state = HingeState.from_bytes(data)
    except ValueError:
        assert not is_possible(data)
        return None
    assert is_possible(data)
    return state


class TestHostileBytes:
    """The checksum is right, so that only what the bytes say can be wrong."""

    def test_spelling(self):
        state = one(0.0, 1)
        assert spelt(*ONE_LOSS) == state.to_bytes()
        assert HingeState.from_bytes(spelt(*ONE_LOSS)).value() == 1.0

    @pytest.mark.parametrize("flags", [0, 2])
    @pytest.mark.parametrize("what", HOSTILE)
    def test_absurd_numbers(self, what, flags):
        self.refused(spelt(*HOSTILE[what], flags=flags))

    def test_sums_longer_than_their_bytes(self):
        """A few bytes a class, each of which spells a sum of hundreds: but not of more."""
        numbers = (5000, 1, 0, 0, 0, 0, *(0, 0, 2100, 1) * 5000)
        self.refused(spelt(*numbers, flags=2))

    def test_finer_than_any_double(self):
        """Units are an eighth of the smallest double above zero."""
        for fine in ((0, 1), (1, 1), (2, 1), (0, 2**60 + 1)):
            self.refused(spelt(*ONE_LOSS[:4], *fine, 0, 0, 0, 0))
            self.refused(spelt(*ONE_LOSS[:-2], *fine))
            self.refused(spelt(2, 1, 0, 0, 1077, 1, *(0, 0, 0, 0), *(0, 0, *fine), flags=2))
        smallest = HingeState.from_bytes(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 3, 1))
        assert smallest == one(0.0, 1, 5e-324)

    def test_more_than_the_largest_double(self):
        """One sample has one weight and one loss, which are doubles."""
        largest = (2048, 2**53 - 1)
        for more in ((2101, 1), (3, (2**53 - 1 << 2045) + 1)):
            self.refused(spelt(*ONE_LOSS[:4], *more, 0, 0, 0, 0))
            self.refused(spelt(*ONE_LOSS[:4], *largest, 0, 0, *more))
        at_most = HingeState.from_bytes(spelt(*ONE_LOSS[:4], *largest, 0, 0, *largest))
        assert at_most == one(0.0, 1, np.finfo(float).max)

    def test_infinite_losses_without_weight(self):
        """An infinite loss has a weight, of 2**-1074 at least; NaN needs none, for 0 * inf is."""
        self.refused(spelt(1, 1, 0, 0, 0, 0, 0, 1, 0, 0))
        self.refused(spelt(1, 2, 0, 0, 3, 1, 0, 2, 0, 0))
        self.refused(spelt(1, 2, 0, 0, 3, 1, 0, 1, 3, 1))  # what is left has no weight
        self.refused(spelt(2, 1, 0, 0, 0, 0, *(0, 0, 0, 0), *(0, 1, 0, 0), flags=2))
        nan = HingeState.from_bytes(spelt(1, 1, 0, 0, 0, 0, 1, 0, 0, 0))
        assert nan == one(-np.inf, 1, 0.0)
        both = one(-np.inf, 1, 5e-324) + one(-np.inf, 1, 5e-324)
        assert HingeState.from_bytes(spelt(1, 2, 0, 0, 4, 1, 0, 2, 0, 0)) == both

    def test_losses_of_more_than_their_weight(self):
        """A weight times a loss is below 2**1024 times the weight."""
        self.refused(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 1028, 1))
        largest = HingeState.from_bytes(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 974, 2**53 - 1))
        assert largest == one(-np.finfo(float).max, 1, 5e-324)

    @given(st.data())
    @settings(max_examples=300)
    def test_an_independent_reader_refuses_the_same(self, data):
        """What is read, and what is left when one state is taken out of another."""
        small = st.sampled_from([0, 1, 1, 2, 3])
        total = st.sampled_from(
            [0, 4, 8, 8, 16, 24, 8 << 1024, 1 << 1077, 3 << 1076, 1 << 1150, LARGEST, 2 * LARGEST]
        )
        record = st.tuples(small, st.just(0), st.just(0), total, small, small, total)
        a, b = data.draw(record), data.draw(record)
        classes = data.draw(st.sampled_from([1, 20]))
        states = [read(written(*numbers, classes=classes)) for numbers in (a, b)]
        left = [mine - its for mine, its in zip(a, b, strict=True)]
        if None not in states:
            possible = min(left) >= 0 and is_possible(written(*left, classes=classes))
            try:
                assert (states[0] - states[1]).to_bytes() == written(*left, classes=classes)
                assert possible
            except ValueError:
                assert not possible

    def test_losses_without_weight(self):
        self.refused(spelt(*ONE_LOSS[:4], 0, 0, *ONE_LOSS[6:]))
        self.refused(spelt(2, 1, 0, 0, 0, 0, *(0, 0, 0, 0), *(0, 0, 0, 1), flags=2))
        nothing = HingeState.from_bytes(spelt(*ONE_LOSS[:4], 0, 0, 0, 0, 0, 0))
        assert nothing == one(0.0, 1, 0.0)

    @pytest.mark.parametrize(
        "numbers",
        [
            (1, 1, 0, 0, 1076, 2, 0, 0, 1077, 1),  # an even mantissa
            (1, 1, 1, 1, 1077, 1, 0, 0, 1077, 1),  # more targets than samples
            (2, 1, 1, 0, 1077, 1, 0, 0, 1077, 1),  # targets 0 of several classes
            (1, 1, 0, 0, 1077, 1, 1, 0, 1077, 1),  # a loss of a sample whose loss is NaN
            (1, 1, 0, 0, 1077, 1, 1, 1, 0, 0),  # both NaN and inf
            (1, 0, 0, 0, 0, 0, 0, 0, 0, 0),  # classes of no samples
            (0, 1, 0, 0, 1077, 1),  # samples of no classes
            (1, 2, 1, 1, 1078, 1, 0, 0, 0, 0),  # two codings
            (*ONE_LOSS, 0),
            ONE_LOSS[:-1],
        ],
    )
    def test_contradictions(self, numbers):
        self.refused(spelt(*numbers))

    @pytest.mark.parametrize("index", range(len(ONE_LOSS)))
    def test_other_spellings(self, index):
        """A longer length of the same number, or the number with a zero on top."""
        start = len(spelt(*ONE_LOSS[:index])) - 4
        stop = len(spelt(*ONE_LOSS[: index + 1])) - 4
        data = spelt(*ONE_LOSS)
        length, digits = data[start], data[start + 1 : stop]
        for other in (
            bytes([length | 0x80, 0]) + digits,
            bytes([length | 0x80, 0x80, 0]) + digits,
            bytes([length + 1]) + digits + b"\0",
        ):
            body = data[:start] + other + data[stop:-4]
            self.refused(
                body + zlib.crc32(body).to_bytes(4, "little"), "a number with zeros on top"
            )

    @pytest.mark.parametrize("sums", [(1076, 2), (1, 0), (0, 2)])
    def test_other_sums(self, sums):
        self.refused(spelt(*ONE_LOSS[:4], *sums, *ONE_LOSS[6:]), "an even mantissa")
        self.refused(spelt(*ONE_LOSS[:-2], *sums), "an even mantissa")

    def refused(self, data, why=""):
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=f"the bytes of a HingeState, got .*{why}"):
                HingeState.from_bytes(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 200 * len(data) + 100_000


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
        state = one(-1e308, 1)
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
        state = one(-1e308, 1)
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


class TestManyClasses:
    """States of many classes are worked on as arrays, whatever they have been through."""

    @given(st.data())
    @settings(max_examples=100)
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
