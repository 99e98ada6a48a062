"""The gates of a difference between two models' losses: how large it may be, and how sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hingemetrics.cli.gate import Gate, Verdict, of_part, percentage, shown
from hingemetrics.cli.increase import decimal, rounded, shown_amount

if TYPE_CHECKING:
    from fractions import Fraction


class Bound(NamedTuple):
    """The greatest difference that is let through."""

    text: str  # as it was given
    number: Fraction

    @classmethod
    def parsed(cls, text: str) -> Bound:
        """Read a decimal number, of either sign, exactly."""
        return cls(text, decimal(text))


class Difference(NamedTuple):
    """A loss, that of the other model, and their difference with its confidence interval."""

    name: str  # of the loss, as in a verdict
    value: float
    other: float
    difference: float  # rounded once
    low: float
    high: float
    exact: Fraction | None  # the difference; None: it is NaN or infinite

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies above zero, or the difference if it has none, or NaN."""
        return not (self.difference <= 0 or self.low <= 0)


def worse_gate(differences: Sequence[Difference], other: str, level: float) -> Gate:
    """The gate that no loss passes whose interval of the difference lies above zero, or NaN."""
    verdicts = [_worse_verdict(found, other, level) for found in differences]
    return Gate(
        "fail-if-worse", verdicts, _worst(differences, [found.low for found in differences])
    )


def difference_gate(differences: Sequence[Difference], other: str, bound: Bound) -> Gate:
    """The gate that no loss passes that is above the other by more than `bound`, or NaN."""
    verdicts = [_bound_verdict(found, other, bound) for found in differences]
    exact = [found.exact for found in differences]
    return Gate("fail-above-difference", verdicts, _worst(differences, exact))


def _worst(differences: Sequence[Difference], badness: Sequence[float | Fraction | None]) -> int:
    """Return the index of the worst difference: NaN first, then infinity, then by badness."""

    def key(index: int) -> tuple[float, float | Fraction]:
        difference, bad = differences[index].difference, badness[index]
        if math.isnan(difference):
            return math.inf, 0
        if bad is None or math.isnan(bad):  # infinite, or without an interval
            return difference, 0
        return (0.0, bad)

    return max(range(len(differences)), key=key)


def _worse_verdict(found: Difference, other: str, level: float) -> Verdict:
    sentence = _relation(found, other, abs(found.difference))
    if found.difference > 0 and math.isfinite(found.difference):
        sentence += f" ({_interval(found, level)})" + ", which may be chance" * (not found.is_worse)
    return Verdict(found.name, not found.is_worse, sentence, found.low, 0.0)


def _interval(found: Difference, level: float) -> str:
    if math.isnan(found.low):
        return "too few samples for an interval"
    low, high = (shown(end, abs(end)) for end in (found.low, found.high))
    return f"{percentage(level)}: {low} to {high}"


def _bound_verdict(found: Difference, other: str, bound: Bound) -> Verdict:
    limit = rounded(bound.number)
    if found.exact is None:
        sentence = _relation(found, other, math.inf)
        return Verdict(found.name, found.difference < 0, sentence, found.difference, limit)
    excess = found.exact - bound.number
    sentence = _relation(found, other, abs(rounded(excess)))
    sentence += _comparison(found.exact, excess > 0, bound)
    return Verdict(found.name, excess <= 0, sentence, found.difference, limit)


def _comparison(difference: Fraction, is_above: bool, bound: Bound) -> str:
    """How the difference in a sentence compares with its bound, where that is not plain."""
    if bound.number >= 0:
        return f", {'more than' if is_above else 'at most'} {bound.text}" * (difference > 0)
    must = bound.text.removeprefix("-")
    if difference >= 0:
        return f", not below it by {must}"
    return f", {'less than' if is_above else 'at least'} {must}"


def _relation(found: Difference, other: str, gap: float) -> str:
    """What is above, or below, what by how much; the latter in as many digits as `gap` needs."""
    size = abs(found.difference)
    loss = of_part(found.name, shown(found.value, size))
    its = f"the {shown(found.other, size)} of {other}"
    if math.isnan(found.difference):
        return f"{loss} minus {its} is NaN"
    if not (found.difference if found.exact is None else found.exact):
        return f"{loss} is that of {other}"
    amount = "" if found.exact is None else f" by {shown_amount(size, gap)}"
    return f"{loss} is {'above' if found.difference > 0 else 'below'} {its}{amount}"
