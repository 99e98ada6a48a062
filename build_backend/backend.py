# mypy: ignore-errors
"""The PEP 517 backend: setuptools, which gets Numba only where machine code can be built.

The environment variable ``HINGEMETRICS_MACHINE_CODE`` is "no" for a package of pure Python, and
"yes" for a build that fails unless every kernel was compiled and tried.
"""

import gzip
import io
import os
import platform
import shutil
import sys
import sysconfig
import tarfile
from pathlib import Path

from setuptools import __version__, build_meta
from setuptools.build_meta import *  # noqa: F403

OLDEST_SETUPTOOLS = 77  # the first that writes License-Expression
NUMBA = "numba>=0.61"
# The first and the last version of CPython that Numba has wheels for, with the GIL and without.
PYTHONS = ((3, 10), (3, 15))
FREE_THREADED = ((3, 14), (3, 14))
PLATFORMS = ("Linux-x86_64", "Linux-aarch64", "Darwin-arm64", "Windows-AMD64")
VISUAL_STUDIO = r"%ProgramFiles(x86)%\Microsoft Visual Studio\Installer\vswhere.exe"

if int(__version__.partition(".")[0]) < OLDEST_SETUPTOOLS:
    sys.exit(
        f"hingemetrics needs setuptools {OLDEST_SETUPTOOLS} or newer to build, got {__version__}: "
        "pip install --upgrade setuptools"
    )


def get_requires_for_build_wheel(config_settings=None):
    """Return the requirements of a wheel: Numba, if it can be had and used."""
    return [] if why_pure() else [NUMBA]


def get_requires_for_build_editable(config_settings=None):
    """Return those of an editable install, which has machine code too."""
    return get_requires_for_build_wheel()


def build_sdist(sdist_directory, config_settings=None):
    """Build the source distribution; with SOURCE_DATE_EPOCH, the same bytes every time."""
    name = build_meta.build_sdist(sdist_directory, config_settings)
    if "SOURCE_DATE_EPOCH" in os.environ:
        path = Path(sdist_directory, name)
        path.write_bytes(dated(path, int(os.environ["SOURCE_DATE_EPOCH"])))
    return name


def dated(path, seconds):
    """Return an archive as if every file in it, and itself, had been written by root at a time."""
    content = io.BytesIO()
    with (
        tarfile.open(path) as old,
        gzip.GzipFile("", "wb", fileobj=content, mtime=seconds) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as new,
    ):
        for member in old:
            member.uid, member.gid, member.pax_headers = 0, 0, {}
            member.uname = member.gname = ""
            member.mode, member.mtime = 0o755 if member.mode & 0o100 else 0o644, seconds
            new.addfile(member, old.extractfile(member))
    return content.getvalue()


def why_pure():
    """Return why no machine code can be built here, or None if it can."""
    setting = os.environ.get("HINGEMETRICS_MACHINE_CODE", "")
    if setting not in ("", "yes", "no"):
        sys.exit(f"HINGEMETRICS_MACHINE_CODE must be yes or no, got {setting!r}")
    if setting == "no":
        return "HINGEMETRICS_MACHINE_CODE=no"
    if not (is_python_known() and is_platform_known()):
        return "Numba has no wheel for this Python or platform"
    return None if has_linker() else "there is no linker; install a C compiler, such as gcc"


def is_python_known():
    """Whether Numba has wheels for this Python."""
    first, last = FREE_THREADED if sysconfig.get_config_var("Py_GIL_DISABLED") else PYTHONS
    return sys.implementation.name == "cpython" and first <= sys.version_info[:2] <= last


def is_platform_known():
    """Whether Numba has wheels for this system, processor and libc."""
    system = platform.system()
    musl = system == "Linux" and platform.libc_ver()[0] != "glibc"
    is_64_bit = sys.maxsize > 1 << 32  # the machine may be, all the same
    return f"{system}-{platform.machine()}" in PLATFORMS and is_64_bit and not musl


def has_linker():
    """Whether setuptools will find the platform's linker."""
    if os.name == "nt":
        return os.path.exists(os.path.expandvars(VISUAL_STUDIO))
    settings = (*map(os.environ.get, ("LDSHARED", "CC")), sysconfig.get_config_var("LDSHARED"))
    command = next(filter(None, settings), "")
    return shutil.which(command.partition(" ")[0]) is not None
