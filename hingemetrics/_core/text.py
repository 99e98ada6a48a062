"""Text in messages: shortened quotes of what was given, and the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_MAX_CHOICES = 10_000  # a quarter of a second, and a file may have any number of columns
_MAX_LENGTH = 100  # characters: comparing two names takes time in proportion to both lengths
_SHOWN_LENGTH = 40  # characters of a quote


def shortened(text: str) -> str:
    """Quote a text for a message, cut after its first characters if it is long."""
    return repr(text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}...")


def closest(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like a mistyped text, ignoring case; None if none is close."""
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
