"""Compiled kernels: found with the package or in the store, checked, loaded, and called.

The shared library that is built with the package is at hand from the first call. Where only objects
are, llvmlite loads them. Nothing is compiled unless somebody asks for it, and then in a process of
its own, so that no lock of a compiler is ever held here, whatever forks or interrupts this process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._engine import frame, levels, sealed
from hingemetrics._engine.trial import gives_known_sums

# Numba optimises nothing: LLVM does it later for a level, with all of a kernel before its eyes.
COMPILER_SETTINGS = {"NUMBA_OPT": "0", "NUMBA_DISABLE_JIT": "0", "PYTHONHASHSEED": "0"}

FORMS = ("binary", "crammer-singer", "one-vs-all")
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
LIBRARY = sealed.FOLDER / "machine-code.so"
LIBRARY_SEAL = sealed.FOLDER / "machine-code.seal"

_INT64 = np.dtype(np.int64)
_NO_SCRATCH_WORDS = 2  # in front of the scratch: the row that comes back, and what Numba reserves
_read_address = ctypes.c_void_p.from_address
_DATA = object.__basicsize__  # where NumPy's array struct, a public one, keeps its data's address
_RESULT = ctypes.c_int32
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_PROTOTYPE = ctypes.CFUNCTYPE(_RESULT, *_ARGUMENTS)

Kernel = Callable[[Array, Ints, Floats, bool, int, Ints, Ints], int]
"""Adds rows of (preds, target, weight, squared, start, digits, wide); returns where it stopped."""


class MachineKernel:
    """A kernel at an address."""

    __slots__ = ("_doubles", "_function", "_is_per_class", "_owner")

    def __init__(self, function: Any, form: str, dtype: np.dtype[Any], owner: object) -> None:
        self._function = function
        self._owner = owner  # of the memory that the machine code is in
        self._doubles = lru_cache(maxsize=8)(
            lambda classes: frame.scratch_doubles(form, classes, dtype.itemsize)
        )

    def __call__(
        self,
        preds: Array,
        target: Ints,
        weight: Floats,
        squared: bool,
        start: int,
        digits: Ints,
        wide: Ints,
    ) -> int:
        """Call it with a frame."""
        classes = 1 if preds.ndim == 1 else preds.shape[1]
        doubles = self._doubles(classes)
        scratch = np.empty(doubles + _NO_SCRATCH_WORDS, _INT64)
        at = address(scratch)
        words = frame.pack(
            address(preds),
            address(target),
            address(weight) if len(weight) else 0,
            len(target),
            classes,
            squared,
            start,
            address(digits),
            address(wide) if len(wide) else 0,
            at + 8 * _NO_SCRATCH_WORDS,
            doubles,
        )
        if self._function(at, at + 8, words):
            raise RuntimeError("a kernel failed")  # none can: they raise nothing
        return scratch.item(0)


def address(array: Array) -> int:
    """Return the address of an array's data, eight times as fast as `array.ctypes.data`."""
    return _read_address(id(array) + _DATA).value  # type: ignore[return-value]


def _address_by_numpy(array: Array) -> int:
    return array.ctypes.data


_probe = np.empty(1)
if address(_probe) != _address_by_numpy(_probe):  # another implementation of Python or of NumPy
    address = _address_by_numpy


@cache
def at_hand(form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel of the library that came with the package, if it has one for this processor.

    Two threads may both load it; nobody waits.
    """
    library = _library()
    for level in levels.of_processor() if library else ():
        function = getattr(library, levels.symbol(form, dtype, level), None)
        if function is not None:
            function.restype, function.argtypes = _RESULT, _ARGUMENTS
            return _checked(MachineKernel(function, form, dtype, library), form, dtype)
    return None


@cache
def in_objects(form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel that an object holds: beside this file, or in the store."""
    store = sealed.store_folder()
    for level in levels.of_processor():
        symbol = levels.symbol(form, dtype, level)
        paths = [sealed.FOLDER / f"{symbol}.o", store and store / sealed.stored_name(symbol)]
        for content in filter(None, map(sealed.unsealed, filter(None, paths))):
            return _loaded(content, symbol, form, dtype)
    return None


@cache
def compiled(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Return a kernel from wherever it is, or else compile and store it."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        from hingemetrics._engine.kernels import interpreted

        return interpreted(form, dtype)
    kernel = at_hand(form, dtype) or in_objects(form, dtype)
    if kernel is None:
        level = (*levels.of_processor(), None)[0]
        if level is None:
            raise ImportError("the numba backend makes no machine code for this processor")
        symbol = levels.symbol(form, dtype, level)
        content = _compiled_object(form, dtype, level, symbol)
        store = sealed.store_folder()
        if store is not None:
            sealed.store(store, sealed.stored_name(symbol), content)
        kernel = _loaded(content, symbol, form, dtype)
    if kernel is None:
        raise ImportError("the numba backend needs a working Numba, got wrong machine code")
    return kernel


def is_to_be_had() -> bool:
    """Whether a library came with the package, or there is Numba to compile kernels."""
    from importlib.util import find_spec

    return _library() is not None or find_spec("numba") is not None


@cache
def _library() -> ctypes.CDLL | None:
    """Load the library that came with the package, if it is what was made of these sources."""
    if not sealed.is_sealed(LIBRARY, LIBRARY_SEAL):
        return None
    try:
        return ctypes.CDLL(str(LIBRARY))
    except OSError:  # of another platform, or no code may be mapped from there
        return None


def _loaded(content: bytes, symbol: str, form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Load an object; None where that fails."""
    try:
        import llvmlite.binding as llvm

        with suppress(RuntimeError):  # newer versions need no such call, and refuse it
            llvm.initialize()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        engine.finalize_object()
        function = _PROTOTYPE(engine.get_function_address(symbol))
    except Exception:  # there is no llvmlite, or one that does not work
        return None
    return _checked(MachineKernel(function, form, dtype, engine), form, dtype)


def _checked(kernel: Kernel, form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel if it gives known sums: it may have been made by a compiler with a bug."""
    try:
        return kernel if gives_known_sums(kernel, form, dtype) else None
    except Exception:
        return None


_COMPILE = """
import sys
sys.path[:] = {path!r}
from hingemetrics._engine.compiling import main
main(*sys.argv[1:])
"""


def _compiled_object(form: str, dtype: np.dtype[Any], level: str, symbol: str) -> bytes:
    """Compile a kernel in a process of its own: Numba's settings there are nobody else's."""
    import subprocess  # 15 ms that nothing else here needs
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        arguments = [folder, level, f"{form}/{dtype}"]
        run = subprocess.run(
            [sys.executable, "-I", "-c", _COMPILE.format(path=sys.path), *arguments],
            env={**os.environ, **COMPILER_SETTINGS},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            last = (run.stderr.strip().splitlines() or [""])[-1]
            raise ImportError(f"the numba backend needs a working Numba, got {last}")
        return Path(folder, f"{symbol}.o").read_bytes()
