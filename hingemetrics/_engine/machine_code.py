"""Compiled kernels: found with the package or in the store, checked, loaded, and called.

The shared library that is built with the package is at hand from the first call. Where only objects
are, llvmlite loads them. Nothing is compiled unless somebody asks for it, and then in a process of
its own, so that no lock of a compiler is ever held here, whatever forks or interrupts this process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from hingemetrics._core.typing import Array, Floats, Ints
from hingemetrics._engine import frame, levels, sealed
from hingemetrics._engine.trial import gives_known_groups, gives_known_moments, gives_known_sums

# Numba optimises nothing: LLVM does it later for a level, with all of a kernel before its eyes.
_COMPILER_SETTINGS = {"NUMBA_OPT": "0", "NUMBA_DISABLE_JIT": "0", "PYTHONHASHSEED": "0"}

FORMS = ("binary", "crammer-singer", "one-vs-all")
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
MOMENTS, GROUPS = "moments", "groups"
KEYS: tuple[tuple[str, np.dtype[Any]], ...] = (
    *((form, dtype) for form in FORMS for dtype in DTYPES),
    (MOMENTS, np.dtype(np.float64)),
    (GROUPS, np.dtype(np.float64)),
)
"""All kernels: what they compute, and the dtype of what they read."""

LIBRARY = os.path.join(sealed.FOLDER, "kernels.bin")
LIBRARY_SEAL = os.path.join(sealed.FOLDER, "kernels.seal")

# Where an array has the address of its data: NumPy's array struct, which is public, begins with it.
# `array.ctypes.data` takes eight times as long as to read it there.
_DATA = object.__basicsize__
_NO_LOSSES = np.empty(0)
_NOWHERE = "none: NumPy does the work"
_RESULT = ctypes.c_int64
_ARGUMENTS = (ctypes.c_char_p,)
_PROTOTYPE = ctypes.CFUNCTYPE(_RESULT, *_ARGUMENTS)

Kernel = Callable[..., int]
"""Adds rows of (preds, target, weight, squared, start, digits, wide); returns where it stopped.

Given an array more, it writes the losses there, and of the sums it changes but the counters.
"""


def _bound(function: Any, form: str, dtype: np.dtype[Any], owner: object) -> Kernel:
    """Return what calls a function of machine code, which is in its owner's memory."""
    if form == MOMENTS:
        return _bound_moments(function, owner)
    if form == GROUPS:
        return _bound_groups(function, owner)
    return _bound_losses(function, form, dtype, owner)


def _rows(function: Any, words: bytes) -> int:
    """Call a function of machine code with a frame; return the row at which it stopped."""
    try:
        row: int = function(words)
    except ctypes.ArgumentError as error:  # what ctypes makes of it
        raise MemoryError from error
    return row


def _bound_moments(function: Any, owner: object) -> Kernel:
    """Return the kernel that adds losses, (n, k), to the digits of `MomentSums`."""
    pack = frame.pack_moments

    def kernel(
        x: Floats, y: Floats, weight: Floats, plain: bool, digits: Ints, owner: object = owner
    ) -> int:
        return _rows(
            function,
            pack(
                id(x) + _DATA,
                id(y) + _DATA,
                id(weight) + _DATA,
                id(digits) + _DATA,
                *x.shape,
                weight.size > 0,
                plain,
            ),
        )

    return kernel


def _bound_groups(function: Any, owner: object) -> Kernel:
    """Return the kernel that adds losses, (n, k), to the table of a `GroupAccumulator`.

    Given counters, it reads binary predictions instead, (n,), and adds to the pairs.
    """
    pack = frame.pack_groups

    def kernel(
        losses: Floats,
        weight: Floats,
        labels: Ints,
        codes: Ints,
        lowest: int,
        binary: bool,
        plain: bool,
        table: Ints,
        digits: Ints | None = None,
        owner: object = owner,
    ) -> int:
        of_preds = digits is not None
        return _rows(
            function,
            pack(
                id(losses) + _DATA,
                id(weight) + _DATA,
                id(labels) + _DATA,
                id(codes) + _DATA,
                id(table) + _DATA,
                id(digits if of_preds else table) + _DATA,
                len(losses),
                1 if of_preds else losses.shape[1],
                len(table),
                lowest,
                weight.size > 0,
                binary,
                plain,
                of_preds,
            ),
        )

    return kernel


def _bound_losses(function: Any, form: str, dtype: np.dtype[Any], owner: object) -> Kernel:
    """Return a kernel that reads predictions."""
    pack = frame.pack
    scratch_doubles = lru_cache(maxsize=16)(partial(frame.scratch_doubles, form, dtype.itemsize))

    def kernel(
        preds: Array,
        target: Ints,
        weight: Floats,
        squared: bool,
        start: int,
        digits: Ints,
        wide: Ints,
        losses: Floats = _NO_LOSSES,
        owner: object = owner,
    ) -> int:
        classes = 1 if preds.ndim == 1 else preds.shape[1]
        widened = wide.size > 0
        doubles, scratch = 0, digits
        if classes > 1 or widened:  # else the stack has room enough, whatever the rows
            doubles = scratch_doubles(classes, widened)
            if doubles > frame.STACK_DOUBLES:
                scratch = np.empty(doubles, np.int64)
        words = pack(
            id(preds) + _DATA,
            id(target) + _DATA,
            id(weight) + _DATA,
            id(digits) + _DATA,
            id(wide) + _DATA,
            id(losses) + _DATA,
            id(scratch) + _DATA,
            target.size,
            classes,
            squared,
            weight.size > 0,
            widened,
            losses.size > 0,
            start,
            doubles,
        )
        return _rows(function, words)

    return kernel


@cache
def at_hand(form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel of the library that came with the package, if it has one for this processor.

    Two threads may both load it; nobody waits.
    """
    library, level = _library(), _library_level()
    if library is None or level is None:
        return None
    function = library[levels.symbol(form, dtype, level)]
    function.restype, function.argtypes = _RESULT, _ARGUMENTS
    return _checked(_bound(function, form, dtype, library), form, dtype)


@cache
def in_objects(form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel that an object holds: beside this file, or in the store."""
    for level in levels.of_processor():
        symbol = levels.symbol(form, dtype, level)
        for content in filter(None, map(sealed.unsealed, _object_paths(symbol))):
            return _loaded(content, symbol, form, dtype)
    return None


@cache
def compiled(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Return a kernel from wherever it is, or else compile and store it."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _interpreted(form, dtype)
    kernel = at_hand(form, dtype) or in_objects(form, dtype)
    if kernel is None:
        level = next(iter(levels.of_processor()), None)
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


def _interpreted(form: str, dtype: np.dtype[Any]) -> Kernel:
    """Return a kernel as plain Python."""
    if form == MOMENTS:
        from hingemetrics._engine.moment_kernel import interpreted_moments

        moments: Kernel = interpreted_moments()
        return moments
    if form == GROUPS:
        from hingemetrics._engine.group_kernel import interpreted_groups

        groups: Kernel = interpreted_groups()
        return groups
    from hingemetrics._engine.kernels import interpreted

    return interpreted(form, dtype)


def origin() -> str:
    """Return where kernels come from, and for which level they are, in a few words."""
    if _library() is not None and (level := _library_level()):
        return f"{os.path.basename(LIBRARY)}, {level}"
    for level in levels.of_processor():
        symbols = [levels.symbol(form, dtype, level) for form, dtype in KEYS]
        found = sum(any(map(sealed.unsealed, _object_paths(symbol))) for symbol in symbols)
        if found:
            return f"{found} of {len(symbols)} as objects, {level}"
    return _NOWHERE


def _is_layout_known() -> bool:
    """Whether arrays are laid out as kernels read them: another Python may do it otherwise."""
    array = np.empty(1)
    field = ctypes.c_void_p.from_address(id(array) + _DATA)
    return field.value == array.ctypes.data


def is_to_be_had() -> bool:
    """Whether there is machine code of kernels, or Numba to make it."""
    from importlib.util import find_spec

    return _library() is not None or find_spec("numba") is not None or origin() != _NOWHERE


@cache
def _library() -> ctypes.CDLL | None:
    """Load the library that came with the package, if it is what was made of these sources."""
    if not (_is_layout_known() and sealed.is_sealed(LIBRARY, LIBRARY_SEAL)):
        return None
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError:  # of another platform, or no code may be mapped from there
        return None


def _library_level() -> str | None:
    """Return the best level of this processor that the library has code for."""
    library, key = _library(), KEYS[0]
    found = (x for x in levels.of_processor() if hasattr(library, levels.symbol(*key, x)))
    return next(found, None)


def _object_paths(symbol: str) -> list[str]:
    """Return where an object may be: beside this file, or in the store."""
    store = sealed.store_folder()
    stored = [] if store is None else [os.path.join(store, sealed.stored_name(symbol))]
    return [os.path.join(sealed.FOLDER, f"{symbol}.o"), *stored]


def _loaded(content: bytes, symbol: str, form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Load an object; None where that fails."""
    try:
        import llvmlite.binding as llvm  # type: ignore[import-untyped, unused-ignore]

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
    return _checked(_bound(function, form, dtype, engine), form, dtype)


def _checked(kernel: Kernel, form: str, dtype: np.dtype[Any]) -> Kernel | None:
    """Return a kernel if it gives known sums: it may have been made by a compiler with a bug."""
    try:
        trial = {MOMENTS: gives_known_moments, GROUPS: gives_known_groups}.get(
            form, gives_known_sums
        )
        return kernel if trial(kernel, form, dtype) else None
    except Exception:
        return None


_COMPILE = """
import sys
sys.path[:] = {path!r}
from hingemetrics._engine import compiling
if {quickly}:
    compiling.lower_quickly()
compiling.main(*sys.argv[1:])
"""


def compiler_command(
    folder: str, chosen_levels: Iterable[str], kernels: Iterable[str], quickly: bool
) -> list[str]:
    """Return the command that compiles kernels, such as "binary/float32", into a folder."""
    code = _COMPILE.format(path=sys.path, quickly=quickly)
    return [sys.executable, "-c", code, folder, ",".join(chosen_levels), *kernels]


def compile_kernels(folder: str, chosen_levels: Iterable[str], kernels: Iterable[str]) -> None:
    """Compile kernels into a folder: quickly, or where this Numba does not stand that, slowly.

    In a process of its own, Numba's settings are nobody else's. Raise a RuntimeError with the last
    line of what it wrote if that failed too.
    """
    import subprocess  # 15 ms that nothing else here needs

    for quickly in (True, False):
        run = subprocess.run(
            compiler_command(folder, chosen_levels, kernels, quickly),
            env={**os.environ, **_COMPILER_SETTINGS},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            return
    last = (run.stderr.strip().splitlines() or [""])[-1]
    raise RuntimeError(last)


def _compiled_object(form: str, dtype: np.dtype[Any], level: str, symbol: str) -> bytes:
    """Compile a kernel."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory() as folder:
            compile_kernels(folder, [level], [f"{form}/{dtype}"])
            with open(os.path.join(folder, f"{symbol}.o"), "rb") as file:
                return file.read()
    except OSError as error:  # there is no room for a file, or no process to be had
        raise ImportError(f"the numba backend cannot compile here, got {error}") from error
    except RuntimeError as error:
        raise ImportError(f"the numba backend needs a working Numba, got {error}") from error
