"""What setup.cfg cannot declare: the machine code of the kernels, which Numba makes at build time.

Where there is a linker, the package gets one shared library; where there is none, the objects as
they are; where Numba is missing, nothing, and NumPy does the work. It is ordinary machine code that
knows nothing of Python: a wheel is of a platform, and of any version of Python and NumPy.
"""

import os
import platform
import shutil
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).parent
FOLDER = "hingemetrics/_engine"


class BuildMachineCode(build_ext):
    """Build no C, but what Numba makes of hingemetrics/_engine/kernels.py."""

    def build_extension(self, ext):
        """Compile the kernels, and link them, or ship them as objects."""
        sys.path.insert(0, str(ROOT))
        try:
            from hingemetrics._engine import levels, machine_code, sealed
        except ImportError as error:
            raise CompileError(f"no machine code, NumPy will do the work: {error}") from error
        if not levels.of_machine():
            why = f"none is known for {platform.machine()}"
            raise CompileError(f"no machine code, NumPy will do the work: {why}")
        target = Path(self.build_lib, FOLDER)
        target.mkdir(parents=True, exist_ok=True)
        library = target / Path(machine_code.LIBRARY).name
        library_seal = target / Path(machine_code.LIBRARY_SEAL).name
        if sealed.is_sealed(library, library_seal) and not self.force:
            print("hingemetrics: machine code of these sources was built before")
            return
        with tempfile.TemporaryDirectory() as folder:
            objects = compiled(folder, levels.of_machine(), machine_code)
            if hasattr(self.compiler, "linker_so"):  # of Unix
                self.compiler.linker_so = without_folders(self.compiler.linker_so)
            try:
                self.compiler.link_shared_object(objects, str(library), extra_postargs=STRIP)
            except Exception as error:  # each compiler class has its own
                for path in map(Path, objects):
                    content = sealed.sealed(path.name, path.read_bytes())
                    (target / path.name).write_bytes(content)
                why = textwrap.shorten(str(error), 100)
                print(f"hingemetrics: machine code in {len(objects)} objects, not linked: {why}")
                return
        library_seal.write_bytes(sealed.seal(library.name, library.read_bytes()))
        print(f"hingemetrics: machine code in {library.name}, {library.stat().st_size} bytes")

    def get_ext_filename(self, fullname):
        """Return the name of the library."""
        return f"{FOLDER}/kernels.bin"  # the same for every version of Python

    def copy_extensions_to_source(self):
        """Copy all that was made, not the library alone."""
        for path in Path(self.build_lib, FOLDER).glob("*"):
            if path.suffix in (".bin", ".seal", ".o"):
                copy = ROOT / FOLDER / path.name
                copy.unlink(missing_ok=True)  # a process that uses the old one goes on with it
                shutil.copyfile(path, copy)


class Wheel(bdist_wheel):
    """A wheel that holds machine code, but none that knows a version of Python."""

    def get_tag(self):
        """Return a tag for any Python 3."""
        return "py3", "none", super().get_tag()[2]


STRIP = ["-s"] if sys.platform.startswith("linux") else []


def without_folders(command):
    """Return a linker's command without the folders of the Python here: nothing is taken from them.

    They would stay in the library, and be searched wherever it is loaded.
    """
    return [word for word in command if not word.startswith(("-L", "-Wl,-rpath"))]


# What a kernel takes to compile, in parts of the whole: only how they compare matters.
WORK = {"one-vs-all": 12, "crammer-singer": 7, "moments": 6, "binary": 4, "groups": 1}
CORES_TO_SPLIT_FORMS = 4


def shares(keys, cores):
    """Return the kernels of each process: no more processes than cores, each with as much to do.

    Numba takes seconds to start, and the two kernels of a form have most helpers in common. So they
    stay together, unless there are so many cores that all would wait for those of one-vs-all.
    """
    together = (lambda key: key) if cores >= CORES_TO_SPLIT_FORMS else (lambda key: key[0])
    batches = [list(batch) for _, batch in groupby(keys, together)]
    found = [[] for _ in range(min(cores, len(batches)))]
    for batch in sorted(batches, key=work, reverse=True):
        min(found, key=work).extend(batch)
    return [[f"{form}/{dtype}" for form, dtype in share] for share in found]


def work(keys):
    """Return how much there is to do for kernels."""
    return sum(WORK[form] for form, _ in keys)


def usable_cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compiled(folder, levels, machine_code):
    """Return the paths of the objects of all kernels for all levels; processes run side by side."""
    run = partial(machine_code.compile_kernels, folder, levels)
    with ThreadPoolExecutor() as threads:
        try:
            list(threads.map(run, shares(machine_code.KEYS, usable_cores())))
        except (RuntimeError, OSError) as error:
            raise CompileError(f"no machine code, NumPy will do the work: {error}") from error
    return sorted(map(str, Path(folder).glob("*.o")))


setup(
    ext_modules=[Extension("hingemetrics._engine.kernels_library", [], optional=True)],
    cmdclass={"build_ext": BuildMachineCode, "bdist_wheel": Wheel},
)
