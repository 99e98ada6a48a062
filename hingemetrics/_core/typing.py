"""Types of arrays and values, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # The type of a value: a float, or for one-vs-all perhaps an array. Values are only returned,
    # hence covariant: a metric of floats is accepted where one of either is expected.
    Value_co = TypeVar("Value_co", bound=float | Floats, covariant=True, default=float | Floats)
else:
    from typing import TypeVar

    Value_co = TypeVar("Value_co", covariant=True)
