"""Foreign bytes cost little to refuse; the fuzzers find planted faults, and no others."""

import tracemalloc
import zlib
from functools import partial

import numpy as np
import pytest
from costs import calls
from hostile_states import HOSTILE, spelt
from places import TOOLS

from hingemetrics import HingeLoss, HingeState

FUZZ = TOOLS / "fuzz.py"
RUNS = 2000


@pytest.mark.parametrize("target", ["bytes", "state_dict", "csv"])
def test_nothing_is_found(python, target):
    pytest.importorskip("atheris")
    run = python(FUZZ, target, f"-runs={RUNS}", "-seed=1")
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"Done {RUNS} runs" in run.stderr


FAULTS = {
    # A sum is taken in any form, and whatever it is.
    "bytes": """
from hingemetrics._core import encoding
def any_sum(self, samples, factors=1):
    exponent, mantissa = self.number(), self.number()
    return mantissa << min(exponent, 2000)
encoding.Reader.sum = any_sum
""",
    # The state is replaced before the rest is checked.
    "state_dict": """
from hingemetrics.metrics import hinge
load = fuzz.HingeLoss.load_state_dict
def loaded(self, state_dict):
    self.reset()
    return load(self, state_dict)
fuzz.HingeLoss.load_state_dict = loaded
""",
    # Rows that are too short are filled, and those that are too long cut.
    "csv": """
from hingemetrics._files import csv
def records(lines, start, path, delimiter, width):
    found = [line.decode().rstrip("\\r").split(delimiter) for line in lines]
    width = width or len(found[0])
    return [(fields + width * ["0"])[:width] for fields in found]
csv._records = records
csv._plain_arrays = lambda lines, layout: None
""",
}


@pytest.mark.parametrize("target", FAULTS)
def test_faults_are_found(python, target):
    """Otherwise the tests above would prove nothing."""
    pytest.importorskip("atheris")
    call = f"fuzz.main({target!r}, '-runs=100000', '-seed=1')"
    code = f"import sys, fuzz\n{FAULTS[target]}\nsys.exit({call})"
    run = python("-c", code)
    assert run.returncode not in (0, 1), "the fuzzer ends with a status of its own"
    assert "AssertionError" in run.stdout


def test_the_script_says_how_it_is_used(python):
    pytest.importorskip("atheris")
    run = python(FUZZ, "bits")
    assert run.returncode == 1
    assert "tests/tools/fuzz.py {bytes,state_dict,csv}" in run.stderr


def one_vs_all(classes, scale=1.0):
    """The bytes of a valid state of many classes."""
    metric = HingeLoss(multiclass_mode="one-vs-all")
    rng = np.random.default_rng(0)
    metric.update(scale * rng.normal(size=(3, classes)), [0, 1, 0])
    return metric.state.to_bytes()


def many(*numbers, classes=10**4, claimed=None):
    """The bytes of a state in which all classes have seen the same."""
    samples = 2**128 - 1  # the most there may be, so that sums may be longest
    return spelt(claimed or classes, samples, 0, 0, 1077, 1, *numbers * classes, flags=2)


EXPENSIVE = {
    "many classes": lambda: one_vs_all(4000),
    "five times as many": lambda: one_vs_all(20_000),
    "huge losses": lambda: one_vs_all(10**4, 1e300),
    "long sums": lambda: many(0, 0, 2228, 1),  # in 7 bytes one of 279
    "empty sums": lambda: many(0, 0, 0, 0),
    "cut": lambda: one_vs_all(2000)[:-30],
    "cut sums": lambda: many(0, 0, 2228, 1, classes=2000, claimed=2001),
    "claimed classes": lambda: many(0, 0, 0, 0, claimed=2**60),
    **{
        f"{what}, flags {flags}": partial(spelt, *HOSTILE[what], flags=flags)
        for what in HOSTILE
        for flags in (0, 2)
    },
}


LONG = (
    "five times as many",
    "huge losses",
    "long sums",
    "empty sums",
    "claimed classes",
)  # each as good as another of the first


@pytest.mark.parametrize(
    "what",
    [pytest.param(what, marks=pytest.mark.more if what in LONG else []) for what in EXPENSIVE],
)
def test_memory_is_linear(what):
    """Measured: 26 bytes a byte of an ordinary state, of any length, 69 where sums are longest."""
    data = EXPENSIVE[what]()
    tracemalloc.start()
    try:
        read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 * len(data) + 65_536


def read(data):
    """Whether bytes are those of a state."""
    try:
        HingeState.from_bytes(data)
    except ValueError:
        return False
    return True


def test_lengths_that_only_are_claimed():
    """Whatever number claims whatever length, nothing is set aside for it."""
    data = one_vs_all(20)
    tracemalloc.start()
    try:
        for at in range(6, len(data) - 4, 3):
            for claim in (b"\xff\xff\x7f", b"\xff\xff\xff\xff\x0f", b"\xff" * 8 + b"\x01"):
                body = data[:at] + claim + data[at + 1 : -4]
                assert not read(body + zlib.crc32(body).to_bytes(4, "little"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 * len(data) + 65_536


@pytest.mark.parametrize("scale", [1.0, 1e300])
def test_work_is_linear(scale):
    few, many = (calls(partial(read, one_vs_all(classes, scale))) for classes in (300, 3000))
    assert few > 300
    assert many <= 10 * few


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_numbers_are_no_work(what):
    """Reading a number takes one step, however long it is."""
    assert calls(partial(read, spelt(*HOSTILE[what]))) < 400
