"""Processor targets: what machine code is made for, and which of them this processor runs."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

# Best first. On a Zen 5, code for v4 (AVX-512) takes 0.5 to 0.9 of the time of code for v3 (AVX2)
# where data is in the cache (docs/exact.md).
_X86_64 = ("x86-64-v4", "x86-64-v3", "x86-64-v2")
_TARGETS = {"x86_64": _X86_64, "amd64": _X86_64, "aarch64": ("generic",), "arm64": ("generic",)}
# NumPy knows whole targets since 2.4, and single features before. It does not report every feature
# of a target, but a processor with these has the rest: v3 is AVX2 with BMI, LZCNT and MOVBE.
_NAMES = {"x86-64-v4": "X86_V4", "x86-64-v3": "X86_V3", "x86-64-v2": "X86_V2"}
_FEATURES = {
    "x86-64-v4": ("AVX512_SKX",),
    "x86-64-v3": ("AVX2", "FMA3", "F16C"),
    "x86-64-v2": ("SSE42", "POPCNT"),
    "generic": (),
}


def of_machine() -> tuple[str, ...]:
    """Return the targets of this kind of machine, best first; none if the kind is unknown."""
    is_64_bit = sys.maxsize > 1 << 32  # a 32-bit process may run on a 64-bit machine
    return _TARGETS.get(platform.machine().lower(), ()) if is_64_bit else ()


def of_processor() -> tuple[str, ...]:
    """Return those that this processor runs."""
    found = _processor_features()
    return tuple(
        target
        for target in of_machine()
        if found.get(_NAMES.get(target, ""), all(found.get(name) for name in _FEATURES[target]))
    )


def symbol(form: str, dtype: np.dtype[Any], target: str) -> str:
    """Return the name of a kernel's function for a target."""
    return f"hinge_{form}_{dtype}_{target}".replace("-", "_")


def _processor_features() -> dict[str, bool]:
    """Return the features that NumPy detected."""
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        with suppress(ImportError, AttributeError):
            features: dict[str, bool] = import_module(name).__cpu_features__
            return features
    return {}
