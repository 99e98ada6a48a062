"""The grid of digits that exact sums are kept on: Kulisch's, in Neal's carry-free form (2015).

Every finite double is an integer times 2**-1074, so a sum of doubles is an integer too. It is kept
as 32-bit digits on a grid that covers every double; an int64 takes 2**29 additions before its digit
must be carried:

    digit k counts units of 2**(32 * k - 1077),   k = 0 ... 66

Seven of the digits, the narrow ones, hold every loss and weight of ordinary size. The wide grid
holds all digits, and below them a count of NaN and of inf.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Ints

DIGITS = 67
DIGIT_BITS = 32
DIGIT_MASK = (1 << DIGIT_BITS) - 1
LOWEST = -1077  # digit 0 counts units of 2**LOWEST
ONE = 1 << -LOWEST  # the number 1 in those units

NARROW = slice(29, 36)  # what `exact` peels and carries to: 2**-149 to 2**43
NARROW_ROWS = NARROW.stop - NARROW.start
NARROW_SHIFT = DIGIT_BITS * NARROW.start
NARROW_LIMIT = 1 << DIGIT_BITS * NARROW.stop  # more than narrow digits of 32 bits hold

NAN_ROW, INF_ROW = DIGITS, DIGITS + 1
WIDE_ROWS = DIGITS + 2


def sum_of_digits(digits: list[int], first: int) -> int:
    """Return the integer that digits stand for, the first of which is digit `first`."""
    total = 0
    for digit in reversed(digits):
        total = (total << DIGIT_BITS) + digit
    return total << DIGIT_BITS * first


def carry(narrow: Ints, wide: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Carry narrow digits into the last one; also return which columns then fit 32 bits a digit.

    A sum below zero has a last digit below zero: it is the sum's floor in the digit's units.
    """
    digits = narrow.copy()
    for low, high in itertools.pairwise(digits):
        high += low >> DIGIT_BITS
        low &= DIGIT_MASK
    held = digits[-1] >> DIGIT_BITS == 0
    if len(wide):
        held &= ~wide.any(axis=0)
    return digits, held
