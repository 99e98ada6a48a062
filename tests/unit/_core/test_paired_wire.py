"""States of comparisons as bytes: the same ones for the same data, and no others are read."""

import copy
import pickle
import tracemalloc
import zlib

import numpy as np
import pytest
from cases import Case, examples
from hostile_states import spelt
from hypothesis import given
from hypothesis import strategies as st
from pairs import Pair, fingerprint, ordinary, pairs
from read_state import read_paired_state

from hingemetrics import ComparisonState, HingeComparison, HingeState


def one_row(x, y, weight=None, label=1, mode=None):
    weight = None if weight is None else np.array([weight])
    case = Case(np.array([x]), np.array([label]), weight, mode=mode)
    return Pair(case, np.array([y])).state()


BROKEN = Pair(
    Case(
        np.array([np.nan, np.inf, -np.inf, 0.1]), np.array([0, 0, 1, 1]), np.array([0.1, 1, 2, 3])
    ),
    np.array([0.5, 0.5, np.nan, -np.inf]),
)
STATES = {
    "empty": ComparisonState(),
    "empty, squared, one-vs-all": ComparisonState(True, "one-vs-all"),
    "binary": one_row(0.5, -0.25) + one_row(0.25, 0.75, label=0),
    "non-finite": BROKEN.state(),
    "one-vs-all": ordinary(9, ("tenths",))[-1].state(),
    "huge and tiny": one_row(-1e300, 0.5, 1e-300) + one_row(0.5, 0.75, 1e300),
}


class TestBytes:
    @given(pairs())
    @examples(30)
    def test_round_trip(self, pair):
        state = pair.state()
        data = state.to_bytes()
        assert type(data) is bytes
        for kind in (bytes, bytearray, memoryview):
            again = ComparisonState.from_bytes(kind(data))
            assert again == state
            assert fingerprint(again) == fingerprint(state)

    @pytest.mark.parametrize("label", STATES)
    def test_copies(self, label):
        state = STATES[label]
        copies = [pickle.loads(pickle.dumps(state, p)) for p in range(2, 6)]
        for again in (*copies, copy.copy(state), copy.deepcopy(state)):
            assert type(again) is ComparisonState
            assert again == state
            assert again.to_bytes() == state.to_bytes()

    def test_compact(self):
        pair = ordinary(5000, ("tenths",))[0]
        assert len(pair.state().to_bytes()) < 150

    @pytest.mark.parametrize("bad", [None, 0, "", "abcd", [1, 2], {}, ComparisonState(), 1.5])
    def test_wrong_kind(self, bad):
        with pytest.raises(TypeError, match="data must be bytes-like, got"):
            ComparisonState.from_bytes(bad)

    def test_of_another_kind_or_version(self):
        data = STATES["binary"].to_bytes()
        self.refused(HingeState().to_bytes(), "something else")
        self.refused(b"", "something else")
        self.refused(data[:12] + b"\2" + data[13:], "format version 0x02")
        self.refused(data[:12], "format version 0xnone")
        with pytest.raises(ValueError, match="something else"):
            HingeState.from_bytes(data)

    @pytest.mark.parametrize("label", STATES)
    def test_every_flipped_bit_is_noticed(self, label):
        data = bytearray(STATES[label].to_bytes())
        for k in range(0, 8 * len(data), 1 if len(data) < 100 else 7):
            data[k // 8] ^= 1 << k % 8
            self.refused(data)
            data[k // 8] ^= 1 << k % 8
        assert ComparisonState.from_bytes(data) == STATES[label]

    @pytest.mark.parametrize("label", STATES)
    def test_every_truncation_is_noticed(self, label):
        data = STATES[label].to_bytes()
        for k in range(len(data)):
            self.refused(data[:k])
            self.refused(data[k + 1 :])
            if k != len(data) - 4:  # where the checksum begins
                self.refused(sealed(data[:k]))
        for more in (b"\0", b"\xff", data):
            self.refused(data + more)
            self.refused(sealed(data[:-4] + more))

    def refused(self, data, why=""):
        with pytest.raises(ValueError, match=f"the bytes of a ComparisonState, got .*{why}"):
            ComparisonState.from_bytes(data)


def sealed(body):
    """Bytes with a checksum that is right."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def spelt_pair(*numbers, flags=0):
    return spelt(*numbers, flags=flags, magic=b"paired-hinge\x01")


# Classes, samples, targets 0 and -1; weight and its square; NaN, inf and sum of each of both
# losses; the sum of squares; sign, exponent and mantissa of the sum of products. 1077 is the
# exponent of 1, 2154 that of a product of ones; 0 for no groups. One sample of losses 1 and 2.
HEAD, WEIGHTS = (1, 1, 0, 0), (1077, 1, 2154, 1)
LOSSES, SQUARE, PRODUCT = (0, 0, 1077, 1, 0, 0, 1078, 1), (2154, 1), (1, 2154, 1)
ONE_PAIR = (*HEAD, *WEIGHTS, *LOSSES, *SQUARE, *PRODUCT, 0)


def changed(**numbers):
    """The numbers of ONE_PAIR, by their place, replaced."""
    found = list(ONE_PAIR)
    for place, number in numbers.items():
        found[int(place[1:])] = number
    return found


HOSTILE = {
    "samples": changed(_1=2**159999),
    "classes": (2**64, *ONE_PAIR[1:]),  # 2**40 have one loss, if they are not one-vs-all
    "exponent of weights": changed(_4=2**40),
    "exponent of squared weights": changed(_6=2**40),
    "exponent of losses": changed(_10=2**40),
    "exponent of squares": changed(_16=2**40),
    "exponent of products": changed(_19=2**40),
    "enormous exponent": changed(_19=2**2**17),
    "mantissa of products": changed(_19=0, _20=2**159999 + 1),
    "NaN": changed(_8=2**159999),
    "inf": changed(_13=2),
}
CONTRADICTIONS = {
    "flags": changed(),
    "mixed codings": (1, 2, 1, 1, 1078, 1, 2155, 1, *[0] * 14),
    "targets of classes": (2, 1, 1, 0, *ONE_PAIR[4:]),
    "more targets than samples": changed(_2=2),
    "samples of no classes": (0, 1, 0, 0, *WEIGHTS, 0),
    "classes of no samples": (1, 0, 0, 0, 0, 0, 0, 0, *[0] * 14),
    "weight without samples": (0, 0, 0, 0, *WEIGHTS, 0),
    "no squared weight": changed(_6=0, _7=0),
    "too small a squared weight": changed(_6=2153),
    "too large a squared weight": changed(_6=2155),
    "a weight finer than any double": changed(_4=1, _6=2),
    "losses without weight": (*HEAD, 0, 0, 0, 0, *LOSSES, *SQUARE, 0, 0, 0, 0),
    "a loss and NaN of one sample": changed(_8=1),
    "too small a square": changed(_16=2153),
    "too large a square": changed(_17=7),
    "a square finer than any product": changed(_16=2, _17=2**2153 + 1),
    "products without squares": (*HEAD, *WEIGHTS, *[0] * 8, 0, 0, 0, 2154, 1, 0),
    "too large a product": changed(_19=2155),
    "a product finer than any": changed(_19=5),
    "an even mantissa": changed(_19=2153, _20=2),
    "a negative zero": changed(_18=1, _19=0, _20=0),
    "another sign": changed(_18=2),
    "a number too many": (*ONE_PAIR, 0),
    "a number too few": ONE_PAIR[:-1],
}


# Two samples of losses 1 and 2, in the groups "a" and "b": of each the length of its name, the
# name, samples, weight, and the sign and size of its difference.
TWO = (1, 2, 0, 0, 1078, 1, 2155, 1, 0, 0, 1078, 1, 0, 0, 1079, 1, 2155, 1, 1, 2155, 1)
STR, INT, BOOL = 1, 2, 3
ONE = (1, 1077, 1, 1, 1077, 1)


def in_groups(*groups, kind=STR, number=None):
    numbers = [*TWO, kind, len(groups) if number is None else number]
    for written, *sums in groups:
        numbers += [len(written), written, *sums]
    return numbers


A, B = (b'"a"', *ONE), (b'"b"', *ONE)
HOSTILE_GROUPS = {
    "unsorted": in_groups(B, A),
    "twice the same": in_groups(A, A),
    "more groups than samples": in_groups(A, B, number=3),
    "more groups than samples, but not their bytes": in_groups(A, B, number=2**40),
    "groups of nobody": (*[0] * 8, STR, 0),
    "fewer groups": in_groups(A),
    "a group of nobody": in_groups((b'"a"', 2, 1078, 1, 1, 1078, 1), (b'"b"', *[0] * 6)),
    "another number of samples": in_groups((b'"a"', 2, *ONE[1:]), B),
    "another weight": in_groups((b'"a"', 1, 1078, *ONE[2:]), B),
    "another difference": in_groups((b'"a"', 1, 1077, 1, 1, 1078, 1), B),
    "another sign": in_groups((b'"a"', 1, 1077, 1, 0, 1077, 1), B),
    "an unknown kind": in_groups(A, B, kind=8),
    "names of another kind": in_groups(A, B, kind=INT),
    "numbers for text": in_groups((b"1", *ONE), (b"2", *ONE)),
    "numbers for truths": in_groups((b"0", *ONE), (b"1", *ONE), kind=BOOL),
    "no name": in_groups((b"", *ONE), B),
    "no JSON": in_groups((b'"', *ONE), B),
    "another spelling": in_groups((b'"\\u0061"', *ONE), B),
    "blanks": in_groups((b' "a"', *ONE), B),
    "null": in_groups((b"null", *ONE), B),
    "NaN": in_groups((b"NaN", *ONE), B, kind=4),
    "a list": in_groups((b"[1]", *ONE), B),
    "a deep list": in_groups((b"[" * 100_000, *ONE), B),
    "a deep list behind a blank": in_groups((b" " + b"[" * 100_000, *ONE), B),
    "UTF-16": in_groups(('"a"'.encode("utf-16"), *ONE), B),
    "bytes that are no text": in_groups((b'"\xff"', *ONE), B),
    "a number of many digits": in_groups((b"1", *ONE), (b"9" * 5000, *ONE), kind=INT),
    "no 64-bit number": in_groups((b"1", *ONE), (b"18446744073709551616", *ONE), kind=INT),
}


class TestHostileBytes:
    """With a correct checksum, so that only the content can be wrong."""

    def test_spelling(self):
        assert spelt_pair(*ONE_PAIR) == one_row(0.0, -1.0).to_bytes()
        assert fingerprint(self.read(spelt_pair(*ONE_PAIR))) == fingerprint(one_row(0.0, -1.0))

    @pytest.mark.parametrize("flags", [0, 2])
    @pytest.mark.parametrize("what", HOSTILE)
    def test_absurd_numbers(self, what, flags):
        self.refused(spelt_pair(*HOSTILE[what], flags=flags))

    @pytest.mark.parametrize("what", CONTRADICTIONS)
    def test_contradictions(self, what):
        self.refused(spelt_pair(*CONTRADICTIONS[what], flags=4 if what == "flags" else 0))

    def test_spelling_of_groups(self):
        metric = HingeComparison()
        metric.update([0.0, 0.0], [-1.0, -1.0], [1, 1], groups=["b", "a"])
        assert spelt_pair(*in_groups(A, B)) == metric.state.to_bytes()
        assert self.read(metric.state.to_bytes()) == metric.state
        said = read_paired_state(metric.state.to_bytes())
        assert said.groups == [(name, 1, 1, [-1]) for name in "ab"]

    @pytest.mark.parametrize("what", HOSTILE_GROUPS)
    def test_groups(self, what):
        data = spelt_pair(*HOSTILE_GROUPS[what])
        with pytest.raises(ValueError, match="the bytes of a ComparisonState, got"):
            self.read(data)

    @pytest.mark.parametrize("index", range(len(ONE_PAIR)))
    def test_other_spellings(self, index):
        """A longer length of the same number, or the number with a zero on top."""
        start = len(spelt_pair(*ONE_PAIR[:index])) - 4
        stop = len(spelt_pair(*ONE_PAIR[: index + 1])) - 4
        data = spelt_pair(*ONE_PAIR)
        length, digits = data[start], data[start + 1 : stop]
        for other in (bytes([length | 0x80, 0]) + digits, bytes([length + 1]) + digits + b"\0"):
            self.refused(sealed(data[:start] + other + data[stop:-4]), "a number with zeros on top")

    def test_the_largest_that_is_possible(self):
        """The sums of two samples whose losses and weights are the largest doubles."""
        largest = float(np.finfo(float).max)
        state = one_row(-largest, 1.0, 1.0) + one_row(1.0, 1.0, largest)
        assert self.read(state.to_bytes()) == state

    @given(st.data())
    @examples(200)
    def test_an_independent_reader_refuses_the_same(self, data):
        """A number of a possible state is replaced by any other."""
        numbers = list(ONE_PAIR)
        places = st.integers(0, len(numbers) - 1)
        values = st.sampled_from([0, 1, 2, 3, 6, 7, 1074, 1076, 1078, 2148, 2153, 2155, 2156, 2200])
        for _ in range(data.draw(st.integers(1, 4))):
            numbers[data.draw(places)] = data.draw(values)
        raw = spelt_pair(*numbers, flags=data.draw(st.sampled_from([0, 0, 0, 1, 2, 3])))
        try:
            said = read_paired_state(raw)
        except ValueError:
            self.refused(raw)
            return
        state = self.read(raw)
        assert state.to_bytes() == raw
        assert state.count == said.samples

    @given(pairs(), pairs())
    @examples(40)
    def test_what_is_left_is_possible(self, pair, other):
        """Whatever is taken out: what is left can be read again, or it is refused."""
        try:
            rest = pair.state() - other.state()
        except ValueError:
            return
        assert ComparisonState.from_bytes(rest.to_bytes()) == rest
        read_paired_state(rest.to_bytes())

    def read(self, data):
        return ComparisonState.from_bytes(data)

    def refused(self, data, why=""):
        with pytest.raises(ValueError, match=r"."):  # what the first call imports is not counted
            ComparisonState.from_bytes(data)
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=f"of a ComparisonState, got .*{why}"):
                ComparisonState.from_bytes(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        with pytest.raises(ValueError, match=r"."):
            read_paired_state(data)
        assert peak < 200 * len(data) + 100_000


def test_the_sum_of_metrics():
    """What is written to a file on one machine goes on on another."""
    metric = HingeComparison()
    for state in (STATES["binary"], STATES["non-finite"], STATES["binary"]):
        metric.merge_state(ComparisonState.from_bytes(state.to_bytes()))
    assert metric.state - STATES["non-finite"] == STATES["binary"] + STATES["binary"]
