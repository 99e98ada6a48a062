"""Reads the bytes of a state, as docs/state_format.md has them, with Python's library alone."""

import json
import math
import re
import zlib
from fractions import Fraction
from typing import NamedTuple

# Names of groups in JSON, of each kind: str, int, bool, float, dates, times without and with zone.
KINDS = (rb'".*"', rb"0|-?[1-9]\d{0,19}", rb"true|false", *[rb'"[^"]*"'] * 4)
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


class PairedState(NamedTuple):
    """What was seen of two models: `columns` has for each loss the two, squares and products."""

    squared: bool
    one_vs_all: bool
    classes: int
    samples: int
    zeros: int
    negatives: int
    weight: Fraction
    squared_weights: Fraction
    columns: list[tuple[tuple[int, int, Fraction], tuple[int, int, Fraction], Fraction, Fraction]]
    kind: int  # of the names of groups, from 1 on, or 0
    groups: list[tuple[object, int, Fraction, list[Fraction]]]  # name, samples, weight, differences

    def state(self, model):
        """The state of the losses of one model, 0 or 1."""
        return State(*self[:7], [column[model] for column in self.columns])

    def variances(self):
        """The square of the standard error of each difference, or None."""
        return [self._variance(place, *column) for place, column in enumerate(self.columns)]

    def _variance(self, place, first, second, squares, products):
        n = len(self.groups) if self.kind else self.samples
        if n < 2 or not self.weight or any(first[:2] + second[:2]):
            return None
        mean = (first[2] - second[2]) / self.weight
        spread = squares - 2 * mean * products + mean**2 * self.squared_weights
        if self.kind:
            spread = sum((d[place] - mean * weight) ** 2 for _, _, weight, d in self.groups)
        return Fraction(n, n - 1) * spread / self.weight**2


def read_state(data):
    """Return the state that bytes spell, or raise ValueError."""
    return _read(data, b"hinge\x01", State, lambda rest: [_sum(rest)], _loss, lambda *_: ())


def read_paired_state(data):
    """Return the state of a comparison that bytes spell, or raise ValueError."""

    def weights(rest):
        return [_sum(rest), _sum(rest, factors=2)]

    def column(rest):
        return _loss(rest), _loss(rest), _sum(rest, factors=2), _signed_sum(rest, factors=2)

    return _read(data, b"paired-hinge\x01", PairedState, weights, column, _groups)


def _groups(rest, columns, samples):
    kind = _number(rest)
    number = _number(rest) if kind else 0
    _must(kind <= len(KINDS) and number <= samples)
    groups = []
    for _ in range(number):
        length = _number(rest)
        if length > len(rest):
            raise IndexError
        written = bytes(rest.pop() for _ in range(length))
        _must(re.fullmatch(KINDS[kind - 1], written))
        sums = _number(rest), _sum(rest), [_signed_sum(rest) for _ in range(columns)]
        groups.append((json.loads(written), *sums))
    return kind, groups


def _read(data, magic, kind, weights, column, end):
    body, check = data[:-4], data[-4:]
    start = body[: len(magic)]
    if start != magic or zlib.crc32(body) != int.from_bytes(check, "little"):
        raise ValueError("not a state of version 1, or a damaged one")
    rest = list(reversed(body[len(magic) :]))
    try:
        flags = rest.pop()
        classes, samples, zeros, negatives = (_number(rest) for _ in range(4))
        _must(flags <= 3 and classes < 2**63 and samples < 2**128)
        weight = weights(rest)
        columns = classes if flags & 2 else min(classes, 1)
        losses = [column(rest) for _ in range(columns)]
        more = end(rest, columns, samples)
    except IndexError:
        raise ValueError("bytes are missing") from None
    _must(not rest)
    state = kind(
        bool(flags & 1), bool(flags & 2), classes, samples, zeros, negatives, *weight, losses, *more
    )
    if kind is PairedState:
        _check_pair(state)
    else:
        _check(state)
    return state


def _check_pair(state):
    """Raise for what no two models and no data could have made."""
    for model in (0, 1):
        _check(state.state(model))
    _must(state.squared_weights % SMALLEST**2 == 0)
    _must(state.weight**2 <= state.samples * state.squared_weights)
    _must(state.squared_weights <= state.weight**2)
    for (*_, first), (*_, second), squares, products in state.columns:
        _must(squares % SMALLEST**2 == products % SMALLEST**2 == 0)
        _must((first - second) ** 2 <= state.samples * squares)
        _must(squares <= first**2 + second**2)
        _must(products**2 <= squares * state.squared_weights)
    names = [name for name, *_ in state.groups]
    _must(state.kind in (4, 7) or names == sorted(set(names)))  # in text, others have another order
    if state.kind:
        _must(all(samples for _, samples, *_ in state.groups))
        _must(sum(samples for _, samples, *_ in state.groups) == state.samples > 0)
        _must(sum(weight for _, _, weight, _ in state.groups) == state.weight)
        for place, ((*_, first), (*_, second), *_) in enumerate(state.columns):
            _must(sum(group[3][place] for group in state.groups) == first - second)


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


def _loss(rest):
    """Return the NaN, the infinite, and the sum of the others."""
    return _number(rest), _number(rest), _sum(rest)


def _sum(rest, factors=1):
    """Return the next sum, of doubles or of products of two: an exponent and a mantissa."""
    exponent, mantissa = _number(rest), _number(rest)
    _must(mantissa % 2 or exponent == mantissa == 0)
    _must(exponent <= 2101 * factors + 128)  # no sum is longer; a larger power would take its time
    return mantissa * Fraction(2) ** (exponent - 1077 * factors)


def _signed_sum(rest, factors=1):
    """Return the next sum, behind a 1 if it is negative."""
    negative, size = _number(rest), _sum(rest, factors)
    _must(negative == 0 or (negative == 1 and size))
    return -size if negative else size


def _divided(nan, inf, total, divisor):
    """Return a loss, rounded once."""
    if nan or not divisor:
        return math.nan
    try:
        return math.inf if inf else float(total / divisor)
    except OverflowError:
        return math.inf
