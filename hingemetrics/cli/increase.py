"""The gate of a baseline: by how much a loss is above that of before, in exact fractions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hingemetrics.cli.gate import Gate, Verdict, of_part, shown

if TYPE_CHECKING:
    from fractions import Fraction

# Three digits are enough for the exponent of any double, and too few to make a number of gigabytes.
_DECIMAL = re.compile(r"(\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)(%?)")
_GATE = "baseline"


class Increase(NamedTuple):
    """An increase over the baseline that is allowed."""

    text: str  # as it was given
    number: Fraction
    is_percentage: bool

    @classmethod
    def parsed(cls, text: str) -> Increase:
        """Read ``X`` or ``X%``, a decimal number >= 0, exactly."""
        from fractions import Fraction

        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return cls(text, Fraction(match[1]), bool(match[2]))

    def limit(self, baseline: Fraction) -> Fraction:
        """The greatest loss that is allowed."""
        if self.is_percentage:
            return baseline + baseline * self.number / 100
        return baseline + self.number


class Change(NamedTuple):
    """A loss, now and in the baseline, rounded and exact."""

    name: str  # of the loss, as in a verdict
    value: float
    exact: Fraction | None  # None: NaN or infinite
    baseline: float
    exact_baseline: Fraction

    @property
    def difference(self) -> float:
        """The loss minus the baseline, rounded once; as the loss if that is NaN or infinite."""
        return self.value if self.exact is None else rounded(self.exact - self.exact_baseline)

    @property
    def is_worse(self) -> bool:
        """Whether the loss is above the baseline at all, or NaN."""
        return self.exact is None or self.exact > self.exact_baseline


def baseline_gate(changes: Sequence[Change], allowed: Increase, accept: bool) -> Gate:
    """The gate that no loss passes that is above its baseline by more than is allowed, or NaN.

    With `accept` it is open for any finite loss.
    """
    verdicts = [_verdict(change, allowed, accept) for change in changes]
    worst = max(range(len(changes)), key=lambda k: _badness(changes[k], allowed))
    return Gate(_GATE, verdicts, worst)


def first_gate(names: Sequence[str], values: Sequence[float]) -> Gate:
    """The gate of a baseline that does not exist yet: any finite loss may be the first."""
    verdicts = [_first_verdict(*pair) for pair in zip(names, values, strict=True)]
    worst = next((k for k, verdict in enumerate(verdicts) if not verdict.is_open), 0)
    return Gate(_GATE, verdicts, worst)


def rounded(number: Fraction) -> float:
    """The double nearest to a fraction >= 0, or its negative; infinite if it is too large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _badness(change: Change, allowed: Increase) -> tuple[int, Fraction | int]:
    """How far a loss is above what is allowed: NaN is worst, then infinity."""
    if change.exact is None:
        return (2 if math.isnan(change.value) else 1), 0
    return 0, change.exact - allowed.limit(change.exact_baseline)


def _verdict(change: Change, allowed: Increase, accept: bool) -> Verdict:
    limit = allowed.limit(change.exact_baseline)
    is_within = change.exact is not None and change.exact <= limit
    is_accepted = accept and change.exact is not None and not is_within
    sentence = _sentence(change, allowed) + ", which is accepted" * is_accepted
    is_open = is_within or is_accepted
    return Verdict(change.name, is_open, sentence, change.value, rounded(limit))


def _sentence(change: Change, allowed: Increase) -> str:
    """What is above, or below, what by how much."""
    gap = abs(change.difference)
    baseline = f"the baseline's {shown(change.baseline, gap)}"
    if math.isnan(change.value):
        return f"{of_part(change.name)} is NaN, not at most {baseline}"
    found = f"{of_part(change.name, shown(change.value, gap))} is"
    if change.exact is None:
        return f"{found} above {baseline}"
    increase = change.exact - change.exact_baseline
    if not increase:
        return f"{found} that of the baseline"
    side = "above" if increase > 0 else "below"
    sentence = f"{found} {side} {baseline} by {_amount(change, allowed)}"
    if increase <= 0 or not allowed.number:
        return sentence
    is_within = change.exact <= allowed.limit(change.exact_baseline)
    return f"{sentence}, {'at most' if is_within else 'more than'} {allowed.text}"


def _amount(change: Change, allowed: Increase) -> str:
    """By how much a loss differs from the baseline; of one above zero also in percent, if asked."""
    assert change.exact is not None
    difference = abs(change.exact - change.exact_baseline)
    if allowed.is_percentage and change.exact_baseline:
        percentage = 100 * difference / change.exact_baseline
        in_percent = _near(percentage, allowed.number)
        return f"{_near(difference, 0)} ({in_percent}%)"
    return _near(difference, 0 if allowed.is_percentage else allowed.number)


def _near(number: Fraction, limit: Fraction | int) -> str:
    """A positive number in as few digits as show its distance from the limit."""
    text = shown(rounded(number), abs(rounded(number - limit)))
    return text if float(text) else "less than 5e-324"


def _first_verdict(name: str, value: float) -> Verdict:
    if math.isfinite(value):
        sentence = f"{of_part(name, shown(value, math.inf))} starts the baseline"
        return Verdict(name, True, sentence, value, None)
    number = "NaN" if math.isnan(value) else "inf"
    sentence = f"{of_part(name)} is {number}, which cannot start a baseline"
    return Verdict(name, False, sentence, value, None)
