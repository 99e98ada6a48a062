"""Texts in messages: what was got, shortened, and the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_MAX_CHOICES = 10_000  # a quarter of a second, and a file may have any number of columns
_MAX_LENGTH = 100  # characters: comparing two names takes time in proportion to both lengths
_SHOWN_LENGTH = 40  # characters of what was got


def shortened(text: str) -> str:
    """Quote a text in a message, however long it is."""
    return repr(text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}...")


def closest(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a mistyped text is most like, without regard to case, or None."""
    from difflib import get_close_matches

    if len(text) > _MAX_LENGTH:
        return None
    folded = {
        choice.casefold(): choice
        for choice in islice(choices, _MAX_CHOICES)
        if len(choice) <= _MAX_LENGTH
    }
    near = get_close_matches(text.casefold(), folded, n=1)
    return folded[near[0]] if near else None
