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


def common_format(difference: float, stderr: float, largest: float) -> str:
    """Return a format for losses up to `largest` that shows how they differ.

    It has as many decimals as three digits of the difference, or of its standard error, need; or
    four digits of each number, if that were too many.
    """
    scale = max(abs(difference), 0.0 if np.isnan(stderr) else stderr) or 1.0
    if not (np.isfinite(scale) and largest < _FIXED_BELOW):
        return ".4g"
    decimals = 2 - math.floor(math.log10(scale))
    return f".{max(decimals, 0)}f" if decimals <= _MOST_DECIMALS else ".4g"
