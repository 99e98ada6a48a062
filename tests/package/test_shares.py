"""Which process of a build compiles which kernels."""

import runpy

import pytest
import setuptools
from places import ROOT

from hingemetrics._engine.machine_code import KEYS

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="there is nothing to build"
)
KERNELS = sorted(f"{form}/{dtype}" for form, dtype in KEYS)


@pytest.fixture
def build(monkeypatch):
    """The names in setup.py."""
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: None)
    return runpy.run_path(str(ROOT / "setup.py"))


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 5, 8, 64])
def test_each_kernel_is_compiled_once(build, cores):
    """By no more processes than cores, none of which has nothing to do."""
    shares = build["shares"](KEYS, cores)
    assert sorted(kernel for share in shares for kernel in share) == KERNELS
    assert len(shares) == min(cores, len(KEYS))
    assert all(shares)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_few_cores_keep_forms_together(build, cores):
    """The second kernel of a form takes little more of Numba."""
    for share in build["shares"](KEYS, cores):
        forms = [kernel.partition("/")[0] for kernel in share]
        for form in set(forms):
            assert forms.count(form) == sum(form == other for other, _ in KEYS)


@pytest.mark.parametrize("cores", [2, 3, 4])
def test_nobody_has_much_more_to_do_than_others(build, cores):
    """The most that a process has, of the mean, or of what cannot be divided."""
    by_name = {f"{form}/{dtype}": (form, dtype) for form, dtype in KEYS}
    loads = [
        build["work"]([by_name[kernel] for kernel in share])
        for share in build["shares"](KEYS, cores)
    ]
    largest = max(build["WORK"].values()) * (2 if cores < build["CORES_TO_SPLIT_FORMS"] else 1)
    assert max(loads) <= max(largest, 1.25 * sum(loads) / cores)


def test_there_is_a_core(build):
    assert build["usable_cores"]() >= 1
