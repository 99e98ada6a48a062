"""Whether a loss is good enough, and in which words it is not."""

from __future__ import annotations

import math

import numpy as np

from hingemetrics._core.typing import Floats

_FEWEST_DIGITS, _MOST_DIGITS = 4, 17


def complaint(value: float | Floats, limit: float) -> str | None:
    """Return what is wrong with a loss, or with the worst of several, that is not at most `limit`.

    None where nothing is.
    """
    losses = np.atleast_1d(value)
    most = repr(limit).removesuffix(".0")
    failed = int(np.count_nonzero(~(losses <= limit)))
    if not failed:
        return None
    class_ = int(losses.argmax())  # to which NaN is the greatest
    worst = float(losses[class_])
    of_class = f" of class {class_}" if isinstance(value, np.ndarray) else ""
    if math.isnan(worst):
        found = f"loss{of_class} is NaN, not at most {most}"
    else:
        found = f"loss {_above(worst, limit)}{of_class} is above {most}"
    more = failed - 1
    return f"{found}; {more} more class{'es fail' if more > 1 else ' fails'} too" if more else found


def _above(loss: float, limit: float) -> str:
    """Return a loss in as few digits as show by how much it is above the limit."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        text = f"{loss:.{digits}g}"
        if abs(float(text) - loss) <= (loss - limit) / 100:
            return text
    return repr(loss)
