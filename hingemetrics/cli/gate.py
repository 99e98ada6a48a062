"""Gates: what each says of the loss, or of every class's, and in which words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hingemetrics._core.typing import Floats

_MIN_DIGITS, _MAX_DIGITS = 4, 17
_WHOLE = "loss"  # the name of what is not a part: the loss of everything


class Verdict(NamedTuple):
    """What a gate says of one loss."""

    name: str  # of the loss: "loss", or the part that it is of, as "class 3"
    is_open: bool
    sentence: str
    value: float
    limit: float | None  # the greatest value that is let through; None: any


class Gate(NamedTuple):
    """A verdict for each part of the loss, or one for the whole; it is open if all are."""

    name: str
    verdicts: Sequence[Verdict]
    worst: int  # index of the verdict that speaks for a closed gate
    parts: tuple[str, str] = ("class", "classes")  # what verdicts are of: one, more
    next_worst: Sequence[str] = ()  # what else is closed, worst first, as far as it is to be named

    @property
    def is_open(self) -> bool:
        """Whether all verdicts are open."""
        return all(verdict.is_open for verdict in self.verdicts)

    @property
    def sentence(self) -> str:
        """The sentence of the worst verdict, and how many more are like it."""
        found, is_open = self.verdicts[self.worst].sentence, self.is_open
        more = sum(verdict.is_open == is_open for verdict in self.verdicts) - 1
        if not more:
            return found
        one, several = self.parts
        do = "pass" if is_open else "fail"
        too = f"{several} {do}" if more > 1 else f"{one} {do}{'es' if is_open else 's'}"
        names = ", ".join(self.next_worst) + ", ..." * (more > len(self.next_worst))
        return f"{found}; {more} more {too} too" + f": {names}" * bool(self.next_worst)


def limit_gate(value: float | Floats, limit: float) -> Gate:
    """The gate that no loss passes that is NaN or above `limit`."""
    losses = np.atleast_1d(value)
    verdicts = limit_verdicts(part_names(value), losses, limit)
    return Gate("fail-above", verdicts, int(losses.argmax()))  # NaN counts as the greatest


def limit_verdicts(names: Sequence[str], losses: Floats, limit: float) -> list[Verdict]:
    """What to say of losses none of which may be NaN or above `limit`."""
    most = repr(limit).removesuffix(".0")
    pairs = zip(names, losses.tolist(), strict=True)
    return [_limit_verdict(name, loss, limit, most) for name, loss in pairs]


def _limit_verdict(name: str, loss: float, limit: float, most: str) -> Verdict:
    if math.isnan(loss):
        return Verdict(name, False, f"{of_part(name)} is NaN, not at most {most}", loss, limit)
    is_open = loss <= limit
    found = of_part(name, shown(loss, abs(loss - limit)))
    sentence = f"{found} is {'at most' if is_open else 'above'} {most}"
    return Verdict(name, is_open, sentence, loss, limit)


def part_names(value: float | Floats) -> list[str]:
    """What losses are called: "loss", or "class 0" and so on."""
    if isinstance(value, np.ndarray):
        return [f"class {class_}" for class_ in range(len(value))]
    return [_WHOLE]


def of_part(name: str, number: str = "") -> str:
    """A loss as a sentence calls it: "loss 0.5 of class 3"."""
    return " ".join(["loss", *[number] * bool(number), *[f"of {name}"] * (name != _WHOLE)])


def percentage(level: float) -> str:
    """A confidence level as people say it: 95%."""
    return f"{100 * level:.12g}%"


def shown(number: float, gap: float) -> str:
    """A number in as few digits as change it by at most a hundredth of `gap`."""
    for digits in range(_MIN_DIGITS, _MAX_DIGITS):
        text = f"{number:.{digits}g}"
        if abs(float(text) - number) <= gap / 100:
            return text
    return repr(number)
