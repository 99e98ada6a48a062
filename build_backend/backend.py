# mypy: ignore-errors
"""The PEP 517 backend: setuptools, which gets Numba only where machine code can be built.

The environment variable ``HINGEMETRICS_MACHINE_CODE`` is "no" for a package of pure Python, and
"yes" for a build that fails unless every kernel was compiled and tried.
"""

import os
import platform
import shutil
import sys
import sysconfig

import setuptools

OLDEST_SETUPTOOLS = 77  # the first that writes License-Expression
if int(setuptools.__version__.partition(".")[0]) < OLDEST_SETUPTOOLS:
    sys.exit(
        f"hingemetrics needs setuptools {OLDEST_SETUPTOOLS} or newer to build, "
        f"got {setuptools.__version__}: pip install --upgrade setuptools"
    )

from distutils.ccompiler import new_compiler
from distutils.sysconfig import customize_compiler

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

NUMBA = "numba>=0.61"
PYTHONS = ((3, 10), (3, 14))  # the versions of CPython that Numba has wheels for
FREE_THREADED = (3, 14)  # the first without the GIL that it has wheels for
PLATFORMS = {
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "arm64"),
    ("Windows", "AMD64"),
}


def get_requires_for_build_wheel(config_settings=None):
    """Return the requirements of a wheel: Numba too, if it can be had and used."""
    numba = [] if why_pure() else [NUMBA]
    return build_meta.get_requires_for_build_wheel(config_settings) + numba


def get_requires_for_build_editable(config_settings=None):
    """Return the same for an editable install."""
    return get_requires_for_build_wheel(config_settings)


def why_pure():
    """Return why no machine code can be built here, or None if it can."""
    setting = os.environ.get("HINGEMETRICS_MACHINE_CODE", "")
    if setting not in ("", "yes", "no"):
        sys.exit(f"HINGEMETRICS_MACHINE_CODE must be yes or no, got {setting!r}")
    if setting == "no":
        return "HINGEMETRICS_MACHINE_CODE=no"
    python, first = sys.version_info[:2], PYTHONS[0]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        first = FREE_THREADED
    system = (platform.system(), platform.machine())
    musl = system[0] == "Linux" and platform.libc_ver()[0] != "glibc"
    known = sys.implementation.name == "cpython" and first <= python <= PYTHONS[1]
    if musl or not known or system not in PLATFORMS:
        return "Numba has no wheel for this Python or platform"
    return None if has_linker() else "there is no linker; install a C compiler, such as gcc"


def has_linker():
    """Whether the platform's linker is installed."""
    compiler = new_compiler()
    customize_compiler(compiler)
    if not hasattr(compiler, "linker_so"):  # MSVC, which is found by its own means
        try:
            compiler.initialize()
        except Exception:
            return False
        return True
    return shutil.which(compiler.linker_so[0]) is not None
