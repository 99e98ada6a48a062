"""Decimal numbers in text as doubles, many at a time, each exactly as Python's `float` reads it.

A field such as -12.345 or -1.2345e+01 is an integer m = 12345 over a power of ten P = 10**3. Eight
digits at a time are a word of 64 bits, and become a number in three multiplications (Lemire,
"Number parsing at a gigabyte per second", 2021). m / P is evaluated to about twice the precision of
a double, with bounds on its error. If both bounds round to the same double, that is the result.
Otherwise, and for anything not in plain form (more digits, a P below 1 or above 10**22, inf,
blanks), `float` reads the field.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hingemetrics._core.typing import Bools, Floats, Ints

_Words = npt.NDArray[np.uint64]
_Scalar = TypeVar("_Scalar", bound=np.generic)

_DIGITS = 8  # in a word
_PADDING = b"0" * _DIGITS  # so that every offset has eight characters before it
_PLUS, _MINUS, _POINT, _NEWLINE, _LOWER_E, _UPPER_E = b"+-.\neE"
_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)  # adding it sets the high bit of bytes above 9
_HIGH_BITS = np.uint64(0x8080808080808080)
_PAIRS = np.uint64(0x000000FF000000FF)
_MASKS = np.array([2**64 - 2 ** (64 - 8 * count) for count in range(_DIGITS + 1)], np.uint64)
_TEN, _HUNDREDS, _MILLIONS = (np.uint64(n) for n in (10, 1 + (10**4 << 32), 100 + (10**6 << 32)))
_BYTE, _TWO_BYTES, _FOUR_BYTES = (np.uint64(bits) for bits in (8, 16, 32))
_MAX_DECIMALS = 22  # digits after the point: 10**22 is the largest power that a double holds
_POWERS: Floats = np.array([float(10**k) for k in range(_MAX_DECIMALS + 1)])
_WHOLE_POWERS = np.array([10**k if k < 20 else 0 for k in range(_MAX_DECIMALS + 1)], np.uint64)
_MAX_MANTISSA = 1.8e19  # so that m does not wrap around
_SPLITTER = 134217729.0  # 2**27 + 1
_ERROR = 2.0**-50  # relative error of a correction: four times the bound on its roundings


class Fields(NamedTuple):
    """The fields of a text, row by row, as offsets into it."""

    text: bytes
    words: _Words  # the eight characters before each offset
    width: int  # fields in a row
    start: Ints
    end: Ints
    point: Ints  # offset of the last point, or the end
    points: Ints  # number of points

    def of_columns(self, numbers: list[int]) -> Fields:
        """Return the fields of some columns."""
        offsets = (of.reshape(-1, self.width).take(numbers, axis=1).ravel() for of in self[3:])
        return Fields(self.text, self.words, len(numbers), *offsets)

    def texts(self, which: Ints) -> list[str]:
        """Return the text of some fields."""
        starts, ends = self.start[which], self.end[which]
        return [
            self.text[start:end].decode()
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]


def split(text: bytes, delimiter: bytes, width: int) -> Fields | None:
    """Split lines into fields; None unless each line has `width` of them."""
    padded = np.frombuffer(_PADDING + text, np.uint8)
    data = padded[len(_PADDING) :]
    marks = np.flatnonzero((data == ord(delimiter)) | (data == _NEWLINE) | (data == _POINT))
    kinds = data[marks]
    ends = np.flatnonzero(kinds != _POINT)
    is_newline = kinds[ends] == _NEWLINE
    if (
        len(ends) != width * np.count_nonzero(is_newline)
        or not is_newline[width - 1 :: width].all()
    ):
        return None
    end = marks[ends]
    start = np.empty_like(end)
    start[0], start[1:] = 0, end[:-1] + 1
    points = np.empty_like(end)
    points[0], points[1:] = ends[0], ends[1:] - ends[:-1] - 1
    point = np.where(points > 0, marks[ends - 1], end)
    words = np.ndarray((len(text) + 1,), "<u8", padded, strides=(1,)).astype(np.uint64)
    return Fields(text, words, width, start, end, point, points)


def decimals(fields: Fields) -> tuple[Floats, Ints]:
    """Return the fields as doubles, row by row, and which of them `float` must read."""
    start, end, point = fields.start, fields.end, fields.point
    first = np.frombuffer(fields.text, np.uint8)[start]
    negative = first == _MINUS
    which, marks, exponents = _exponents(fields)
    if len(which):
        end = end.copy()
        end[which] = marks
        point = np.minimum(point, end)
    before = point - start - (negative | (first == _PLUS))
    after = np.maximum(end - point - 1, 0)
    power = after.copy()
    power[which] -= exponents
    # As an unsigned number, anything below 0 is above every bound.
    plain = (fields.points < 2) & (before.astype(np.uint64) <= _DIGITS) & (before + after > 0)
    plain &= (after <= _MAX_DECIMALS) & (power.astype(np.uint64) <= _MAX_DECIMALS)
    mantissa, are_digits = _read_digits(_take(fields.words, point), _take(_MASKS, before))
    plain &= are_digits
    size = mantissa * _take(_POWERS, after)  # in doubles, which do not wrap around
    mantissa *= _take(_WHOLE_POWERS, after)
    for k in range(0, min(int(after.max()), _MAX_DECIMALS), _DIGITS):
        part, are_digits = _read_digits(_take(fields.words, end - k), _take(_MASKS, after - k))
        plain &= are_digits
        if k == 2 * _DIGITS:
            size += part * _POWERS[k]
        part *= _WHOLE_POWERS[k]
        mantissa += part
    plain &= size < _MAX_MANTISSA
    mantissa *= plain
    quotient, is_sure = _quotient(mantissa, _take(_POWERS, power))
    return np.where(negative, -quotient, quotient), np.flatnonzero(~(plain & is_sure))


def _take(values: npt.NDArray[_Scalar], which: Ints) -> npt.NDArray[_Scalar]:
    """Return `values[which]`, with indices clipped to the first and last value."""
    return values.take(which, mode="clip")


def _exponents(fields: Fields) -> tuple[Ints, Ints, Ints]:
    """Find two-digit exponents such as e-05: return their fields, offsets and values."""
    data = np.frombuffer(fields.text, np.uint8)
    marks = np.flatnonzero((data == _LOWER_E) | (data == _UPPER_E))
    which = np.searchsorted(fields.end, marks)
    marks, which = marks[which < len(fields.end)], which[which < len(fields.end)]
    size, are = _read_digits(fields.words[fields.end[which]], _MASKS[np.full(len(which), 2)])
    sign = data[marks + 1]
    are &= (sign == _PLUS) | (sign == _MINUS)
    are &= (fields.end[which] - marks == len("e-05")) & (marks >= fields.start[which])
    exponents = np.where(sign == _MINUS, -1, 1) * size.astype(np.int64)
    return which[are], marks[are], exponents[are]


def _read_digits(word: _Words, mask: _Words) -> tuple[_Words, Bools]:
    """Return the numbers in the masked characters of words, and whether all of them are digits.

    The words are overwritten.
    """
    word ^= _ZEROS
    word &= mask
    others = word + _ABOVE_NINE
    others |= word
    others &= _HIGH_BITS
    tens = word * _TEN
    word >>= _BYTE
    word += tens
    upper = word >> _TWO_BYTES
    upper &= _PAIRS
    upper *= _HUNDREDS
    word &= _PAIRS
    word *= _MILLIONS
    word += upper
    word >>= _FOUR_BYTES
    return word, others == 0


def _quotient(dividend: _Words, divisor: Floats) -> tuple[Floats, Bools]:
    """Return quotients, and where they are known to be correctly rounded.

    The divisor is a power of ten that a double holds. The remainder of the division of doubles is a
    double too, found with Dekker's exact product (1971).
    """
    high = dividend.astype(np.float64)
    low = (dividend - high.astype(np.uint64)).view(np.int64)
    quotient = high / divisor
    product = quotient * divisor
    (q, q_rest), (d, d_rest) = _halves(quotient), _halves(divisor)
    error = ((q * d - product) + q * d_rest + q_rest * d) + q_rest * d_rest
    correction = ((high - product) - error + low) / divisor
    least, most = quotient + correction * (1 - _ERROR), quotient + correction * (1 + _ERROR)
    return least, least == most


def _halves(numbers: Floats) -> tuple[Floats, Floats]:
    """Split doubles into sums of two with half as many bits each."""
    scaled = _SPLITTER * numbers
    upper = scaled - (scaled - numbers)
    return upper, numbers - upper
