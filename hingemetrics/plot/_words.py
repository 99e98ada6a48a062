"""Numbers and names as words of pictures."""

from __future__ import annotations

import math

import numpy as np

LONGEST_NAME = {"small": 30, "x-small": 16}  # characters, by font size
_FIXED_BELOW = 1e7  # larger numbers have an exponent
_MOST_DECIMALS = 7


def percent(part: float) -> str:
    """Format a fraction as a percentage that is 0 or 100 only if the fraction is 0 or 1."""
    if 0.0 < part < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= part < 1.0 else f"{part:.1%}"


def three_digits(loss: float) -> str:
    """Format a loss with three digits, trailing zeros included; a dash for NaN."""
    if np.isnan(loss):
        return "\N{EN DASH}"
    return f"{loss:#.3g}".rstrip(".") if loss else "0"


def one_line(label: object, most: int) -> str:
    """Format a label in one line of at most `most` characters, with $ escaped."""
    text = " ".join(str(label).split())
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return text.replace("$", r"\$")


def percentage(level: float) -> str:
    """Format a confidence level."""
    return f"{100 * level:.10g}%"


def signed(number: float, spec: str = "#.3g") -> str:
    """Format a number with its sign; a dash for NaN."""
    if np.isnan(number):
        return "\N{EN DASH}"
    text = f"{number:+{spec}}".rstrip(".") if number else "0"
    return text.replace("-", "\N{MINUS SIGN}")


def common_format(difference: float, *losses: float) -> str:
    """Return a format for losses and their difference.

    It has as many decimals as three digits of each need; or it is that of four digits of each
    number, if those were too many.
    """
    numbers = abs(difference), *losses
    if not all(number < _FIXED_BELOW for number in numbers):  # nor if one is NaN
        return ".4g"
    most = max((2 - math.floor(math.log10(number)) for number in numbers if number), default=0)
    return f".{max(most, 0)}f" if most <= _MOST_DECIMALS else ".4g"
