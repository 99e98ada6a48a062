# mypy: disable-error-code="call-overload,no-untyped-call"
"""Machine code of kernels, made by Numba and LLVM: objects that any linker or loader can take.

Numba lowers a kernel once, and LLVM optimises what came out for each processor level, with all of a
kernel before its eyes. In an object is one function that needs nothing but libc's memset, in C
``int64 kernel(int64 *frame)``: it returns the row at which it stopped.

    main(FOLDER, "x86-64-v3,x86-64-v2", "binary/float32", "binary/float64")
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import njit, types

from hingemetrics._engine import levels
from hingemetrics._engine.group_kernel import group_entry
from hingemetrics._engine.kernels import entry
from hingemetrics._engine.machine_code import GROUPS, KEYS, MOMENTS
from hingemetrics._engine.moment_kernel import moment_entry

# What Numba counts references with: no array of a kernel owns memory, so there is none to count.
_REFERENCES = re.compile(
    r"^(define [^\n]*@NRT_(?:incref|decref)\([^)]*\)[^{\n]*)\{.*?^\}", re.M | re.S
)
# Where Numba's wrapper for C turns to raising what a kernel raised: none does.
_RAISING = re.compile(
    r"^(define i64 @cfunc\.[^\n]*\{\n.*?^  br) i1 [^\n]*, (label %entry\.endif)[^\n]*", re.M | re.S
)


# A collection passes over all that Numba keeps, a tenth of lowering with Python's own threshold.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def lower_quickly() -> None:
    """Let Numba lower, and no more: that takes half as long, and objects are the same to the byte.

    It would optimise each helper, and load it to be called from Python, and all that is thrown away
    here. It would also look for what no kernel has, such as closures, for a tenth of the rest.

    These names are private to Numba. Where one is missing, this fails and replaces nothing, and who
    started the process starts another that does without.
    """
    from numba.core import codegen, typed_passes, untyped_passes
    from numba.core.cpu import CPUContext

    def finalized(context: Any, library: Any, *described: Any) -> Callable[..., Any]:
        library.finalize()  # with all it calls, as getting its address does
        return [].append  # Numba tells functions apart by it, and wants what is not Python's

    def nothing(*arguments: Any) -> bool:
        return False  # as a pass says that it changed nothing

    passes = (
        untyped_passes.FindLiterallyCalls,
        untyped_passes.InlineClosureLikes,
        untyped_passes.InlineInlinables,
        untyped_passes.LiteralUnroll,
        untyped_passes.MakeFunctionToJitFunction,
        typed_passes.InlineOverloads,
    )
    replaced = [
        (CPUContext, "get_executable", finalized),
        (codegen.CPUCodeLibrary, "_optimize_functions", nothing),
        (codegen.JITCodeLibrary, "_finalize_specific", nothing),
        (codegen.JITCPUCodegen, "_add_module", nothing),
        *((each, "run_pass", nothing) for each in passes),
    ]
    if hasattr(codegen, "create_pass_builder"):  # Numba 0.61 has older passes, which change objects
        replaced.append((codegen.CPUCodeLibrary, "_optimize_final_module", nothing))
    for owner, name, _ in replaced:
        getattr(owner, name)
    for owner, name, replacement in replaced:
        setattr(owner, name, replacement)


def lowered(form: str, dtype: np.dtype[Any]) -> tuple[str, str]:
    """Return a kernel in LLVM's language, with all it calls, and the name of its function."""
    signature = types.int64(types.CPointer(types.int64))
    kernel = njit(signature, error_model="numpy", no_cpython_wrapper=True)(_entry(form, dtype))
    (overload,) = kernel.overloads.values()
    names = overload.fndesc
    text = _REFERENCES.sub(r"\1{ ret void }", overload.library.get_llvm_str())
    text = _RAISING.sub(r"\1 \2", text)
    return _inlined(text, names.llvm_func_name), names.llvm_cfunc_wrapper_name


def _entry(form: str, dtype: np.dtype[Any]) -> Callable[[Any], int]:
    """Return the function of one argument, a frame, that is compiled."""
    if form == GROUPS:
        return group_entry()
    return moment_entry() if form == MOMENTS else entry(form, dtype)


def _inlined(text: str, name: str) -> str:
    """Make a function part of its only caller, the wrapper for C, where Numba forbids it."""
    definition = re.compile(rf"^(define [^\n]*@{re.escape(name)}\([^\n]*)\{{$", re.M)
    return definition.sub(r"\1 alwaysinline {", text.replace("noinline", "nounwind"))


def parsed(text: str, name: str) -> Any:
    """Return a module of LLVM, in which all but the function of a name may fall away."""
    module = llvm.parse_assembly(text)
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != name:
            value.linkage = "internal"  # so that what is not called falls away
    return module


def emitted(module: Any, name: str, public_name: str, level: str) -> bytes:
    """Return an object for a processor level, in which a function has its public name."""
    module = module.clone()
    module.get_function(name).name = public_name
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=level, features="", opt=3, reloc="pic", codemodel="default"
    )
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    tuning.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    content: bytes = machine.emit_object(module)
    return content


def main(folder: str, chosen_levels: str, *kernels: str) -> None:
    """Write the objects of kernels for levels into a folder, a file each."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    for form, dtype in KEYS:
        if f"{form}/{dtype}" in kernels:
            text, name = lowered(form, dtype)
            module = parsed(text, name)
            for level in chosen_levels.split(","):
                symbol = levels.symbol(form, dtype, level)
                content = emitted(module, name, symbol, level)
                Path(folder, f"{symbol}.o").write_bytes(content)
