# mypy: ignore-errors
"""Compile the kernels of a form to objects for the linker: ``objects.py FOLDER FORM TARGET...``.

Numba lowers each kernel to LLVM's language. LLVM simplifies that once, with a whole kernel in view,
and optimises it for every processor target. An object has one function, in C
``int64 kernel(int64 *frame)``, which needs nothing but libc's memset.
"""

import gc
import re
import sys
from pathlib import Path

import llvmlite.binding as llvm

from hingemetrics._engine import targets
from hingemetrics._engine.compiling import compiled
from hingemetrics._engine.machine_code import KEYS, MOMENTS

# With vectors of 512 bits, which LLVM avoids by default, AVX-512 takes 0.5 to 0.9 of AVX2's time.
AVX_512, WIDE = "x86-64-v4", "-prefer-256-bit"
# Loops over rows of classes are short: interleaved, 30 to 100 classes would not fill them, and take
# up to 1.2 of AVX2's time; so do rows of which up to seven doubles are left over as no vector.
SHORT_LOOPS = ("crammer-singer", "one-vs-all")
LEFT_OVER = "-epilogue-vectorization-minimum-VF=8"

# Numba's reference counts: no array of a kernel owns memory, so there is nothing to count.
REFERENCES = re.compile(
    r"^(define [^\n]*@NRT_(?:incref|decref)\([^)]*\)[^{\n]*)\{.*?^\}", re.M | re.S
)
# Where Numba's C wrapper branches to raising the exception of a kernel: kernels raise none.
RAISING = re.compile(
    r"^(define i64 @cfunc\.[^\n]*\{\n.*?^  br) i1 [^\n]*, (label %entry\.endif)[^\n]*", re.M | re.S
)


def lowered(form, dtype):
    """Return a module of LLVM with a kernel and all it calls, and the name of its function."""
    function = compiled(form, dtype)
    name = function.native_name
    text = REFERENCES.sub(r"\1{ ret void }", function.inspect_llvm())
    text = RAISING.sub(r"\1 \2", text)
    wrapped = re.escape(name.removeprefix("cfunc."))  # the wrapper is its only caller
    text = text.replace("noinline", "nounwind")
    text = re.sub(
        rf"^(define [^\n]*@{wrapped}\([^\n]*)\{{$", r"\1 alwaysinline {", text, flags=re.M
    )
    module = llvm.parse_assembly(text)
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != name:
            value.linkage = "internal"  # LLVM drops internal functions that nothing calls
    return module, name


def simplify(module, lowest):
    """Run passes whose results suit the lowest target and all above: each takes a third less."""
    tuning = llvm.create_pipeline_tuning_options(speed_level=1)
    tuning.loop_vectorization = tuning.loop_interleaving = tuning.loop_unrolling = False
    run_passes(module, lowest, "", tuning)


def emitted(module, name, symbol, target, interleaved):
    """Return an object for a processor target, in which the function is called `symbol`."""
    module = module.clone()
    module.get_function(name).name = symbol
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization, tuning.slp_vectorization = True, False
    tuning.loop_interleaving = interleaved
    features = WIDE if target == AVX_512 else ""
    return run_passes(module, target, features, tuning).emit_object(module)


def run_passes(module, processor, features, tuning):
    """Run LLVM's passes over a module for a processor; return what emits its code."""
    level = tuning.speed_level
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=level, reloc="pic", codemodel="default"
    )
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return machine


def main(folder, form, *chosen):
    """Write an object for each kernel of a form and each target.

    One process compiles one form: the text depends on what Numba compiled before, and so would the
    bytes of the library on the number of cores.
    """
    gc.disable()  # a collection passes over all that Numba keeps, for a tenth of the time
    if form in SHORT_LOOPS:
        llvm.set_option("", LEFT_OVER)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for key in KEYS:
        if key[0] == form:
            module, name = lowered(*key)
            if form != MOMENTS:  # its chains of shifts come out 5 % slower
                simplify(module, chosen[-1])
            for target in chosen:
                symbol = targets.symbol(*key, target)
                interleaved = target != AVX_512 or form not in SHORT_LOOPS
                content = emitted(module, name, symbol, target, interleaved)
                Path(folder, f"{symbol}.o").write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
