"""Processor levels: which machine code is made for, and which this processor has."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

# Best first. Code for v3 (AVX2) runs within noise of code for AVX-512 in all forms.
_LEVELS = {
    "x86_64": ("x86-64-v3", "x86-64-v2"),
    "amd64": ("x86-64-v3", "x86-64-v2"),
    "aarch64": ("generic",),
    "arm64": ("generic",),
}
# What NumPy knows of a processor: levels since 2.4, before that features. It does not tell all that
# makes a level, but what has these has the rest: v3 is AVX2 with BMI, LZCNT and MOVBE.
_NAMES = {"x86-64-v3": "X86_V3", "x86-64-v2": "X86_V2"}
_FEATURES = {
    "x86-64-v3": ("AVX2", "FMA3", "F16C"),
    "x86-64-v2": ("SSE42", "POPCNT"),
    "generic": (),
}


def of_machine() -> tuple[str, ...]:
    """Return the levels of this kind of machine, the best first; none where none is known."""
    return _LEVELS.get(platform.machine().lower(), ())


def of_processor() -> tuple[str, ...]:
    """Return those of them that this processor has."""
    found = _processor_features()
    return tuple(
        level
        for level in of_machine()
        if found.get(_NAMES.get(level, ""), all(found.get(name) for name in _FEATURES[level]))
    )


def symbol(form: str, dtype: np.dtype[Any], level: str) -> str:
    """Return the name of a kernel's machine code for a level."""
    return f"hinge_{form}_{dtype}_{level}".replace("-", "_")


def _processor_features() -> dict[str, bool]:
    """Return what NumPy found the processor to have."""
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        with suppress(ImportError, AttributeError):
            features: dict[str, bool] = import_module(name).__cpu_features__
            return features
    return {}
