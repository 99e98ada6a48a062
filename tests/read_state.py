"""Reads the bytes of a state, as docs/state_format.md has them, with Python's library alone."""

import math
import zlib
from fractions import Fraction
from typing import NamedTuple


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
    """Return the state that bytes spell."""
    body, check = data[:-4], data[-4:]
    if body[:6] != b"hinge\x01" or zlib.crc32(body) != int.from_bytes(check, "little"):
        raise ValueError("not a state of version 1, or a damaged one")
    rest = iter(body[6:])
    flags = next(rest)
    squared, one_vs_all = bool(flags & 1), bool(flags & 2)
    classes, samples, zeros, negatives = (_number(rest) for _ in range(4))
    weight = _sum(rest)
    columns = classes if one_vs_all else min(classes, 1)
    losses = [(_number(rest), _number(rest), _sum(rest)) for _ in range(columns)]
    if list(rest):
        raise ValueError("bytes left over")
    return State(squared, one_vs_all, classes, samples, zeros, negatives, weight, losses)


def _number(rest):
    """Return the next number: how many bytes it has, seven bits a byte, and those."""
    length = shift = 0
    while (byte := next(rest)) > 127:
        length |= (byte & 127) << shift
        shift += 7
    length |= byte << shift
    return sum(next(rest) << 8 * place for place in range(length))


def _sum(rest):
    """Return the next sum: an exponent and a mantissa."""
    exponent, mantissa = _number(rest), _number(rest)
    return mantissa * Fraction(2) ** (exponent - 1077)


def _divided(nan, inf, total, divisor):
    """Return a loss, rounded once."""
    if nan or not divisor:
        return math.nan
    try:
        return math.inf if inf else float(total / divisor)
    except OverflowError:
        return math.inf
