"""Targets of processors: the best first, never one that the processor lacks."""

import platform
import sys

import numpy as np
import pytest
from processors import NO_AVX2, NO_AVX512

from hingemetrics._engine import machine_code, targets

V4, V3, V2 = "x86-64-v4", "x86-64-v3", "x86-64-v2"
OLD = dict.fromkeys(("SSE42", "POPCNT", "AVX2", "FMA3", "F16C", "AVX512_SKX"), True)
NEW = {"X86_V2": True, "X86_V3": True, "X86_V4": True, "SSE42": True, "AVX2": True}
FOUND = [
    (OLD, (V4, V3, V2)),
    (OLD | {"AVX512_SKX": False}, (V3, V2)),
    *((OLD | {name: False, "AVX512_SKX": False}, (V2,)) for name in ("AVX2", "FMA3", "F16C")),
    ({"SSE42": True, "POPCNT": True}, (V2,)),
    ({"SSE42": True}, ()),
    ({"POPCNT": True}, ()),
    (NEW, (V4, V3, V2)),
    (NEW | {"X86_V4": False}, (V3, V2)),
    (OLD | NEW | {"X86_V4": False, "X86_V3": False}, (V2,)),
    (OLD | NEW | {"X86_V4": False, "X86_V3": False, "X86_V2": False}, ()),
    ({}, ()),
]


@pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
@pytest.mark.parametrize(("features", "wanted"), FOUND)
def test_what_a_processor_has(monkeypatch, machine, features, wanted):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(targets, "_processor_features", lambda: features)
    assert targets.of_machine() == (V4, V3, V2)
    assert targets.of_processor() == wanted


@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_the_baseline_of_aarch64(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(targets, "_processor_features", dict)
    assert targets.of_machine() == targets.of_processor() == ("generic",)


@pytest.mark.parametrize("machine", ["riscv64", "i686", "wasm32", ""])
def test_other_machines_have_none(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert targets.of_machine() == targets.of_processor() == ()


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_a_process_of_32_bits_has_none(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    monkeypatch.setattr(targets, "_processor_features", lambda: OLD)
    assert targets.of_machine() == targets.of_processor() == ()


def test_numpy_is_asked():
    assert isinstance(targets._processor_features(), dict)
    assert all(type(has) is bool for has in targets._processor_features().values())
    if platform.machine() in ("x86_64", "AMD64"):
        assert targets.of_processor(), "every x86-64 processor since 2009 has a target"


@pytest.mark.skipif(V2 not in targets.of_processor(), reason="names features of x86-64")
@pytest.mark.parametrize(("lacking", "best"), [(NO_AVX512, V3), (NO_AVX2, V2)])
def test_features_that_are_taken_away(python, lacking, best):
    code = "from hingemetrics._engine import targets; print(*targets.of_processor())"
    run = python("-W", "ignore", "-c", code, **lacking)
    left = [target for target in targets.of_processor() if target <= best]
    assert (run.stdout.split(), run.stderr) == (left, "")


def test_symbols_are_names_in_c():
    """One for each kernel and target."""
    found = [
        targets.symbol(form, dtype, target)
        for form, dtype in machine_code.KEYS
        for target in (V4, V3, V2, "generic")
    ]
    assert len(set(found)) == len(found) == 4 * len(machine_code.KEYS)
    assert all(name.isidentifier() and name.isascii() for name in found)
    assert targets.symbol("binary", np.dtype("f4"), V3) == "hinge_binary_float32_x86_64_v3"
