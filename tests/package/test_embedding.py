"""What a library that embeds the package relies on: types, no side effects, any flags."""

import copy
import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from places import TOOLS

import hingemetrics
from hingemetrics import HingeLoss, HingeState, RunningHingeLoss

PACKAGE = Path(hingemetrics.__file__).parents[1]
CONSUMER = TOOLS / "consumer.py"
RUN = "import consumer, pathlib, sys; print(consumer.main(pathlib.Path(sys.argv[1])))"
REPORT = "[1, 3, 4] 3 True {} 1\n"


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Run mypy on files, strictly, as somebody who uses the package would."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("mypy")

    def run(*files):
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder, *files],
            cwd=folder,
            env={"PATH": "", "MYPYPATH": str(PACKAGE)}
            if "site-packages" not in str(PACKAGE)
            else {},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_consumer_is_typed(mypy):
    run = mypy(CONSUMER)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("HingeLoss(squared='yes')", "call-overload"),
        ("metric: HingeLoss[float] = HingeLoss(False, 'one-vs-all')", "assignment"),
        (
            "metric: RunningHingeLoss[float] = RunningHingeLoss(2, False, 'one-vs-all')",
            "assignment",
        ),
        ("HingeLoss().compute().upper()", "attr-defined"),
        ("HingeLoss(True, 'one-vs-all').compute().upper()", "union-attr"),
        ("loss: float = HingeLoss(multiclass_mode='one-vs-all').compute()", "assignment"),
        ("loss: float = RunningHingeLoss(2, False, 'one-vs-all').compute()", "assignment"),
        ("loss: float = HingeState(False, 'one-vs-all').value()", "assignment"),
        ("loss: float = HingeState.from_bytes(b'').value()", "assignment"),
        ("state: HingeState[float] = HingeState(False, 'one-vs-all')", "assignment"),
        ("HingeLoss().higher_is_better = True", "assignment"),
        ("hinge_loss([0.5])", "call-overload"),
        ("loss: float = hinge_loss([[0.5, 1]], [1], multiclass_mode='one-vs-all')", "assignment"),
        ("HingeState() + 1", "operator"),
        ("HingeState().count = 3", "misc"),
    ],
)
def test_misuse_is_a_type_error(mypy, tmp_path, code, error):
    file = tmp_path / "misuse.py"
    file.write_text(f"from hingemetrics import *\n{code}\n")
    run = mypy(file)
    assert f"[{error}]" in run.stdout, run.stdout + run.stderr


FLAGS = ([], ["-W", "error"], ["-O"], ["-OO"], ["-I", "-B"])


@pytest.mark.parametrize(
    ("backend", "flags"),
    [
        ("numpy", ["-OO"]),
        *(
            pytest.param(*both, marks=pytest.mark.more)
            for both in itertools.product(("numpy", "numba"), FLAGS)
        ),
    ],
)
def test_any_flags(python, tmp_path, flags, backend):
    paths = f"import sys; sys.path[:0] = {[str(PACKAGE), str(CONSUMER.parent)]}; "
    run = python(*flags, "-c", paths + RUN, tmp_path, HINGEMETRICS_BACKEND=backend)
    assert (run.stdout, run.stderr) == (REPORT.format(backend), "")


SIDE_EFFECTS = """
import atexit, gc, locale, logging, os, signal, sys, threading, warnings
import numpy as np

def world():
    return {
        "warnings": list(warnings.filters),
        "threads": threading.enumerate(),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "path": list(sys.path),
        "loggers": (logging.root.level, list(logging.root.handlers)),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "floating point": (np.geterr(), np.geterrcall()),
        "print options": np.get_printoptions(),
        "random": repr(np.random.get_state()),
        "locale": locale.setlocale(locale.LC_ALL),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.gettrace()),
        "at exit": atexit._ncallbacks(),
        "recursion": sys.getrecursionlimit(),
    }

before = world()
import hingemetrics
from hingemetrics import cli
from hingemetrics._engine import measure
from hingemetrics._inputs import batch as inputs
after = world()
print([name for name in before if before[name] != after[name]])
metric = hingemetrics.HingeLoss()
metric.update([[0.5, 1.0], [np.inf, np.inf]], [0, 1])
metric.compute()
used = world()
print([name for name in before if before[name] != used[name]])
"""


@pytest.mark.parametrize("kind", [HingeState, HingeLoss, RunningHingeLoss])
def test_types_with_parameters_are_the_same_at_run_time(kind):
    """`HingeLoss[float]` makes what `HingeLoss` makes."""
    arguments = (2,) if kind is RunningHingeLoss else ()
    plain, typed = kind(*arguments), kind[float](*arguments)
    assert type(typed) is kind
    assert repr(typed) == repr(plain)
    for twin in (copy.copy(typed), copy.deepcopy(typed), pickle.loads(pickle.dumps(typed))):
        assert type(twin) is kind
        assert repr(twin) == repr(plain)


def test_typing_extensions_are_not_needed(python):
    code = "import sys; sys.modules['typing_extensions'] = None; import hingemetrics"
    run = python("-c", f"{code}; print(hingemetrics.HingeState[float])")
    assert (run.stdout, run.stderr) == ("hingemetrics.HingeState[float]\n", "")


def test_no_side_effects(python):
    run = python("-c", SIDE_EFFECTS, HINGEMETRICS_BACKEND="numpy")
    assert (run.stdout, run.stderr) == ("[]\n[]\n", "")
