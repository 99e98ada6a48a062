"""Exact sums, rounded once: quotients, many at a time, and square roots."""

from __future__ import annotations

import math

import numpy as np

from hingemetrics._core.grid import (
    DIGIT_BITS,
    DIGIT_MASK,
    LOWEST,
    NARROW_ROWS,
    NARROW_SHIFT,
    carry,
)
from hingemetrics._core.typing import Bools, Floats, Ints

_RECIPROCAL_DIGITS = 4
_MORE_DIGITS = 3
_NORMAL = 1000  # exponents below it are well within the range of normal doubles
_ROOT_BITS = 64  # more than a double has
_NO_WIDE: Ints = np.empty(0, np.int64)


def quotients(digits: Ints, divisor: int) -> tuple[Floats, Bools]:
    """Return carried narrow digits divided by `divisor`, rounded, and where that is known correct.

    With r = floor(2**shift / divisor), of 127 bits, the quotient of a sum t lies in
    [t * r, t * (r + 1)] / 2**shift. Rounding is monotonic: where both ends round to the same
    double, so does the quotient. Where they differ (a tie, or a coincidence of probability 2**-73)
    the result is unknown. If the divisor is a power of two, t * r / 2**shift is the quotient.
    """
    shift = divisor.bit_length() + DIGIT_BITS * _RECIPROCAL_DIGITS - 2
    reciprocal, rest = divmod(1 << shift, divisor)
    total = digits.astype(np.uint64)
    product = np.zeros((NARROW_ROWS + _RECIPROCAL_DIGITS, digits.shape[1]), np.int64)
    for place in range(_RECIPROCAL_DIGITS):
        part = total * np.uint64(reciprocal >> DIGIT_BITS * place & DIGIT_MASK)
        low, high = part & np.uint64(DIGIT_MASK), part >> np.uint64(DIGIT_BITS)
        product[place : place + NARROW_ROWS] += low.view(np.int64)
        product[place + 1 : place + 1 + NARROW_ROWS] += high.view(np.int64)
    values, normal = _rounded(product, NARROW_SHIFT - shift)
    if not rest:
        return values, normal
    product[:NARROW_ROWS] += digits
    return values, normal & (values == _rounded(product, NARROW_SHIFT - shift)[0])


def quotients_by_counts(digits: Ints, counts: Ints) -> Floats:
    """Return sums >= 0, in narrow digits below 2**32, each divided by its count and rounded once.

    This is long division, by counts below 2**32. Three digits after the last one make at least 64
    bits of the smallest quotient; one more says whether anything is left.
    """
    (used,) = np.nonzero(digits.any(axis=1))
    low, high = (used[0], used[-1]) if len(used) else (0, 0)
    divisor = np.maximum(counts, 1).astype(np.uint64)
    quotient = np.zeros((1 + _MORE_DIGITS + high - low + 1, digits.shape[1]), np.int64)
    rest = np.zeros(digits.shape[1], np.uint64)
    for place in reversed(range(1, len(quotient))):
        part = rest << np.uint64(DIGIT_BITS)
        if place > _MORE_DIGITS:
            part |= digits[low + place - 1 - _MORE_DIGITS].astype(np.uint64)
        each = part // divisor
        rest = part - each * divisor
        quotient[place] = each
    quotient[0] = rest != 0
    exponent = NARROW_SHIFT + LOWEST + DIGIT_BITS * (int(low) - 1 - _MORE_DIGITS)
    return _rounded(quotient, exponent)[0]


def _rounded(digits: Ints, exponent: int) -> tuple[Floats, Bools]:
    """Return the sums of digits * 2**exponent, rounded half to even, and which are normal or zero.

    The first 62 bits of a sum, with the last one set if any bit after them is set, round to the
    same double as the sum.
    """
    digits, _ = carry(digits, _NO_WIDE)
    rows = len(digits)
    digits = np.concatenate((np.zeros((2, digits.shape[1]), np.int64), digits))
    first = rows + 1 - (digits[:1:-1] != 0).argmax(axis=0)  # the highest nonzero digit
    top, middle, low = (
        np.take_along_axis(digits, (first - k)[np.newaxis], 0)[0].astype(np.uint64)
        for k in range(3)
    )
    bits = np.frexp(top.astype(np.float64))[1]  # the bit length of the highest digit
    length = bits.astype(np.uint64)
    head = (top << np.uint64(DIGIT_BITS) | middle) << np.uint64(DIGIT_BITS) - length | low >> length
    tail = low & ((np.uint64(1) << length) - np.uint64(1))
    after = (top != 0) & ((digits != 0).argmax(axis=0) < first - 2)
    last = (tail != 0) | after | (head & np.uint64(3) != 0)
    power = bits + 2 + DIGIT_BITS * (first - 4) + exponent
    mantissa = ((head >> np.uint64(2)) | last).astype(np.int64).astype(np.float64)
    normal = (abs(power + 62) < _NORMAL) | (mantissa == 0)
    return np.ldexp(mantissa, np.where(normal, power, 0)), normal


def root(numerator: int, denominator: int) -> float:
    """Return the square root of a fraction >= 0, correctly rounded, half to even."""
    shift = max(2 * _ROOT_BITS - numerator.bit_length() + denominator.bit_length(), 0)
    shift += shift % 2
    floor, rest = divmod(numerator << shift, denominator)
    head = math.isqrt(floor)
    # One bit more says whether anything was cut off: there is no tie that it does not break.
    last = rest != 0 or head * head != floor
    try:
        return (2 * head + last) / (1 << shift // 2 + 1)
    except OverflowError:
        return math.inf
