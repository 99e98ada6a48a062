"""Numba in the process, where the package has no machine code and the backend is "numba".

Disturbed by interrupts, signal handlers, other threads and forks in the midst of compiling.
"""

import sys

import pytest

BEGIN = """
import os, signal, sys, threading
import compiled
import hingemetrics
from hingemetrics._engine import machine_code
hingemetrics.set_backend("numba")
"""


@pytest.fixture
def run(bare):
    """Run a program where the package has no machine code; return what it prints."""

    def run(code, *arguments, **environment):
        ran = bare("-W", "error", "-c", BEGIN + code, *arguments, **environment)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    return run


INTERRUPTED = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
for number in map(int, sys.argv[1:]):
    calls = compiled.disturb(number, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        machine_code.on_request(*compiled.KEY)
    except KeyboardInterrupt:
        print("interrupted", compiled.is_right(machine_code.on_request(*compiled.KEY)))
    assert calls == [number], calls
    compiled.forget()
"""
# The first time in a process takes two million calls, of which the import of Numba takes 200,000;
# later ones take 270,000.
MOMENTS = [
    (1, 1, 1000, 30_000),
    (100_000, 60_000, 90_000, 120_000),
    (1_000_000, 150_000, 200_000, 250_000),
]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill ends a process on Windows")
@pytest.mark.parametrize("moments", MOMENTS)
def test_an_interrupt_while_numba_compiles(run, moments):
    """It comes out as what it is, and a second try succeeds: nothing is torn nor swallowed."""
    assert run(INTERRUPTED, *moments) == "interrupted True\n" * len(moments)


HANDLED = """
found = []

def handle(*_):
    found.append(machine_code.on_request(*compiled.KEY))
    found.append(hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))

signal.signal(signal.SIGUSR1, handle)
compiled.disturb(int(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGUSR1))
kernel = machine_code.on_request(*compiled.KEY)
print(found == [kernel, 0.3], compiled.is_right(kernel))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1 on Windows")
@pytest.mark.parametrize("moment", [100_000, 1_000_000])
def test_a_signal_handler_that_needs_kernels(run, moment):
    """The one that is compiled, for which it waits, and another one."""
    assert run(HANDLED, moment) == "True True\n"


AT_ONCE = """
from hingemetrics._engine import compiling
made, compile_one, found = [], compiling.compiled, []
compiling.compiled = lambda *key: made.append(key) or compile_one(*key)

def ask():
    found.append(machine_code.on_request(*compiled.KEY))

threads = [threading.Thread(target=ask) for _ in range(3)]
compiled.disturb(1000, lambda: [thread.start() for thread in threads[1:]])
threads[0].start()
kernel = machine_code.on_request(*compiled.KEY)
for thread in threads:
    while thread.ident is None:
        pass
    thread.join()
print(len(made), [found.count(kernel), len(found)], compiled.is_right(kernel))
"""


@pytest.mark.slow
def test_threads_that_ask_at_once(run):
    """One compiles, the others wait and get the same kernel."""
    assert run(AT_ONCE) == "1 [3, 3] True\n"


FORKED = """
def forked(use):
    child = os.fork()
    if not child:
        signal.alarm(60)  # it ends, should it hang
        try:
            os._exit(0 if use() else 1)
        except RuntimeError as error:
            os._exit(2 if "call hingemetrics.warmup() before forking" in str(error) else 3)
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def compile_one():
    return compiled.is_right(machine_code.on_request(*compiled.KEY))

def numpy_works():
    hingemetrics.set_backend("auto")
    return hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]) == 0.3

inside, done = threading.Event(), threading.Event()
compiled.disturb(int(sys.argv[1]), lambda: [inside.set(), done.wait()])
thread = threading.Thread(target=compile_one)
thread.start()
inside.wait()
print("in the midst:", forked(compile_one), forked(compile_one), forked(numpy_works))
done.set()
thread.join()
print("afterwards:", forked(compile_one), compile_one())
compiled.forget()
print("anew:", forked(compile_one))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.parametrize("moment", [100_000, 1_000_000])
def test_forks_while_numba_compiles(run, moment):
    """A child that needs the kernel is told why it cannot have it; after that all is well."""
    said = run(FORKED, moment, PYTHONWARNINGS="ignore")
    assert said == "in the midst: 2 2 0\nafterwards: 0 True\nanew: 0\n"


ALONE = """
sys.executable = "/nonexistent/program"  # as in a frozen program, or an embedded Python

def hook(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"):
        os._exit(3)

sys.addaudithook(hook)
print(compiled.is_right(machine_code.on_request(*compiled.KEY)))
print(machine_code.origin())
"""


@pytest.mark.slow
def test_no_process_is_started(run):
    """Nor needed: `sys.executable` may name anything."""
    said = run(ALONE)
    assert said == "True\nnone: the package was built without machine code\n"


BROKEN = """
import hingemetrics as h
from hingemetrics._engine import machine_code
h.set_backend("numba")
for _ in range(2):
    try:
        h.hinge_loss([0.5], [1])
    except ImportError as error:
        print(error)
print([name for name in sys.modules if "compiling" in name], machine_code._compiling_in)
h.set_backend("auto")
print(h.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
h.set_backend("numba")
h.hinge_loss([0.5], [1])
"""


def test_a_numba_that_does_not_work(bare, tmp_path):
    """An error of one line says why; nothing is left half done, and NumPy works."""
    (tmp_path / "numba.py").write_text("raise OSError('out of order')")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    run = bare("-c", path + BROKEN)
    said = "the numba backend needs a working Numba, got OSError: out of order"
    assert run.stdout.splitlines() == [said, said, "[] []", "0.3"]
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == f"ImportError: {said}"


INTERPRETED = """
machine_code._by_numba = None
print(compiled.is_right(machine_code.on_request(*compiled.KEY)))
print(hingemetrics.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""


def test_kernels_as_plain_python(run):
    """For a debugger: nothing is compiled, though the backend is "numba"."""
    assert run(INTERPRETED, NUMBA_DISABLE_JIT="1") == "True\n0.3\n"
