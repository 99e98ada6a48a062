"""The gate: whether a loss is at most a limit, and the message if it is not."""

from __future__ import annotations

import math

import numpy as np

from hingemetrics._core.typing import Floats

_MIN_DIGITS, _MAX_DIGITS = 4, 17


def complaint(value: float | Floats, limit: float) -> str | None:
    """Return the message for a loss, or the worst of several, above `limit`; None if none is.

    NaN counts as above any limit.
    """
    losses = np.atleast_1d(value)
    most = repr(limit).removesuffix(".0")
    failed = int(np.count_nonzero(~(losses <= limit)))
    if not failed:
        return None
    class_ = int(losses.argmax())  # NaN counts as the greatest
    worst = float(losses[class_])
    of_class = f" of class {class_}" if isinstance(value, np.ndarray) else ""
    if math.isnan(worst):
        found = f"loss{of_class} is NaN, not at most {most}"
    else:
        found = f"loss {_rounded_above(worst, limit)}{of_class} is above {most}"
    more = failed - 1
    return f"{found}; {more} more class{'es fail' if more > 1 else ' fails'} too" if more else found


def _rounded_above(loss: float, limit: float) -> str:
    """A loss in as few digits as show its excess over the limit to within a hundredth."""
    for digits in range(_MIN_DIGITS, _MAX_DIGITS):
        text = f"{loss:.{digits}g}"
        if abs(float(text) - loss) <= (loss - limit) / 100:
            return text
    return repr(loss)
