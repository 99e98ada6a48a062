"""A thread whose float unit rounds another way or flushes subnormal numbers gets an error."""

import ctypes
import ctypes.util
import platform
import sys
import threading

import numpy as np
import pytest

import hingemetrics
from hingemetrics import BootstrapHingeLoss, HingeLoss, RunningHingeLoss, hinge_loss
from hingemetrics._core.float_unit import check_float_unit
from hingemetrics._engine import measure

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the bits of the register are those of x86-64, and its place that of glibc",
)
FLUSH_RESULTS, FLUSH_OPERANDS = 1 << 15, 1 << 6
DOWN, UP, TOWARDS_ZERO = 1 << 13, 2 << 13, 3 << 13
MESSAGES = {
    FLUSH_RESULTS: "must keep subnormal numbers, got one that flushes them",
    FLUSH_OPERANDS: "must keep subnormal numbers, got one that flushes them",
    FLUSH_RESULTS | FLUSH_OPERANDS: "must keep subnormal numbers, got one that flushes them",
    DOWN: "must round to nearest, got one that rounds another way",
    UP: "must round to nearest, got one that rounds another way",
    TOWARDS_ZERO: "must round to nearest, got one that rounds another way",
}


class Environment(ctypes.Structure):
    """C's fenv_t: the x87's environment, then the control register of SSE and AVX."""

    _fields_ = (("x87", ctypes.c_uint32 * 7), ("mxcsr", ctypes.c_uint32))


def changed(bits):
    """Set bits of this thread's control register."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    environment = Environment()
    assert libm.fegetenv(ctypes.byref(environment)) == 0
    environment.mxcsr |= bits
    assert libm.fesetenv(ctypes.byref(environment)) == 0


def in_a_changed_thread(bits, call):
    """Return what a call returns or raises in a thread of its own, the end of all that is set."""
    found = []

    def run():
        changed(bits)
        try:
            found.append(call())
        except RuntimeError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_it_is_as_it_should_be_elsewhere():
    for _ in range(3):
        in_a_changed_thread(UP | FLUSH_OPERANDS, lambda: None)
        check_float_unit()


PREDS, TARGET = np.array([0.1, -0.2, 0.3]), np.array([1, 0, 1])
SEEN = HingeLoss()
SEEN.update(PREDS, TARGET)
CALLS = {
    "hinge_loss": lambda: hinge_loss(PREDS, TARGET),
    "none": lambda: hinge_loss(PREDS, TARGET, reduction="none"),
    "one-vs-all": lambda: hinge_loss(np.eye(3), TARGET, multiclass_mode="one-vs-all"),
    "update": lambda: HingeLoss().update(PREDS, TARGET),
    "forward": lambda: HingeLoss()(PREDS, TARGET),
    "compute": lambda: SEEN.clone().compute(),
    "value": lambda: SEEN.state.value("sum"),
    "window": lambda: RunningHingeLoss(3).update(PREDS, TARGET),
    "bootstrap": lambda: BootstrapHingeLoss().update(PREDS, TARGET),
    "shards": lambda: hingemetrics.bootstrap_interval([SEEN.state] * 30),
}


@pytest.mark.parametrize("setting", MESSAGES)
@pytest.mark.parametrize("name", CALLS)
def test_work_is_refused(backend, name, setting):
    call = CALLS[name]
    call()
    error = in_a_changed_thread(setting, call)
    assert isinstance(error, RuntimeError)
    assert MESSAGES[setting] in str(error)
    assert "or call from another thread" in str(error)


@pytest.mark.parametrize("setting", MESSAGES)
def test_a_refusal_changes_nothing(backend, setting):
    metric = SEEN.clone()
    in_a_changed_thread(setting, lambda: metric.update(PREDS, TARGET))
    assert metric.state.to_bytes() == SEEN.state.to_bytes()
    metric.update(PREDS, TARGET)
    assert metric.state == SEEN.state + SEEN.state


@pytest.mark.parametrize("setting", MESSAGES)
def test_integers_do_not_mind(setting):
    """States add up, subtract, compare, and go to bytes and back; fractions are exact."""
    state = SEEN.state

    def work():
        again = type(state).from_bytes((state + state).to_bytes())
        return again - state == state, again.as_fraction() == state.as_fraction()

    assert in_a_changed_thread(setting, work) == (True, True)


@pytest.mark.parametrize("number", [2, 3])
def test_threads_of_a_changed_one(set_num_threads, monkeypatch, number):
    """A new thread has the settings of the one that started it."""
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1)
    set_num_threads(number)
    error = in_a_changed_thread(UP, lambda: hinge_loss(np.zeros(500), np.ones(500)))
    assert "must round to nearest" in str(error)


def test_what_torch_changes():
    """The remedy that the message names is one."""
    torch = pytest.importorskip("torch")

    def flushed():
        assert torch.set_flush_denormal(True)
        try:
            return hinge_loss(PREDS, TARGET, sample_weight=[5e-324] * 3)
        finally:
            torch.set_flush_denormal(False)

    def mended():
        torch.set_flush_denormal(True)
        torch.set_flush_denormal(False)
        return hinge_loss(PREDS, TARGET, sample_weight=[5e-324] * 3)

    assert "torch.set_flush_denormal(False)" in str(in_a_changed_thread(0, flushed))
    assert in_a_changed_thread(0, mended) == hinge_loss(PREDS, TARGET, sample_weight=[5e-324] * 3)
