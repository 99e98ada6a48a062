"""The library that came with the package: what it holds, and what it asks of its loader."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import elf
import pytest

from hingemetrics._engine import levels, machine_code

pytestmark = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and Path(machine_code.LIBRARY).exists()),
    reason="there is no library, or not of ELF",
)
# What linkers put into any library; a loader does without, but for the first.
OF_ANY_LIBRARY = {
    "__cxa_finalize",
    "__gmon_start__",
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
}
SYMBOLS = {
    levels.symbol(form, dtype, level): (form, dtype.name, level)
    for form, dtype in machine_code.KEYS
    for level in levels.of_machine()
}


@pytest.fixture(scope="module")
def library():
    return elf.Library(Path(machine_code.LIBRARY).read_bytes())


@pytest.fixture(scope="module")
def symbols(library):
    return list(library.symbols())


def test_every_kernel_of_every_level(symbols):
    """And nothing else that another library could be confused by."""
    assert {symbol.name for symbol in symbols if symbol.is_defined} == set(SYMBOLS)


def test_it_needs_memset_alone(symbols):
    needed = {symbol.name for symbol in symbols if not symbol.is_defined}
    assert needed - OF_ANY_LIBRARY <= {"memset"}
    assert all(s.is_weak for s in symbols if s.name in OF_ANY_LIBRARY)


def test_it_needs_libc_alone(library):
    assert set(map(kind_of_library, library.texts(elf.NEEDED))) <= {"libc"}


def kind_of_library(name):
    return re.match(r"[a-z]+", name)[0]


def test_it_is_looked_for_nowhere_else(library):
    """No folder of the machine that it was built on is named."""
    assert not library.values(elf.RPATH)
    assert not library.values(elf.RUNPATH)


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
VECTORS = {"x86-64-v3": ("v", "ymm"), "x86-64-v2": ("", "xmm")}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 assembly")
@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump lists the instructions")
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_packed_instructions(symbols, symbol):
    """The hot loops work on whole vectors, of 256 bits on AVX2."""
    form, dtype, level = SYMBOLS[symbol]
    (found,) = (s for s in symbols if s.name == symbol)
    listing = subprocess.run(
        [
            *("objdump", "-d", "--no-show-raw-insn", f"--start-address={found.start}"),
            *(f"--stop-address={found.start + found.size}", machine_code.LIBRARY),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    prefix, register = VECTORS[level]
    for name in PACKED[form, dtype]:
        packed = re.compile(rf"\s{prefix}{name}\s.*%{register}", re.MULTILINE)
        assert packed.search(listing), name
    assert ("%ymm" in listing) == (level == "x86-64-v3"), "no level takes what it may lack"
    assert "%zmm" not in listing
