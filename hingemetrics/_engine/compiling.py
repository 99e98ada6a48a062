# mypy: disable-error-code="call-overload"
"""Kernels as C functions, compiled by Numba: ``int64 kernel(int64 *frame)``, see `frame`.

The build takes LLVM's text of them for the library of the package. A process that asks for the
backend "numba" without a library calls them where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, types  # type: ignore[attr-defined]

from hingemetrics._engine.group_kernel import group_entry
from hingemetrics._engine.kernels import entry
from hingemetrics._engine.machine_code import GROUPS, MOMENTS
from hingemetrics._engine.moment_kernel import moment_entry


def compiled(form: str, dtype: np.dtype[Any]) -> Any:
    """Return a kernel's C function, as Numba has it."""
    if form == GROUPS:
        of_frame = group_entry()
    else:
        of_frame = moment_entry() if form == MOMENTS else entry(form, dtype)
    return cfunc(types.int64(types.CPointer(types.int64)), error_model="numpy")(of_frame)
