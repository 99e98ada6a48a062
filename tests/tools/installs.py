"""Install the package in every way that people do, and print what each way gives as a table.

    python tests/tools/installs.py [--rows NAME,...] [--python NAME=PATH ...]

All rows, unless some are named. `--python` adds a row for another interpreter, such as PyPy. A row
that needs what this machine lacks is left out, and says so. The exit status is 1 if an install
fails, gives a wrong loss, or computes it in another tier than it should.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOSS = "0.0820015389891473"  # of README's first command
PROGRAM = f"""
import numpy as np
import hingemetrics
from hingemetrics._engine import machine_code
folder = {str(ROOT / "examples")!r} + "/breast_cancer_"
loss = hingemetrics.hinge_loss(np.load(folder + "preds.npy"), np.load(folder + "target.npy"))
print("library" if machine_code.origin().startswith("kernels.bin") else "NumPy", loss)
"""
ROWS = {}  # by name: the tier that it should compute in, and what installs it


class MissingError(Exception):
    """A row needs what is not on this machine."""


def row(tier):
    """Add a row, named as its function."""
    return lambda install: ROWS.setdefault(install.__name__, (tier, install))


def run(*command, cwd=None, **environment):
    """Run a command, and return what it printed; raise with all of that if it fails."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def pip(python, *arguments, **environment):
    """Run pip for a Python, which need not have it."""
    return run(sys.executable, "-m", "pip", "--python", python, *arguments, **environment)


def megabytes(path):
    """Return the size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file()) / 1e6


class Bench:
    """A folder with a clone, the wheels of it, and environments; how long the last install took."""

    def __init__(self, folder):
        self.folder, self.clone, self.seconds = folder, folder / "clone", 0.0
        run("git", "clone", "-q", ROOT, self.clone)

    def place(self):
        """Return a path where nothing is yet."""
        return Path(tempfile.mkdtemp(dir=self.folder)) / "new"

    def python(self, *packages, base=None, **environment):
        """Return the Python of a new environment with some packages."""
        place = self.place()
        run(base or sys.executable, "-m", "venv", "--without-pip", place)
        python = place / "bin" / "python"
        pip(python, "install", "-q", *packages, **environment)
        return python

    def installed(self, *arguments, python=None, base=None, **environment):
        """Install beside NumPy, and return what runs it and how much it added."""
        python = python or self.python("numpy", base=base, **environment)
        paths = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(run(python, "-c", paths).strip())
        before, began = megabytes(packages), time.perf_counter()
        pip(python, "install", "-q", *arguments, **environment)
        self.seconds = time.perf_counter() - began
        if base is None:  # PyPy has packages of its own that fail it
            pip(python, "check")
        return [python], megabytes(packages) - before

    def wheel(self, setting=""):
        """Return the wheel of a setting of HINGEMETRICS_MACHINE_CODE."""
        made = self.folder / f"wheel-{setting}"
        if not made.exists():
            options = ("-q", "--no-deps", "-w", made)
            pip(sys.executable, "wheel", *options, self.clone, HINGEMETRICS_MACHINE_CODE=setting)
        return next(made.iterdir())

    def copied(self):
        """Return a folder that holds the package alone."""
        wheel, folder, began = self.wheel(), self.place(), time.perf_counter()
        pip(sys.executable, "install", "-q", "--no-deps", "--target", folder, wheel)
        self.seconds = time.perf_counter() - began
        return folder

    def beside(self, folder, *options):
        """Return what runs the package in a folder, with NumPy in an environment, and its size."""
        python = self.python("numpy")
        return ["env", f"PYTHONPATH={folder}", python, *options], megabytes(folder)

    def mounted(self, option, *before):
        """Return what runs the package on a file system that is mounted with an option."""
        if os.geteuid() or not shutil.which("unshare"):
            raise MissingError("root and unshare, to mount a file system")
        folder = self.copied()
        command, size = self.beside(folder)
        mount = f"mount --bind {folder} {folder} && mount -o remount,bind,{option} {folder}"
        return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *before, *command], size

    def index(self):
        """Return the settings of an index that has NumPy and setuptools, but no Numba."""
        folder = self.folder / "index"
        if not folder.exists():
            run(
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "-d",
                folder,
                "numpy",
                "setuptools>=77",
            )
        return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


@row("library")
def clone(bench):
    """Install from a clone."""
    return bench.installed(bench.clone)


@row("NumPy")
def pure_clone(bench):
    """Without machine code, as asked."""
    return bench.installed(bench.clone, HINGEMETRICS_MACHINE_CODE="no")


@row("NumPy")
def no_linker(bench):
    """From a clone, as on a slim image."""
    python = bench.python("numpy")
    return bench.installed(bench.clone, python=python, PATH=str(python.parent))


@row("library")
def sdist(bench):
    """From a source distribution."""
    build = "import backend, sys; backend.build_sdist(sys.argv[1])"
    made, python = bench.place(), bench.python("setuptools>=77")
    path = str(bench.clone / "build_backend")
    run(python, "-c", build, made, cwd=bench.clone, PYTHONPATH=path)
    return bench.installed(next(made.glob("*.tar.gz")))


@row("library")
def wheel_in_a_folder(bench):
    """By its name, from a folder of wheels."""
    return bench.installed("--no-index", "--find-links", bench.wheel().parent, "hingemetrics")


@row("library")
def wheel_without_numba(bench):
    """From a wheel, with an index that has no Numba."""
    return bench.installed(bench.wheel(), **bench.index())


@row("NumPy")
def pure_clone_without_numba(bench):
    """From a clone, with the same index."""
    return bench.installed(bench.clone, HINGEMETRICS_MACHINE_CODE="no", **bench.index())


@row("library")
def target(bench):
    """With --target, beside NumPy elsewhere."""
    return bench.beside(bench.copied())


@row("library")
def read_only(bench):
    """On a file system that nobody can write to, without a home."""
    return bench.mounted("ro", "env", "-u", "HOME")


@row("NumPy")
def zipapp(bench):
    """As a zip archive, from which no library can be loaded."""
    folder, archive = bench.copied(), bench.place()
    (folder / "__main__.py").write_text(PROGRAM)
    run(sys.executable, "-m", "zipapp", folder, "-o", archive)
    return [bench.python("numpy"), archive], megabytes(archive)


@row("NumPy")
def noexec(bench):
    """On a file system from which nothing may be executed."""
    return bench.mounted("noexec")


@row("library")
def optimised(bench):
    """With python -OO, which drops assertions and docstrings."""
    return bench.beside(bench.copied(), "-OO")


@row("library")
def sourceless(bench):
    """With bytecode alone."""
    folder = bench.copied()
    run(sys.executable, "-m", "compileall", "-q", "-b", folder)
    for path in folder.rglob("*.py"):
        path.unlink()
    return bench.beside(folder)


@row("library")
def frozen(bench):
    """By PyInstaller, where Numba is installed too."""
    python, folder = bench.python("pyinstaller", "numba", bench.wheel()), bench.place()
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    run(python, "-m", "PyInstaller", "--log-level=ERROR", "program.py", cwd=folder)
    made = folder / "dist" / "program"
    return [made / "program"], megabytes(made)


@row("NumPy")
def aarch64(bench):
    """The golden vectors on an emulated processor."""
    try:
        print(run(sys.executable, ROOT / "tests" / "tools" / "run_on_aarch64.py", "numpy"), end="")
    except RuntimeError as error:
        if "status 77" in str(error):
            raise MissingError("qemu-aarch64, or Debian's packages for it") from error
        raise
    return ["echo", "NumPy", LOSS], 0.0


def another(path):
    """Return what installs, for another interpreter, whichever wheel pip takes."""

    def install(bench):
        folders = [f"--find-links={bench.wheel(setting).parent}" for setting in ("", "no")]
        return bench.installed("--only-binary=:all:", *folders, "hingemetrics", base=path)

    return install


@row("NumPy")
def pypy(bench):
    """On the system's PyPy."""
    found = shutil.which("pypy3")
    if not found or run(found, "-c", "import sys; print(sys.version_info >= (3, 10))") != "True\n":
        raise MissingError("pypy3 of Python 3.10 or newer")
    return another(found)(bench)


def tried(bench, install):
    """Install and run it; return the tier and loss that it prints, its size and the seconds."""
    bench.seconds = 0.0
    command, size = install(bench)
    if Path(command[-1]).name.startswith(("python", "-OO")):
        command = [*command, "-c", PROGRAM]
    return (*run(*command, cwd=bench.folder).split(), size, bench.seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args()
    chosen = {name: ROWS[name] for name in filter(None, options.rows.split(","))}
    for name, _, path in (text.partition("=") for text in options.python):
        chosen[name] = ("", another(path))
    wrong = []
    print("| install | tier | loss | MB | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # for another user
        bench = Bench(Path(folder))
        for name, (wanted, install) in chosen.items():
            try:
                tier, loss, size, seconds = tried(bench, install)
            except MissingError as error:
                print(f"| {name} | left out: needs {error} | | | |", flush=True)
                continue
            except RuntimeError as error:
                wrong.append(f"{name}: {error}")
                continue
            print(f"| {name} | {tier} | {loss} | {size:.1f} | {seconds:.1f} |", flush=True)
            if loss != LOSS or wanted not in ("", tier):
                wrong.append(f"{name}: {tier} {loss}, not {wanted} {LOSS}")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
