"""The oracle: one sample at a time, Python floats and Fractions, and no code of the package.

A loss is computed in IEEE double arithmetic, sums are Fractions, and the one division at the end
is Fraction to float, which Python rounds correctly (half to even).
"""

import math
import re
from collections import Counter
from fractions import Fraction

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
