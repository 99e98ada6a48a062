"""Types of arguments: argparse calls them with the text, and puts the option before an error."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.text import closest, shortened
from hingemetrics._engine.backend import BACKENDS
from hingemetrics.cli.difference import Bound
from hingemetrics.cli.formats import FORMATS
from hingemetrics.cli.increase import Increase

_PLOT_ENDINGS = (".png", ".svg", ".pdf")


def multiclass_mode(text: str) -> MulticlassMode:
    """A multi-class mode."""
    try:
        return MulticlassMode(text)
    except ValueError:
        raise _not_one_of([mode.value for mode in MulticlassMode], text) from None


def backend(text: str) -> str:
    """The name of a backend."""
    if text not in BACKENDS:
        raise _not_one_of(BACKENDS, text)
    return text


def format_name(text: str) -> str:
    """The name of a format."""
    if text not in FORMATS:
        raise _not_one_of(list(FORMATS), text)
    return text


def increase(text: str) -> Increase:
    """An increase over a baseline."""
    try:
        return Increase.parsed(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a decimal number >= 0, or one and a %, got {shortened(text)}"
        ) from None


def bound(text: str) -> Bound:
    """The bound of a difference."""
    try:
        return Bound.parsed(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a decimal number, got {shortened(text)}"
        ) from None


def level(text: str) -> float:
    """A confidence level; without one, what follows its option may have been taken for it."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number between 0 and 1, as 0.95, got {shortened(text)}; "
            f"without one, put it last"
        )
    return found


def number(text: str) -> float:
    """A number, which may be infinite."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise argparse.ArgumentTypeError(f"must be a number, got {shortened(text)}")
    return found


def integer(text: str) -> int:
    """An integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an int, got {shortened(text)}") from None


def positive_integer(text: str) -> int:
    """An integer above zero."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {shortened(text)}")
    return found


def file_path(text: str) -> str:
    """The path of a file."""
    if not text:
        raise argparse.ArgumentTypeError("must be a file, got ''")
    return text


def picture_path(text: str) -> str:
    """The path of a picture."""
    if not text.lower().endswith(_PLOT_ENDINGS):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {text!r}")
    return text


def _not_one_of(choices: Sequence[str], text: str) -> argparse.ArgumentTypeError:
    """Return the error for an invalid choice, with a suggestion."""
    near = closest(text, choices)
    hint = f"; did you mean {near!r}?" if near else ""
    return argparse.ArgumentTypeError(
        f"must be one of {', '.join(choices)}, got {shortened(text)}{hint}"
    )
