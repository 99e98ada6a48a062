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
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_GATE = "baseline"


class Increase(NamedTuple):
    """An increase over the baseline that is allowed."""

    text: str  # as it was given
    number: Fraction
    is_percentage: bool

    @classmethod
    def parsed(cls, text: str) -> Increase:
        """Read ``X`` or ``X%``, a decimal number >= 0, exactly."""
        number = text.removesuffix("%")
        if number.startswith("-"):
            raise ValueError(text)
        return cls(text, decimal(number), number != text)

    def over(self, baseline: Fraction) -> Fraction:
        """How much it is for this baseline."""
        return baseline * self.number / 100 if self.is_percentage else self.number


class Change(NamedTuple):
    """A loss, now and in the baseline, rounded and exact."""

    name: str  # of the loss, as in a verdict
    value: float
    baseline: float
    exact_baseline: Fraction
    increase: Fraction | None  # exact; None: the loss is NaN or infinite

    @property
    def difference(self) -> float:
        """The loss minus the baseline, rounded once; as the loss if that is NaN or infinite."""
        return self.value if self.increase is None else rounded(self.increase)

    @property
    def is_worse(self) -> bool:
        """Whether the loss is above the baseline at all, or NaN."""
        return self.increase is None or self.increase > 0


def baseline_gate(changes: Sequence[Change], allowed: Increase, accept: bool) -> Gate:
    """The gate that no loss passes that is above its baseline by more than is allowed, or NaN.

    With `accept` it is open for any finite loss.
    """
    excesses = [_excess(change, allowed) for change in changes]
    pairs = list(zip(changes, excesses, strict=True))
    verdicts = [_verdict(change, excess, allowed, accept) for change, excess in pairs]
    worst = max(range(len(pairs)), key=lambda k: _badness(*pairs[k]))
    return Gate(_GATE, verdicts, worst)


def first_gate(names: Sequence[str], values: Sequence[float]) -> Gate:
    """The gate of a baseline that does not exist yet: any finite loss may be the first."""
    verdicts = [_first_verdict(*pair) for pair in zip(names, values, strict=True)]
    worst = next((k for k, verdict in enumerate(verdicts) if not verdict.is_open), 0)
    return Gate(_GATE, verdicts, worst)


def decimal(text: str) -> Fraction:
    """Read a decimal number exactly."""
    from fractions import Fraction

    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Fraction(text)


def rounded(number: Fraction) -> float:
    """The double nearest to a fraction; infinite if it is too large for any."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _excess(change: Change, allowed: Increase) -> Fraction | None:
    """How far a loss is above what is allowed; negative below, None for NaN and infinity."""
    if change.increase is None or not allowed.number:
        return change.increase
    return change.increase - allowed.over(change.exact_baseline)


def _badness(change: Change, excess: Fraction | None) -> tuple[int, Fraction | int]:
    """A key to sort by: NaN is worst, then infinity."""
    if excess is None:
        return (2 if math.isnan(change.value) else 1), 0
    return 0, excess


def _verdict(change: Change, excess: Fraction | None, allowed: Increase, accept: bool) -> Verdict:
    is_within = excess is not None and excess <= 0
    is_accepted = accept and excess is not None and not is_within
    sentence = _sentence(change, excess, allowed) + ", which is accepted" * is_accepted
    limit = change.baseline
    if allowed.number:
        limit = rounded(change.exact_baseline + allowed.over(change.exact_baseline))
    return Verdict(change.name, is_within or is_accepted, sentence, change.value, limit)


def _sentence(change: Change, excess: Fraction | None, allowed: Increase) -> str:
    """What is above, or below, what by how much."""
    if math.isnan(change.value):
        baseline = shown(change.baseline, math.inf)
        return f"{of_part(change.name)} is NaN, not at most the baseline's {baseline}"
    gap = abs(change.difference)
    baseline = f"the baseline's {shown(change.baseline, gap)}"
    found = f"{of_part(change.name, shown(change.value, gap))} is"
    if change.increase is None or excess is None:
        return f"{found} above {baseline}"
    if not change.increase:
        return f"{found} that of the baseline"
    side = "above" if change.is_worse else "below"
    sentence = f"{found} {side} {baseline} by {_amount(change, change.increase, excess, allowed)}"
    if not change.is_worse or not allowed.number:
        return sentence
    return f"{sentence}, {'at most' if excess <= 0 else 'more than'} {allowed.text}"


def _amount(change: Change, increase: Fraction, excess: Fraction, allowed: Increase) -> str:
    """By how much a loss differs from the baseline; of one above zero also in percent, if asked.

    In as few digits as show by how much that is too much.
    """
    difference, gap = abs(rounded(increase)), abs(rounded(excess))
    if not allowed.is_percentage or not change.exact_baseline:
        return shown_amount(difference, gap)
    percent = 100 / change.exact_baseline
    percentage, gap_percentage = abs(rounded(increase * percent)), abs(rounded(excess * percent))
    return f"{shown_amount(difference, difference)} ({shown_amount(percentage, gap_percentage)}%)"


def shown_amount(number: float, gap: float) -> str:
    """A number, as `shown` has it, of what is above zero although it may be rounded to that."""
    return shown(number, gap) if number else "less than 5e-324"


def _first_verdict(name: str, value: float) -> Verdict:
    if math.isfinite(value):
        sentence = f"{of_part(name, shown(value, math.inf))} starts the baseline"
        return Verdict(name, True, sentence, value, None)
    number = "NaN" if math.isnan(value) else "inf"
    sentence = f"{of_part(name)} is {number}, which cannot start a baseline"
    return Verdict(name, False, sentence, value, None)
