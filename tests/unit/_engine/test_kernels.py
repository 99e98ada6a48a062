"""Compilation: once, whatever the cache on disk is like, and to packed instructions.

What kernels compute is tested with the laws: they are the Numba tier.
"""

import os
import platform
import re
import shutil
import subprocess
import sys

import numba
import numpy as np
import pytest
from oracle import bits, expected
from places import PACKAGE

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._core import exact, grid, tally
from hingemetrics._engine import kernels, machine_code

VALUE = """
import hingemetrics as h
h.set_backend("numba")
print(h.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""


def run(code, path, **environment):
    """Run code in a fresh interpreter that finds the package at `path`."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "HINGE"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONPATH": str(path), **environment},
        cwd=path if path.is_dir() else path.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def copied(source, path, *without):
    shutil.copytree(source, path / "hingemetrics", ignore=shutil.ignore_patterns("*.pyc", *without))
    return path


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, with no cache."""
    return copied(PACKAGE, tmp_path, "__pycache__")


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A copy of the package whose cache holds one kernel."""
    path = copied(PACKAGE, tmp_path_factory.mktemp("warm"), "__pycache__")
    first = run(VALUE, path)
    assert (first.stdout, first.stderr) == ("0.3\n", "")
    return path


def cached(path):
    return sorted(path.rglob("*.nb[ci]"))


@pytest.mark.slow
def test_a_cache_is_kept_and_used(warm):
    files = {file: file.stat().st_mtime_ns for file in cached(warm)}
    assert len(files) == 2
    second = run(VALUE, warm)
    assert (second.stdout, second.stderr) == ("0.3\n", "")
    assert files == {file: file.stat().st_mtime_ns for file in cached(warm)}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2]])
def test_damaged_cache(warm, tmp_path, ending, damage):
    copy = copied(warm / "hingemetrics", tmp_path)
    (file,) = (file for file in cached(copy) if file.suffix == f".{ending}")
    file.write_bytes(damage(file.read_bytes()))
    again = run(VALUE, copy)
    assert (again.stdout, again.stderr) == ("0.3\n", "")


@pytest.mark.slow
def test_wrong_code_in_the_cache(copy):
    """A cache that holds code of another source is noticed by the sums that code gives."""
    source = copy / "hingemetrics" / "_engine" / "kernels.py"
    text, time = source.read_text("utf-8"), source.stat().st_mtime_ns
    other = text.replace("1.0 - margin", "2.0 - margin")
    assert len(other) == len(text)
    checking = copy / "hingemetrics" / "_engine" / "machine_code.py"
    checks = checking.read_text("utf-8")
    trusting = checks.replace("not _is_right(kernel, form, dtype)", "False")
    assert trusting != checks
    for code, check, value in ((other, trusting, "0.6333333333333333"), (text, checks, "0.3")):
        source.write_text(code, "utf-8")
        checking.write_text(check, "utf-8")
        os.utime(source, ns=(time, time))
        got = run(VALUE, copy, PYTHONDONTWRITEBYTECODE="1")  # Python's cache is deceived as well
        assert (got.stdout, got.stderr) == (f"{value}\n", "")
        assert len(cached(copy)) == 2


@pytest.mark.slow
def test_no_place_for_a_cache(copy):
    """Neither beside the code nor at home, as in a read-only container with no HOME."""
    taken = copy / "hingemetrics" / "_engine" / "__pycache__"
    taken.write_text("a file where a folder should be")
    nowhere = str(copy / "hingemetrics" / "py.typed" / "home")
    got = run(VALUE, copy, HOME=nowhere, XDG_CACHE_HOME=nowhere, LOCALAPPDATA=nowhere)
    assert (got.stdout, got.stderr) == ("0.3\n", "")
    assert not cached(copy)


@pytest.mark.slow
def test_zipped_package(copy):
    shutil.make_archive(str(copy / "package"), "zip", copy, "hingemetrics")
    shutil.rmtree(copy / "hingemetrics")
    nowhere = str(copy / "package.zip" / "home")
    got = run(VALUE, copy / "package.zip", HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert (got.stdout, got.stderr) == ("0.3\n", "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits on Windows")
def test_full_disk(copy):
    """No file can grow, so that every write of a cache fails: after compiling, and only once."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    count = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    %s
kernel = "binary_float64"
print(sum(kernel in str(e.data["dispatcher"]) and e.is_start for _, e in recorder.buffer))
"""
    got = run(limit + count % "    ".join(VALUE.strip().splitlines(keepends=True)), copy)
    assert (got.stdout, got.stderr) == ("0.3\n1\n", "")
    assert not any(file.stat().st_size for file in cached(copy))


def test_without_the_compiler(python):
    assert python("-W", "error", "-c", VALUE, NUMBA_DISABLE_JIT="1").stdout == "0.3\n"


def test_constants_are_those_of_the_other_rooms():
    k = kernels
    assert (k.MAGIC0, k.MAGIC1, k.MAGIC2) == exact.MAGIC
    assert (k.BITS0, k.BITS1, k.BITS2) == exact.MAGIC_BITS
    assert (k.PLACE0, k.PLACE1, k.PLACE2) == exact.PLACE
    assert (grid.NARROW.start, grid.NARROW_ROWS) == (k.NARROW_FIRST, k.NARROW_ROWS)
    assert (k.NAN_ROW, k.INF_ROW) == (grid.NAN_ROW, grid.INF_ROW)
    for counter in ("SAMPLES", "ZEROS", "NEGATIVES", "UNWEIGHTED"):
        assert getattr(k, counter) == getattr(tally, counter)
    assert k.COUNTERS == exact.COUNTERS


def test_one_signature_a_kernel():
    """Several in one cache entry race between processes and can load the wrong code."""
    machine_code.warmup()
    assert set(machine_code._compiled) == set(kernels.KERNELS)
    functions = {kernel.py_func for kernel in machine_code._compiled.values()}
    assert len(functions) == len(kernels.KERNELS)
    for kernel in machine_code._compiled.values():
        assert len(kernel.signatures) == 1
        with pytest.raises(TypeError, match="No matching definition"):
            kernel(1, 2, 3, 4, 5, 6, 7)


def test_nothing_is_compiled_twice(monkeypatch):
    before = dict(machine_code._compiled)
    monkeypatch.setattr(machine_code, "_compile", lambda *key: pytest.fail(f"{key} again"))
    machine_code._compiled.update({key: before.get(key, len) for key in kernels.KERNELS})
    try:
        machine_code.warmup()
        machine_code.warmup()
    finally:
        machine_code._compiled.clear()
        machine_code._compiled.update(before)


PACKED = {
    ("binary", "float32"): ["vcvtps2pd", "vaddpd", "vmaxpd", "vpaddq"],
    ("binary", "float64"): ["vaddpd", "vmaxpd", "vpaddq"],
    ("crammer-singer", "float32"): ["vpmaxsd", "vpminsd", "vmaxps"],
    ("crammer-singer", "float64"): ["vpcmpgtq|vpmaxsq", "vblendvpd|vpminsq", "vmaxpd"],
    ("one-vs-all", "float32"): ["vcvtps2pd", "vaddpd", "vmaxpd", "vpaddq"],
    ("one-vs-all", "float64"): ["vaddpd", "vmaxpd", "vpaddq"],
}
if tuple(map(int, numba.__version__.split(".")[:2])) < (0, 61):  # its LLVM packs these half as wide
    PACKED["crammer-singer", "float32"] = ["vmaxps"]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")
@pytest.mark.parametrize("cpu", ["native", "haswell"])
def test_packed_instructions(processors, cpu):
    """The hot loops work on whole vectors: at least 256 bits natively and on AVX2."""
    listings = dict(part.split("\n", 1) for part in processors.assembly(cpu).split("== ")[1:])
    for (form, dtype), instructions in PACKED.items():
        for name in instructions:
            packed = re.compile(rf"^\s+({name})\s.*%[yz]mm", re.MULTILINE)
            assert packed.search(listings[f"{form} {dtype}"]), (form, dtype, name)


@pytest.mark.parametrize("classes", [2, 3, 63, 64, 65, 257])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
def test_rows_of_any_length(set_backend, classes, dtype, mode):
    """Rows short and long, own class anywhere, one sign or both, infinite or not."""
    set_backend("numba")
    rng = np.random.default_rng(classes)
    for sign in (1, -1, rng.choice([-1, 1], (700, classes))):
        preds = (sign * np.abs(rng.normal(size=(700, classes)))).astype(dtype)
        preds.flat[:: 7 * classes + 3] = np.resize(
            [np.inf, -np.inf, np.nan, -0.0, 0.0], len(preds.flat[:: 7 * classes + 3])
        )
        target = rng.integers(0, classes, 700)
        got = hinge_loss(preds, target, multiclass_mode=mode, reduction="sum")
        assert bits(got) == bits(expected(preds, target, mode=mode, reduction="sum"))
        got = hinge_loss(preds[50:], target[50:], multiclass_mode=mode)
        assert bits(got) == bits(expected(preds[50:], target[50:], mode=mode))


@pytest.mark.parametrize("outlier", [2.0**30, -(2.0**31), 1e300, np.inf, np.nan, 2.0**-80])
@pytest.mark.parametrize(
    ("mode", "classes"), [(None, 3), (None, 20), ("one-vs-all", 3), ("one-vs-all", 64)]
)
@pytest.mark.parametrize("squared", [False, True])
def test_one_outlier_anywhere(set_backend, outlier, mode, classes, squared):
    """Whichever row of a block, and place in a vector, one prediction too big or too fine is in."""
    rng = np.random.default_rng(classes)
    preds, target = rng.normal(size=(90, classes)), rng.integers(0, classes, 90)
    for row in range(90):
        odd = preds.copy()
        odd[row, row % classes] = outlier
        weight = np.where(np.arange(90) == 89 - row, outlier if outlier > 0 else 1.0, 1.0)
        for weights in (None, weight if np.isfinite(outlier) else None):
            states = []
            for tier in ("numpy", "numba"):
                set_backend(tier)
                metric = HingeLoss(squared, mode)
                metric.update(odd, target, weights)
                states.append(metric.state.to_bytes())
            assert states[0] == states[1], (row, weights is None)
