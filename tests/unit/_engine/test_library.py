"""The library that came with the package: what it holds, and what it asks of its loader."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import elf
import pytest

from hingemetrics._engine import machine_code, targets

pytestmark = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and Path(machine_code.LIBRARY).exists()),
    reason="there is no library, or not of ELF",
)
SYMBOLS = {
    targets.symbol(form, dtype, target): (form, dtype.name, target)
    for form, dtype in machine_code.KEYS
    for target in targets.of_machine()
}


@pytest.fixture(scope="module")
def library():
    return elf.Library(Path(machine_code.LIBRARY).read_bytes())


@pytest.fixture(scope="module")
def symbols(library):
    return list(library.symbols())


def test_every_kernel_of_every_target(symbols):
    """And nothing else that another library could be confused by."""
    assert {symbol.name for symbol in symbols if symbol.is_defined} == set(SYMBOLS)


def test_it_needs_memset_alone(symbols):
    assert {symbol.name for symbol in symbols if not symbol.is_defined} == {"memset"}


def test_it_names_no_library(library):
    """Neither one of a libc, so that it runs with any, nor a folder of the build."""
    for tag in (elf.NEEDED, elf.RPATH, elf.RUNPATH):
        assert library.values(tag) == []


def test_nothing_runs_when_it_is_loaded(library):
    for tag in (elf.INIT, elf.FINI, elf.INIT_ARRAY, elf.FINI_ARRAY):
        assert library.values(tag) == []


def test_no_text_relocations(library):
    assert not library.values(elf.TEXTREL)
    assert not any(flags & elf.TEXTREL_FLAG for flags in library.values(elf.FLAGS))


def test_no_memory_is_both_written_and_executed(library):
    for segment in library.segments:
        both = elf.WRITABLE | elf.EXECUTABLE
        assert segment.kind != elf.LOAD or segment.flags & both != both
    (stack,) = (segment for segment in library.segments if segment.kind == elf.STACK)
    assert not stack.flags & elf.EXECUTABLE


PACKED = {
    ("binary", "float32"): ["cvtps2pd", "addpd", "maxpd", "paddq"],
    ("binary", "float64"): ["addpd", "maxpd", "paddq"],
    ("crammer-singer", "float32"): ["pmaxsd", "pminsd", "maxps", "cvtps2pd"],
    ("crammer-singer", "float64"): ["pcmpgtq", "blendvpd", "maxpd"],
    ("one-vs-all", "float32"): ["cvtps2pd", "addpd", "maxpd", "paddq"],
    ("one-vs-all", "float64"): ["addpd", "maxpd", "paddq"],
    ("moments", "float64"): ["addpd", "paddq", "subpd", "pmuldq"],
    ("groups", "float64"): ["andpd"],
}
OF_V4 = {("crammer-singer", "float64"): ["pmaxsq", "maxpd"]}  # a maximum of integers is one step
AVX512 = re.compile(r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])")  # registers that it adds
VECTORS = {"x86-64-v4": ("v", "zmm"), "x86-64-v3": ("v", "ymm"), "x86-64-v2": ("", "xmm")}


@pytest.fixture
def listing(symbols, request):
    """The instructions of a kernel."""
    (found,) = (s for s in symbols if s.name == request.param)
    command = [
        *("objdump", "-d", "--no-show-raw-insn", f"--start-address={found.start}"),
        *(f"--stop-address={found.start + found.size}", machine_code.LIBRARY),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 assembly")
@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump lists the instructions")
@pytest.mark.parametrize(("listing", "symbol"), [(s, s) for s in SYMBOLS], indirect=["listing"])
def test_packed_instructions(listing, symbol):
    """The hot loops work on whole vectors, and no target takes what it may lack."""
    form, dtype, target = SYMBOLS[symbol]
    prefix, register = VECTORS[target]
    wanted = PACKED[form, dtype]
    if target == "x86-64-v4":
        wanted = OF_V4.get((form, dtype), wanted)
    for name in wanted:
        packed = re.compile(rf"\s{prefix}{name}\s.*%{register}", re.MULTILINE)
        assert packed.search(listing), name
    assert ("%ymm" in listing) == (target != "x86-64-v2")
    assert bool(AVX512.search(listing)) == (target == "x86-64-v4")
