"""Types of arrays and values, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import TypeVar

    Array = npt.NDArray[Any]
    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

    # The type of a value: a float, or for one-vs-all perhaps an array. Values are only returned,
    # hence covariant: a metric of floats is accepted where one of either is expected.
    Value_co = TypeVar("Value_co", bound=float | Floats, covariant=True, default=float | Floats)
else:
    from typing import TypeVar

    Array = Bools = Floats = Ints = np.ndarray  # numpy.typing takes 1.5 ms to import

    Value_co = TypeVar("Value_co", covariant=True)
