"""Reads the bytes of a state, as docs/state_format.md has them, with Python's library alone."""

import math
import zlib
from fractions import Fraction
from typing import NamedTuple

SMALLEST, LARGEST = Fraction(2) ** -1074, Fraction(2**1024 - 2**971)  # doubles above zero


class State(NamedTuple):
    """What was seen; `losses` has for each loss the NaN, the infinite and the sum of the others."""

    squared: bool
    one_vs_all: bool
    classes: int
    samples: int
    zeros: int
    negatives: int
    weight: Fraction
    losses: list[tuple[int, int, Fraction]]

    def value(self, divisor=None):
        """The mean, or the sum for divisor 1: a float, or a list for one-vs-all of classes."""
        divisor = self.weight if divisor is None else divisor
        values = [_divided(*loss, divisor) for loss in self.losses or [(0, 0, Fraction(0))]]
        return values if self.one_vs_all and self.classes > 1 else values[0]


def read_state(data):
    """Return the state that bytes spell, or raise ValueError."""
    body, check = data[:-4], data[-4:]
    if body[:6] != b"hinge\x01" or zlib.crc32(body) != int.from_bytes(check, "little"):
        raise ValueError("not a state of version 1, or a damaged one")
    rest = list(reversed(body[6:]))
    try:
        flags = rest.pop()
        classes, samples, zeros, negatives = (_number(rest) for _ in range(4))
        _must(flags <= 3 and classes < 2**63 and samples < 2**128)
        weight = _sum(rest)
        columns = classes if flags & 2 else min(classes, 1)
        losses = [(_number(rest), _number(rest), _sum(rest)) for _ in range(columns)]
    except IndexError:
        raise ValueError("bytes are missing") from None
    _must(not rest)
    state = State(
        bool(flags & 1), bool(flags & 2), classes, samples, zeros, negatives, weight, losses
    )
    _check(state)
    return state


def _check(state):
    """Raise for what no data could have made."""
    _must((state.classes == 0) == (state.samples == 0))
    _must(state.zeros + state.negatives <= (state.samples if state.classes == 1 else 0))
    _must(not (state.zeros and state.negatives))
    _must(state.weight % SMALLEST == 0)
    _must(state.weight <= state.samples * LARGEST)
    for nan, infinite, total in state.losses:
        _must(total % SMALLEST == 0)
        _must(nan + infinite <= state.samples)
        _must(total <= (state.samples - nan - infinite) * LARGEST)
        _must(infinite * SMALLEST <= state.weight)
        _must(total <= (state.weight - infinite * SMALLEST) * 2**1024)


def _must(true):
    """Raise unless something is true of the bytes."""
    if not true:
        raise ValueError("not the canonical bytes of what data could have made")


def _number(rest):
    """Return the next number: how many bytes it has, seven bits a byte, and those."""
    length = shift = 0
    while (byte := rest.pop()) > 127:
        length |= (byte & 127) << shift
        shift += 7
    _must(byte or not shift)
    length |= byte << shift
    if length > len(rest):
        raise IndexError
    digits = bytes(rest.pop() for _ in range(length))
    _must(digits[-1:] != b"\0")
    return int.from_bytes(digits, "little")


def _sum(rest):
    """Return the next sum: an exponent and a mantissa."""
    exponent, mantissa = _number(rest), _number(rest)
    _must(mantissa % 2 or exponent == mantissa == 0)
    _must(exponent <= 2101 + 128)  # no sum is longer; and a larger power would take its time
    return mantissa * Fraction(2) ** (exponent - 1077)


def _divided(nan, inf, total, divisor):
    """Return a loss, rounded once."""
    if nan or not divisor:
        return math.nan
    try:
        return math.inf if inf else float(total / divisor)
    except OverflowError:
        return math.inf
