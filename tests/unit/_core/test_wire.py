"""States as bytes: the same ones for the same data, and no others are read."""

import copy
import pickle
import tracemalloc
import zlib
from fractions import Fraction

import numpy as np
import pytest
from cases import (
    BROKEN_EXAMPLE,
    EXAMPLE,
    Case,
    battery,
    cases,
    examples,
    forms,
    labels,
    name,
    one_row,
    weights,
)
from hostile_states import HOSTILE, ONE_LOSS, spelt
from hypothesis import given
from hypothesis import strategies as st
from oracle import bits
from read_state import read_state

from hingemetrics import HingeState

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
    """With a correct checksum, so that only the content can be wrong."""

    def test_spelling(self):
        state = one_row(0.0, 1)
        assert spelt(*ONE_LOSS) == state.to_bytes()
        assert HingeState.from_bytes(spelt(*ONE_LOSS)).value() == 1.0

    @pytest.mark.parametrize("flags", [0, 2])
    @pytest.mark.parametrize("what", HOSTILE)
    def test_absurd_numbers(self, what, flags):
        self.refused(spelt(*HOSTILE[what], flags=flags))

    def test_sums_longer_than_their_bytes(self):
        """A few bytes per class may claim a sum of hundreds of bytes, but not more."""
        numbers = (5000, 1, 0, 0, 0, 0, *(0, 0, 2100, 1) * 5000)
        self.refused(spelt(*numbers, flags=2))

    def test_finer_than_any_double(self):
        """Units are an eighth of the smallest double above zero."""
        for fine in ((0, 1), (1, 1), (2, 1), (0, 2**60 + 1)):
            self.refused(spelt(*ONE_LOSS[:4], *fine, 0, 0, 0, 0))
            self.refused(spelt(*ONE_LOSS[:-2], *fine))
            self.refused(spelt(2, 1, 0, 0, 1077, 1, *(0, 0, 0, 0), *(0, 0, *fine), flags=2))
        smallest = HingeState.from_bytes(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 3, 1))
        assert smallest == one_row(0.0, 1, 5e-324)

    def test_more_than_the_largest_double(self):
        """One sample has one weight and one loss, which are doubles."""
        largest = (2048, 2**53 - 1)
        for more in ((2101, 1), (3, (2**53 - 1 << 2045) + 1)):
            self.refused(spelt(*ONE_LOSS[:4], *more, 0, 0, 0, 0))
            self.refused(spelt(*ONE_LOSS[:4], *largest, 0, 0, *more))
        at_most = HingeState.from_bytes(spelt(*ONE_LOSS[:4], *largest, 0, 0, *largest))
        assert at_most == one_row(0.0, 1, np.finfo(float).max)

    def test_infinite_losses_without_weight(self):
        """An infinite loss has a weight, of 2**-1074 at least; NaN needs none, for 0 * inf is."""
        self.refused(spelt(1, 1, 0, 0, 0, 0, 0, 1, 0, 0))
        self.refused(spelt(1, 2, 0, 0, 3, 1, 0, 2, 0, 0))
        self.refused(spelt(1, 2, 0, 0, 3, 1, 0, 1, 3, 1))  # what is left has no weight
        self.refused(spelt(2, 1, 0, 0, 0, 0, *(0, 0, 0, 0), *(0, 1, 0, 0), flags=2))
        nan = HingeState.from_bytes(spelt(1, 1, 0, 0, 0, 0, 1, 0, 0, 0))
        assert nan == one_row(-np.inf, 1, 0.0)
        both = one_row(-np.inf, 1, 5e-324) + one_row(-np.inf, 1, 5e-324)
        assert HingeState.from_bytes(spelt(1, 2, 0, 0, 4, 1, 0, 2, 0, 0)) == both

    def test_losses_of_more_than_their_weight(self):
        """A weight times a loss is below 2**1024 times the weight."""
        self.refused(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 1028, 1))
        largest = HingeState.from_bytes(spelt(*ONE_LOSS[:4], 3, 1, 0, 0, 974, 2**53 - 1))
        assert largest == one_row(-np.finfo(float).max, 1, 5e-324)

    @given(st.data())
    @examples(300)
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
        assert nothing == one_row(0.0, 1, 0.0)

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
