"""The oracle: one sample at a time, Python floats and Fractions, and no code of the package.

A loss is computed in IEEE double arithmetic, sums are Fractions, and the one division at the end
is Fraction to float, which Python rounds correctly (half to even).
"""

import math
import re
import struct
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np


def hinge(margin, squared):
    loss = 1.0 - margin
    if loss < 0.0:  # False for NaN, which therefore stays
        loss = 0.0
    return loss * loss if squared else loss


def cells(row, label, squared, mode):
    """The losses of one sample: a list of one, or of C for one-vs-all."""
    if not isinstance(row, list):
        return [hinge(row if label == 1 else -row, squared)]
    if mode == "one-vs-all":
        return [hinge(s if c == label else -s, squared) for c, s in enumerate(row)]
    if any(math.isnan(s) for s in row):
        return [math.nan]
    return [hinge(row[label] - max(row[:label] + row[label + 1 :]), squared)]


def exact_sum(values):
    """A Fraction, or NaN or inf: losses are never negative, so inf never meets -inf."""
    if any(map(math.isnan, values)):
        return math.nan
    if math.inf in values:
        return math.inf
    numerators = Counter()  # by denominator: to add up integers is many times faster
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        numerators[denominator] += numerator
    return sum(map(Fraction, numerators.values(), numerators), Fraction(0))


def rounded(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf


def reduced(losses, weights, reduction):
    total = exact_sum(losses)
    if reduction == "sum":
        return rounded(total)
    if (weight := exact_sum(weights)) == 0:
        return math.nan
    return rounded(total / weight if isinstance(total, Fraction) else total)


def expected(
    preds,
    target,
    squared=False,
    mode=None,
    *,
    sample_weight=None,
    ignore_index=None,
    reduction="mean",
):
    """What `hinge_loss` has to return for (N,) or (N, C) arrays, to the last bit."""
    preds, labels = np.asarray(preds), [int(y) for y in np.asarray(target).tolist()]
    scores = [
        [float(s) for s in row] if isinstance(row, list) else float(row) for row in preds.tolist()
    ]
    given = [1.0] * len(labels) if sample_weight is None else np.asarray(sample_weight).tolist()
    kept = [
        (row, label, float(weight))
        for row, label, weight in zip(scores, labels, given, strict=True)
        if label != ignore_index
    ]
    table = [[w * loss for loss in cells(row, y, squared, mode)] for row, y, w in kept]
    weights = [w for _, _, w in kept]
    vector = preds.ndim == 2 and mode == "one-vs-all"
    width = preds.shape[1] if vector else 1
    if reduction == "none":
        result = np.array(table, dtype=np.float64).reshape(len(kept), width)
    else:
        columns = zip(*table, strict=True) if table else [()] * width
        result = np.array([reduced(column, weights, reduction) for column in columns])
    if vector:
        return result
    return result[:, 0] if reduction == "none" else float(result[0])


def bits(number):
    """Shape and bytes of a float or a float64 array; every NaN counts as the same NaN."""
    array = np.asarray(number)
    assert array.dtype == np.float64, array.dtype
    return array.shape, np.where(np.isnan(array), np.nan, array).tobytes()


def says(*words):
    """A pattern for `pytest.raises(match=...)`: all the words, whole, in any order."""
    return "(?s)" + "".join(rf"(?=.*(?<![\w.]){re.escape(word)}(?!\w))" for word in words)


class Compared(NamedTuple):
    """What a comparison has to say of one loss of two models."""

    value: float
    baseline: float
    difference: float
    stderr: float
    exact: tuple[Fraction, ...] | None  # the same before rounding, the square of the last


def compared(
    preds,
    baseline,
    target,
    squared=False,
    mode=None,
    *,
    sample_weight=None,
    ignore_index=None,
    groups=None,
):
    """What `compare` has to return: one for each loss, and the number of samples."""
    tables = [
        expected(
            scores,
            target,
            squared,
            mode,
            sample_weight=sample_weight,
            ignore_index=ignore_index,
            reduction="none",
        )
        for scores in (preds, baseline)
    ]
    rows = len(tables[0])
    width = tables[0].shape[1] if tables[0].ndim == 2 else 1
    x, y = (table.reshape(rows, width).T.tolist() for table in tables)
    given = [1.0] * len(target) if sample_weight is None else np.asarray(sample_weight).tolist()
    kept = [w for w, y in zip(given, np.asarray(target).tolist(), strict=True) if y != ignore_index]
    weights = [float(w) for w in kept]
    if groups is not None:
        table = zip(groups, np.asarray(target).tolist(), strict=True)
        groups = [group for group, label in table if label != ignore_index]
    return [compared_column(*column, weights, groups) for column in zip(x, y, strict=True)], rows


def compared_column(x, y, weights, groups=None):
    """Compare two losses, their weights multiplied in: the sum of squares is not expanded.

    Samples of a group count together; without groups each is one of its own.
    """
    total_weight = exact_sum(weights)
    means = [reduced(losses, weights, "mean") for losses in (x, y)]
    if not all(map(math.isfinite, [*x, *y])) or not total_weight:
        return Compared(*means, non_finite(x, y) if total_weight else math.nan, math.nan, None)
    exact = [exact_sum(losses) / total_weight for losses in (x, y)]
    difference = exact[0] - exact[1]
    rounded_difference = rounded(abs(difference)) * (-1 if difference < 0 else 1) + 0.0
    weight = units(total_weight)
    total = sum(units(a) - units(b) for a, b in zip(x, y, strict=True))
    deviations = Counter()  # times the total weight
    for group, a, b, w in zip(groups or range(len(x)), x, y, weights, strict=True):
        deviations[group] += (units(a) - units(b)) * weight - units(w) * total
    if (n := len(deviations)) < 2:
        return Compared(*means, rounded_difference, math.nan, None)
    square = Fraction(n * sum(d * d for d in deviations.values()), (n - 1) * weight**4)
    exact = (*exact, difference, square)
    return Compared(*means, rounded_difference, nearest_root(square), exact)


def non_finite(x, y):
    """The difference of means of losses of which one is not finite."""
    numbers = [total if isinstance(total, float) else 0.0 for total in map(exact_sum, (x, y))]
    return numbers[0] - numbers[1]


def units(number):
    """A double, or a sum of doubles, in units of the smallest one."""
    numerator, denominator = number.as_integer_ratio()
    return numerator * (2**1074 // denominator)


def nearest_root(square):
    """The double nearest to a root, by bisection: doubles >= 0 are ordered as their bits are."""
    low, high = 0, 0x7FF << 52
    while high - low > 1:
        middle = (low + high) // 2
        if units_of_bits(middle) ** 2 * square.denominator <= square.numerator * 2**2148:
            low = middle
        else:
            high = middle
    between = units_of_bits(low) + units_of_bits(high)  # twice the number in the middle
    above = square.numerator * 2**2150 - between**2 * square.denominator
    return double_of_bits(high if above > 0 or (above == 0 and low % 2) else low)


def units_of_bits(bits):
    """A double by its bits, in units of the smallest one; infinity as the next power of 2."""
    exponent, mantissa = divmod(bits, 2**52)
    return mantissa + 2**52 << exponent - 1 if exponent else mantissa


def double_of_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]
