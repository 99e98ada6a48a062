"""Threads that share a call: as hard to break as one thread, and nothing of them is left."""

import gc
import itertools
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from oracle import bits, expected

from hingemetrics import HingeLoss
from hingemetrics._engine import measure, threads
from hingemetrics._engine.threads import aside, in_threads

NUMBERS = [1, 2, 3, 5]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("items", [0, 1, 2, 7, 400])
def test_each_item_once_and_in_order(number, items):
    called = []

    def double(item):
        called.append(item)
        return 2 * item

    assert in_threads(double, range(items), number) == [2 * item for item in range(items)]
    assert sorted(called) == list(range(items))


@pytest.mark.parametrize("number", NUMBERS)
def test_so_many_work_at_once(number):
    """Nobody passes the barrier alone."""
    barrier = threading.Barrier(number)
    assert len(in_threads(lambda _: barrier.wait(timeout=300), range(number), number)) == number


def test_the_caller_is_one_of_them():
    barrier = threading.Barrier(2)

    def where(_):
        barrier.wait(timeout=300)
        return threading.get_ident()

    found = in_threads(where, range(2), 2)
    assert threading.get_ident() in found
    assert len(set(found)) == 2


@pytest.mark.parametrize("number", NUMBERS)
def test_the_error_of_the_first_item(number):
    """However late it is raised; what comes after it is given up."""
    called = []

    def check(item):
        called.append(item)
        time.sleep(0.05 if item == 3 else 0.001)
        if item in (3, 4):
            raise ValueError(f"item {item}")

    many = 300_000  # five minutes of work
    with pytest.raises(ValueError, match="item 3"):
        in_threads(check, range(many), number)
    assert len(called) < many


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_that_comes_once(number):
    """As a signal handler raises it, in the calling thread: it comes out all the same."""
    caller, raised = threading.get_ident(), threading.Event()

    def once(item):
        if threading.get_ident() == caller and not raised.is_set():
            raised.set()
            raise TimeoutError("of a handler")
        assert raised.wait(timeout=300)  # so that others leave the caller an item

    with pytest.raises(TimeoutError, match="of a handler"):
        in_threads(once, range(50), number)


class Kept:
    """What an array is to a call."""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_kept(number, fails):
    """Not in a cycle that only the collector would find."""
    kept = Kept()
    gone = weakref.ref(kept)

    def use(_, kept=kept):
        if fails:
            raise ValueError

    gc.collect()
    gc.disable()
    try:
        try:
            in_threads(use, range(9), number)
        except ValueError:
            assert fails
        del use, kept
        deadline = time.monotonic() + 300  # for a thread that is just ending
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gone() is None
    finally:
        gc.enable()


def test_no_thread_to_be_had():
    """The caller does it all: a stack of 2**46 bytes is more than any system has."""
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError):
            threading.Thread(target=int).start()
        where = in_threads(lambda _: threading.get_ident(), range(50), 4)
        where.append(aside(threading.get_ident))
    finally:
        threading.stack_size(before)
    assert set(where) == {threading.get_ident()}


class TestAside:
    """A call in a thread of its own, for which the caller waits."""

    def test_another_thread(self):
        assert aside(threading.get_ident) != threading.get_ident()
        assert aside(lambda: "found") == "found"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_its_error(self, error):
        def fails():
            raise error("of the call")

        with pytest.raises(error, match="of the call"):
            aside(fails)

    @pytest.mark.skipif(sys.platform == "win32", reason="kill ends a process on Windows")
    def test_an_interrupt_comes_out_at_the_end(self, python):
        run = python("-c", INTERRUPTED)
        assert (run.stdout, run.stderr) == ("KeyboardInterrupt True\nKeyboardInterrupt False\n", "")

    @pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
    def test_a_fork_while_it_is_waited_for(self, python):
        """By a signal handler: the child has no such thread, and makes the call itself."""
        run = python("-W", "ignore", "-c", FORKED_ASIDE)
        assert (run.stdout, run.stderr) == ("0 parent\n", "")


INTERRUPTED = """
import os, signal, threading
from hingemetrics._engine import threads
heard, goes_on, waited_for = threading.Semaphore(0), threading.Event(), threading.Event()
wait = threads._wait
threads._wait = lambda *rest: (waited_for.set(), wait(*rest))

def handler(*_):
    heard.release()
    raise KeyboardInterrupt

def call():
    waited_for.wait()
    for _ in range(interrupts):
        os.kill(os.getpid(), signal.SIGINT)
        heard.acquire()
    if interrupts == 2:
        goes_on.wait()
    ended.append(True)

signal.signal(signal.SIGINT, handler)
for interrupts in (1, 2):
    ended = []
    waited_for.clear()
    try:
        threads.aside(call)
    except KeyboardInterrupt as error:
        print(type(error).__name__, bool(ended))
    goes_on.set()
"""
FORKED_ASIDE = """
import os, signal, time
from hingemetrics._engine.threads import aside
parent, children = os.getpid(), []

def fork(*_):
    children.append(os.fork())

def call():
    if os.getpid() != parent:
        return "child"
    os.kill(parent, signal.SIGUSR1)
    while not children:  # a lock might be held here at the fork
        time.sleep(0.001)
    return "parent"

signal.signal(signal.SIGUSR1, fork)
found = aside(call)
if not children[0]:
    os._exit(0 if found == "child" else 1)
print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]), found)
"""


def test_an_error_of_a_signal_handler_while_a_thread_is_started(monkeypatch):
    """It is not mistaken for the system's refusal to start a thread."""

    def interrupted(function, arguments):
        raise RuntimeError("of a handler")

    monkeypatch.setattr(threads, "start_new_thread", interrupted)
    with pytest.raises(RuntimeError, match="of a handler"):
        in_threads(str, range(50), 4)


@pytest.mark.parametrize("number", [2, 3])
def test_a_call_inside_a_call(number):
    """As in a signal handler, or an `__array__`: neither waits for the other."""

    def outer(item):
        return sum(in_threads(lambda inner: item * inner, range(20), number))

    assert in_threads(outer, range(20), number) == [item * 190 for item in range(20)]


# Whole processes: each prints "right", and nothing else, and ends

BEGIN = """
import os, signal, sys, threading, time
import numpy as np
import hingemetrics as h
from hingemetrics._engine import measure

h.set_backend(sys.argv[1])
h.set_num_threads(int(sys.argv[2]))
measure._THREAD_ELEMENTS = 1000
preds, target = np.linspace(-3, 3, 20_000), np.arange(20_000) % 2
wanted = h.HingeLoss()
wanted.update(preds[:500], target[:500])
for start in range(500, 20_000, 500):
    wanted.update(preds[start:start + 500], target[start:start + 500])
wanted = wanted.state


def seen():
    metric = h.HingeLoss()
    metric.update(preds, target)
    return metric.state
"""
SCENES = {
    # A handler that updates, wherever it interrupts an update
    "handler": """
inner = h.HingeLoss()
calls = 0


def update(*_):
    global calls
    calls += 1
    inner.update(preds, target)
    if calls < 100:  # one at a time, or the update that is interrupted never gets on
        signal.setitimer(signal.ITIMER_REAL, 1e-5 * (calls + 1))


signal.signal(signal.SIGALRM, update)
signal.setitimer(signal.ITIMER_REAL, 1e-3)
while inner.update_count < 100:
    assert seen() == wanted
assert inner.compute() == wanted.value()
print("right")
""",
    # A thread that still works when the main one has ended
    "outlives": """
def work():
    threading.main_thread().join()
    for _ in range(3):
        assert seen() == wanted
    print("right", flush=True)


threading.Thread(target=work).start()
""",
    "at exit": """
import atexit


@atexit.register
def last():
    assert seen() == wanted
    print("right", flush=True)
""",
    # Later still: no thread can be started any more
    "finalizer": """
class Last:
    def __del__(self):
        assert seen() == wanted
        print("right", flush=True)


last = Last()
""",
    # A daemon thread that is in the midst of it when the process ends
    "daemon": """
def work():
    while True:
        assert seen() == wanted


threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("right")
""",
    # Ctrl-C, and the process ends by it while others may still work
    "interrupt": """
def late():
    begun.wait()
    time.sleep(0.1)
    signal.raise_signal(signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)
begun = threading.Event()
threading.Thread(target=late, daemon=True).start()
try:
    begun.set()
    while True:
        assert seen() == wanted
except KeyboardInterrupt:
    print("right")
""",
    # A fork while another thread has an item in its hands: the child has no such thread
    "fork": """
measured, child = measure._measure_span, None


def forking(*arguments, **options):
    global child
    if child is None and threading.current_thread() is threading.main_thread():
        time.sleep(0.02)  # the others take theirs
        child = os.fork()
    while child is None:  # the others wait, so that one is left for the main thread
        time.sleep(0.001)
    return measured(*arguments, **options)


measure._measure_span = forking
assert seen() == wanted
if not child:
    assert seen() == wanted
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("right")
""",
    # The same where the fork is a signal handler's, which returns into the interrupted call
    "forking handler": """
children = []
signal.signal(signal.SIGALRM, lambda *_: children.append(os.fork()))
for k in range(1000):
    signal.setitimer(signal.ITIMER_REAL, 1e-5 * (k % 60 + 1))
    assert seen() == wanted
    signal.setitimer(signal.ITIMER_REAL, 0)
    if 0 in children:
        os._exit(0)
    if len(children) == 20:
        break
for pid in children:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert children
print("right")
""",
}


# A quick run has each scene in the tier that has most to interrupt.
QUICK = [("numpy", scene, 2 + k % 2) for k, scene in enumerate(SCENES)]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals, nor forks")
@pytest.mark.parametrize(
    ("tier", "scene", "number"),
    [
        pytest.param(*process, marks=[] if process in QUICK else pytest.mark.more)
        for process in itertools.product(("numpy", "numba"), SCENES, (1, 2, 3))
    ],
)
def test_whatever_happens_to_a_process(python, tier, scene, number):
    run = python("-W", "ignore:This process", "-c", BEGIN + SCENES[scene], tier, number)
    assert (run.stdout, run.stderr, run.returncode) == ("right\n", "", 0)


# One metric, in this process


@pytest.mark.usefixtures("backend")
def test_large_calls_from_many_threads_at_once(set_num_threads, monkeypatch):
    monkeypatch.setattr(measure, "_THREAD_ELEMENTS", 1000)
    set_num_threads(3)
    rng = np.random.default_rng(0)
    preds, target = rng.random(12_000), rng.integers(0, 2, 12_000)
    metric = HingeLoss()
    callers = [
        threading.Thread(target=lambda: [metric.update(preds, target) for _ in range(5)])
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=300)
    assert metric.update_count == 20
    assert metric.state.count == 20 * 12_000
    assert bits(metric.compute()) == bits(expected(preds, target))
