"""Texts in messages: what was got, shortened, and the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_MOST_CHOICES = 10_000  # a quarter of a second, and a file may have any number of columns
_LONGEST = 100  # characters: the time to compare two names grows with the product of their lengths
_SHOWN = 40  # characters of what was got


def shortened(text: str) -> str:
    """Quote a text in a message, however long it is."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def closest(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a mistyped text is most like, without regard to case, or None."""
    from difflib import get_close_matches

    if len(text) > _LONGEST:
        return None
    folded = {
        choice.casefold(): choice
        for choice in islice(choices, _MOST_CHOICES)
        if len(choice) <= _LONGEST
    }
    near = get_close_matches(text.casefold(), folded, n=1)
    return folded[near[0]] if near else None
