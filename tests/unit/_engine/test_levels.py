"""Levels of processors: the best first, never one that the processor lacks."""

import platform

import numpy as np
import pytest
from processors import NO_AVX2

from hingemetrics._engine import levels, machine_code

V3, V2 = "x86-64-v3", "x86-64-v2"
OLD = {"SSE42": True, "POPCNT": True, "AVX2": True, "FMA3": True, "F16C": True}
NEW = {"X86_V2": True, "X86_V3": True, "SSE42": True, "AVX2": True}
FOUND = [
    (OLD, (V3, V2)),
    *((OLD | {name: False}, (V2,)) for name in ("AVX2", "FMA3", "F16C")),
    ({"SSE42": True, "POPCNT": True}, (V2,)),
    (NEW, (V3, V2)),
    (OLD | NEW | {"X86_V3": False}, (V2,)),
    (OLD | NEW | {"X86_V3": False, "X86_V2": False}, ()),
    ({}, ()),
]


@pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
@pytest.mark.parametrize(("features", "wanted"), FOUND)
def test_what_a_processor_has(monkeypatch, machine, features, wanted):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(levels, "_processor_features", lambda: features)
    assert levels.of_machine() == (V3, V2)
    assert levels.of_processor() == wanted


@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_the_baseline_of_aarch64(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(levels, "_processor_features", dict)
    assert levels.of_machine() == levels.of_processor() == ("generic",)


@pytest.mark.parametrize("machine", ["riscv64", "i686", "wasm32", ""])
def test_other_machines_have_none(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert levels.of_machine() == levels.of_processor() == ()


def test_numpy_is_asked():
    assert isinstance(levels._processor_features(), dict)
    assert all(type(has) is bool for has in levels._processor_features().values())
    if platform.machine() in ("x86_64", "AMD64"):
        assert levels.of_processor(), "every x86-64 processor since 2009 has a level"


@pytest.mark.skipif(V3 not in levels.of_processor(), reason="this processor has no AVX2 to lack")
def test_a_feature_that_is_taken_away(python):
    code = "from hingemetrics._engine import levels; print(*levels.of_processor())"
    run = python("-W", "ignore", "-c", code, **NO_AVX2)
    assert (run.stdout, run.stderr) == (f"{V2}\n", "")


def test_symbols_are_names_in_c():
    """One for each kernel and level."""
    found = [
        levels.symbol(form, dtype, level)
        for form, dtype in machine_code.KEYS
        for level in (V3, V2, "generic")
    ]
    assert len(set(found)) == len(found) == 3 * len(machine_code.KEYS)
    assert all(name.isidentifier() and name.isascii() for name in found)
    assert levels.symbol("binary", np.dtype("f4"), V3) == "hinge_binary_float32_x86_64_v3"
