"""The grid of digits that exact sums are kept on: Kulisch's, in Neal's carry-free form (2015).

Every finite double is an integer times 2**-1074, and so is a sum of doubles. It is kept as 32-bit
digits on a grid that covers every double; each digit is an int64, which takes 2**29 additions
before it must be carried:

    digit k counts units of 2**(32 * k - 1077),   k = 0 ... 66

Seven of the digits, the narrow ones, hold every loss and weight of ordinary size. The wide grid
has rows for all digits, and after them one for the count of NaN and one for that of inf.
"""

from __future__ import annotations

import itertools

from hingemetrics._core.typing import Bools, Ints

DIGITS = 67
DIGIT_BITS = 32
DIGIT_MASK = (1 << DIGIT_BITS) - 1
LOWEST = -1077  # digit 0 counts units of 2**LOWEST
ONE = 1 << -LOWEST  # the number 1 in those units

NARROW = slice(29, 36)  # the digits that `exact` peels into: 2**-149 to 2**43
NARROW_ROWS = NARROW.stop - NARROW.start
NARROW_SHIFT = DIGIT_BITS * NARROW.start
NARROW_LIMIT = 1 << DIGIT_BITS * NARROW.stop  # the first sum too large for narrow 32-bit digits

NAN_ROW, INF_ROW = DIGITS, DIGITS + 1
WIDE_ROWS = DIGITS + 2


def sum_of_digits(digits: list[int], first: int) -> int:
    """Return the integer that consecutive digits represent, starting at digit `first`."""
    total = 0
    for digit in reversed(digits):
        total = (total << DIGIT_BITS) + digit
    return total << DIGIT_BITS * first


def carry(narrow: Ints, wide: Ints) -> tuple[Ints, Bools]:
    """Carry narrow digits upwards; also return which columns then fit in 32-bit digits.

    A negative sum ends with a negative last digit: the floor of the sum in that digit's units.
    """
    digits = narrow.copy()
    for low, high in itertools.pairwise(digits):
        high += low >> DIGIT_BITS
        low &= DIGIT_MASK
    held = digits[-1] >> DIGIT_BITS == 0
    if len(wide):
        held &= ~wide.any(axis=0)
    return digits, held
