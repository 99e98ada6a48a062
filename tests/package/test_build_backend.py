"""The backend of the build: where it asks for Numba, and what it refuses."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest
from places import ROOT

if not (ROOT / "build_backend").exists():
    pytest.skip("there is nothing to build", allow_module_level=True)

GLIBC, MUSL = ("glibc", "2.36"), ("", "")


@pytest.fixture
def backend():
    """A copy of the backend, whose globals may be replaced."""
    spec = importlib.util.spec_from_file_location("a_backend", ROOT / "build_backend/backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(backend, monkeypatch):
    """Have the backend see another Python or machine, which has a linker unless told otherwise."""
    monkeypatch.delenv("HINGEMETRICS_MACHINE_CODE", raising=False)

    def seen(
        python="cpython",
        version=(3, 13),
        free_threaded=0,
        bits=64,
        system="Linux",
        machine="x86_64",
        libc=GLIBC,
        linker=True,
    ):
        replaced = {
            "sys": SimpleNamespace(
                implementation=SimpleNamespace(name=python),
                version_info=(*version, 0, "final", 0),
                maxsize=2 ** (bits - 1) - 1,
                exit=sys.exit,
            ),
            "platform": SimpleNamespace(
                system=lambda: system, machine=lambda: machine, libc_ver=lambda: libc
            ),
            "sysconfig": SimpleNamespace(
                get_config_var={"Py_GIL_DISABLED": free_threaded, "LDSHARED": "gcc -shared"}.get
            ),
            "has_linker": lambda: linker,
        }
        for name, value in replaced.items():
            monkeypatch.setattr(backend, name, value)

    return seen


WITH_NUMBA = {
    "Linux": {},
    "Linux on aarch64": {"machine": "aarch64"},
    "macOS on arm64": {"system": "Darwin", "machine": "arm64", "libc": MUSL},
    "Windows": {"system": "Windows", "machine": "AMD64", "libc": MUSL},
    "Python 3.10": {"version": (3, 10)},
    "Python 3.15": {"version": (3, 15)},
    "Python 3.14 without the GIL": {"version": (3, 14), "free_threaded": 1},
}
WITHOUT = {
    "PyPy": {"python": "pypy", "version": (3, 11)},
    "GraalPy": {"python": "graalpy", "version": (3, 12)},
    "Python 3.9": {"version": (3, 9)},
    "Python 3.16": {"version": (3, 16)},
    "Python 3.13 without the GIL": {"free_threaded": 1},
    "Python 3.15 without the GIL": {"version": (3, 15), "free_threaded": 1},
    "musl": {"libc": MUSL},
    "musl on aarch64": {"libc": MUSL, "machine": "aarch64"},
    "macOS on x86-64": {"system": "Darwin", "libc": MUSL},
    "Windows on ARM": {"system": "Windows", "machine": "ARM64", "libc": MUSL},
    "riscv64": {"machine": "riscv64"},
    "i686": {"machine": "i686", "bits": 32},
    "32 bits on aarch64": {"machine": "aarch64", "bits": 32},
    "32 bits on Windows": {"system": "Windows", "machine": "AMD64", "libc": MUSL, "bits": 32},
    "FreeBSD": {"system": "FreeBSD", "machine": "amd64", "libc": MUSL},
}


@pytest.mark.parametrize("kind", WITH_NUMBA)
def test_where_numba_is_asked_for(backend, machine, kind):
    machine(**WITH_NUMBA[kind])
    assert backend.why_pure() is None
    assert backend.get_requires_for_build_wheel() == [backend.NUMBA]
    assert backend.get_requires_for_build_editable() == [backend.NUMBA]


@pytest.mark.parametrize("kind", WITHOUT)
def test_where_it_has_no_wheel(backend, machine, kind):
    machine(**WITHOUT[kind])
    assert backend.why_pure() == "Numba has no wheel for this Python or platform"
    assert backend.get_requires_for_build_wheel() == []
    assert backend.get_requires_for_build_editable({}) == []


def test_without_a_linker_it_would_be_of_no_use(backend, machine):
    machine(linker=False)
    assert backend.why_pure() == "there is no linker; install a C compiler, such as gcc"
    assert backend.get_requires_for_build_wheel() == []


@pytest.mark.parametrize("linker", [False, True])
def test_what_the_environment_says_comes_first(backend, machine, monkeypatch, linker):
    machine(linker=linker)
    monkeypatch.setenv("HINGEMETRICS_MACHINE_CODE", "no")
    assert backend.why_pure() == "HINGEMETRICS_MACHINE_CODE=no"
    assert backend.get_requires_for_build_wheel() == []
    for same in ("", "yes"):
        monkeypatch.setenv("HINGEMETRICS_MACHINE_CODE", same)
        assert (backend.why_pure() is None) == linker


@pytest.mark.parametrize("setting", ["1", "true", "YES", "no "])
def test_a_wrong_setting_is_refused(backend, machine, monkeypatch, setting):
    machine(**WITHOUT["riscv64"])
    monkeypatch.setenv("HINGEMETRICS_MACHINE_CODE", setting)
    with pytest.raises(SystemExit) as refused:
        backend.get_requires_for_build_wheel()
    assert refused.value.code == f"HINGEMETRICS_MACHINE_CODE must be yes or no, got {setting!r}"


@pytest.mark.skipif(sys.platform == "win32", reason="names programs of POSIX")
@pytest.mark.parametrize(
    ("environment", "configured", "found"),
    [
        ({}, "sh -shared", True),
        ({}, "no-such-linker -shared", False),
        ({}, None, False),
        ({"CC": "no-such-compiler"}, "sh -shared", False),
        ({"CC": "sh -m64"}, "no-such-linker -shared", True),
        ({"CC": ""}, "sh -shared", True),
        ({"CC": "no-such-compiler", "LDSHARED": "sh -shared"}, None, True),
        ({"CC": "sh", "LDSHARED": "no-such-linker"}, "sh -shared", False),
    ],
)
def test_the_linker_that_setuptools_takes(backend, monkeypatch, environment, configured, found):
    for name in ("CC", "LDSHARED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    variables = SimpleNamespace(get_config_var={"LDSHARED": configured}.get)
    monkeypatch.setattr(backend, "sysconfig", variables)
    assert backend.has_linker() is found


def test_the_linker_of_windows(backend, monkeypatch, tmp_path):
    """Visual Studio's installer says where it is."""
    monkeypatch.setattr(backend, "os", SimpleNamespace(name="nt", path=backend.os.path))
    monkeypatch.setattr(backend, "VISUAL_STUDIO", str(tmp_path / "vswhere.exe"))
    assert backend.has_linker() is False
    (tmp_path / "vswhere.exe").write_bytes(b"MZ")
    assert backend.has_linker() is True


@pytest.mark.parametrize("program", ["import backend", "import runpy; runpy.run_path('setup.py')"])
@pytest.mark.parametrize("version", ["60.0.5", "76.1"])
def test_an_old_setuptools_is_refused_in_a_sentence(python, tmp_path, version, program):
    """Whether pip builds or somebody runs setup.py."""
    folder = tmp_path / "setuptools"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"__version__ = {version!r}\n")
    (folder / "build_meta.py").write_text("")
    chosen = f"import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, 'build_backend')\n"
    run = python("-c", chosen + program, PYTHONPATH=str(tmp_path))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"hingemetrics needs setuptools 77 or newer to build, got {version}: "
        "pip install --upgrade setuptools\n"
    )
