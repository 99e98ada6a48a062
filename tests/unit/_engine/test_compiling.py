"""What compiles: quickly, and where this Numba does not stand that, in Numba's own way."""

import os
import subprocess

import pytest

from hingemetrics._engine import levels, machine_code

LEVELS = levels.of_machine()
KERNEL = f"{machine_code.GROUPS}/float64"  # the one that compiles in a few seconds
IN_VAIN = """
from numba.core import codegen
del codegen.CPUCodeLibrary._optimize_functions
before = codegen.JITCodeLibrary._finalize_specific, codegen.JITCPUCodegen._add_module
from hingemetrics._engine import compiling
try:
    compiling.lower_quickly()
except AttributeError as error:
    print(error.name)
print(before == (codegen.JITCodeLibrary._finalize_specific, codegen.JITCPUCodegen._add_module))
"""


def objects(folder):
    """The content of all files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def slowly(tmp_path_factory):
    """What Numba's own way makes."""
    folder = tmp_path_factory.mktemp("slowly")
    command = machine_code.compiler_command(str(folder), LEVELS, [KERNEL], quickly=False)
    environment = {**os.environ, **machine_code._COMPILER_SETTINGS}
    subprocess.run(command, env=environment, check=True)
    return objects(folder)


@pytest.mark.slow
def test_objects_are_the_same_to_the_byte(slowly, tmp_path, monkeypatch):
    """What is skipped is thrown away anyway; no second attempt hides that it failed."""
    without = machine_code._COMPILE.replace("if {quickly}:", "assert {quickly}\nif True:")
    monkeypatch.setattr(machine_code, "_COMPILE", without)
    machine_code.compile_kernels(str(tmp_path), LEVELS, [KERNEL])
    assert objects(tmp_path) == slowly
    assert len(slowly) == len(LEVELS)


@pytest.mark.slow
def test_where_it_fails_numba_does_it_in_its_own_way(slowly, tmp_path, monkeypatch):
    failing = machine_code._COMPILE.replace(
        "if {quickly}:", "if {quickly}:\n    raise SystemExit(3)"
    )
    monkeypatch.setattr(machine_code, "_COMPILE", failing)
    machine_code.compile_kernels(str(tmp_path), LEVELS, [KERNEL])
    assert objects(tmp_path) == slowly


def test_a_missing_name_is_noticed_before_any_is_replaced(python):
    """So that no Numba runs with a part of what must go together."""
    run = python("-c", IN_VAIN)
    assert (run.stdout, run.stderr) == ("_optimize_functions\nTrue\n", "")
