"""What setup.cfg cannot declare: the library of machine code, which Numba and a linker build.

The library knows nothing of Python: a wheel is for a platform, and for any version of Python and
NumPy. Where it cannot be built, the package is pure Python, and NumPy does the work.
"""
# ruff: noqa: E402

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BACKEND = ROOT / "build_backend"
sys.path[:0] = [str(ROOT), str(BACKEND)]

from backend import why_pure  # first, for it refuses a setuptools that is too old
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

LIBRARY = Path("hingemetrics/_engine/kernels.bin")
REQUIRED = os.environ.get("HINGEMETRICS_MACHINE_CODE") == "yes"
# memset, all that the library needs, is in every process; only the kernels' names are kept.
LINK = ["-nostdlib", "-s"] if sys.platform.startswith("linux") else []
# LLVM optimises later, with all of a kernel in view; no order depends on a hash.
SETTINGS = {"NUMBA_OPT": "0", "NUMBA_DISABLE_JIT": "0", "PYTHONHASHSEED": "0"}


class Build(build):
    """A build that leaves no file of an earlier one in a wheel."""

    def run(self):
        """Build into an empty folder."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildLibrary(build_ext):
    """Build the kernels in place of an extension in C."""

    def build_extension(self, ext):
        """Write the library and its digests into the package."""
        try:
            content = self.library()
        except (ImportError, OSError, CompileError) as error:
            instead = "" if REQUIRED else ", NumPy will do the work"
            raise CompileError(f"no machine code{instead}: {error}") from error
        from hingemetrics._engine.digests import written

        library = Path(self.build_lib, LIBRARY)
        library.parent.mkdir(parents=True, exist_ok=True)
        library.write_bytes(content)
        library.with_suffix(".digests").write_text(written(content), "ascii")

    def library(self):
        """Return the content of the library; build it unless these sources were built before."""
        reason = why_pure()
        if reason:
            raise CompileError(reason)
        import numba

        from hingemetrics._engine import digests, targets

        made_from = numba.__version__, self.plat_name, targets.of_machine(), digests.of_sources()
        key = hashlib.sha256(repr(made_from).encode())
        for path in (ROOT / "setup.py", *sorted(BACKEND.glob("*.py"))):
            key.update(path.read_bytes())
        folder = ROOT / "build"
        built = folder / f"kernels-{key.hexdigest()[:16]}.bin"
        if self.force or REQUIRED or not built.exists():
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                self.make(Path(temporary, LIBRARY.name)).replace(built)
            print(f"hingemetrics: machine code in {LIBRARY.name}, {built.stat().st_size} bytes")
        return built.read_bytes()

    def make(self, library):
        """Compile, link and try the kernels; return the library's path."""
        from hingemetrics._engine import machine_code, targets

        chosen, folder = targets.of_machine(), str(library.parent)
        forms = dict.fromkeys(form for form, _ in machine_code.KEYS)
        longest_first = sorted(forms, key="one-vs-all".__ne__)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(lambda form: run("objects.py", folder, form, *chosen), longest_first))
        objects = sorted(library.parent.glob("*.o"))
        if hasattr(self.compiler, "linker_so"):  # of Unix
            self.compiler.linker_so = without_folders(self.compiler.linker_so)
        self.compiler.link_shared_object(
            [str(path) for path in objects],
            str(library),
            export_symbols=[path.stem for path in objects],  # for Windows
            extra_postargs=LINK,
        )
        untried = run("trial.py", str(library), *chosen, error=SystemExit).strip()
        if untried:
            print(f"hingemetrics: this processor cannot try the machine code for {untried}")
        if untried and REQUIRED:
            sys.exit("hingemetrics: HINGEMETRICS_MACHINE_CODE=yes, but not all of it was tried")
        return library

    def get_ext_filename(self, fullname):
        """Return the name of the library, the same for every version of Python."""
        return str(LIBRARY)

    def copy_extensions_to_source(self):
        """Copy the library and its digests."""
        for path in Path(self.build_lib, LIBRARY.parent).glob("kernels.[bd]*"):
            copy = ROOT / LIBRARY.parent / path.name
            copy.unlink(missing_ok=True)  # a process that uses the old one goes on with it
            shutil.copyfile(path, copy)


class Wheel(bdist_wheel):
    """A wheel for any Python: of pure Python, or for a platform."""

    def run(self):
        """Build first, to know whether there is machine code."""
        self.run_command("build")
        build_lib = self.get_finalized_command("build").build_lib
        self.root_is_pure = not Path(build_lib, LIBRARY).exists()
        if self.root_is_pure:
            self.distribution.ext_modules = []
        super().run()

    def get_tag(self):
        """Return a tag for any Python 3, and on Linux for any libc."""
        if self.root_is_pure:
            return super().get_tag()
        tag = super().get_tag()[2]
        if LINK:
            processor = tag.removeprefix("linux_")
            tag = f"manylinux_2_17_{processor}.musllinux_1_1_{processor}"
        return "py3", "none", tag.replace("universal2", platform.machine())


def run(script, *arguments, error=CompileError):
    """Run a script of the build in a process of its own; return what it prints, or raise."""
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(BACKEND / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{script}: status {done.returncode}"]
        raise error(f"hingemetrics: {lines[-1]}")
    return done.stdout


def without_folders(command):
    """Return a linker's command without the folders of this Python, which would be its rpath."""
    return [word for word in command if not word.startswith(("-L", "-Wl,-rpath"))]


setup(
    ext_modules=[Extension("hingemetrics._engine.kernels", [], optional=not REQUIRED)],
    cmdclass={"build": Build, "build_ext": BuildLibrary, "bdist_wheel": Wheel},
)
