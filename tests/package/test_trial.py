"""The trial of a build finds machine code that is wrong, in whichever kernel and kind of call."""

import importlib.util
import os

import pytest
from places import ROOT

from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.tally import NEGATIVES, SAMPLES, UNWEIGHTED, ZEROS
from hingemetrics._engine import machine_code, targets

if not ((ROOT / "build_backend").exists() and os.path.exists(machine_code.LIBRARY)):
    pytest.skip("there is nothing to build, or no library to try", allow_module_level=True)

BEST = targets.of_processor()[0]
LOSSES = [key for key in machine_code.KEYS if key[0] in machine_code.FORMS]
# The second is what NumPy's tier says of wrong counts of labels.
FOUND = (f"the machine code for {BEST} gives wrong sums", "one coding of the negative class")
DIGITS, WRITTEN, WEIGHT, SQUARED = 5, 7, 2, 3  # places of arguments


@pytest.fixture
def trial(set_backend, monkeypatch):
    """The script, and what it changes is put back."""
    spec = importlib.util.spec_from_file_location("trial", ROOT / "build_backend" / "trial.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(machine_code, "in_library", machine_code.in_library)
    return module


@pytest.fixture
def finds(trial, monkeypatch):
    """Whether the trial fails where a kernel of the library is called in another way."""

    def run(key, call):
        of_library, called = machine_code.of_library, []

        def wrong(library, form, dtype, target):
            right = of_library(library, form, dtype, target)
            if (form, dtype) != key:
                return right
            return lambda *arguments: called.append(key) or call(right, *arguments)

        monkeypatch.setattr(machine_code, "of_library", wrong)
        try:
            trial.main(machine_code.LIBRARY, BEST)
        except (SystemExit, ValueError) as failed:
            return any(text in str(failed) for text in FOUND)
        assert called
        return False

    return run


def test_right_code(finds, capsys):
    for key in machine_code.KEYS:
        assert not finds(key, lambda right, *arguments: right(*arguments))
    assert capsys.readouterr().out == "\n" * len(machine_code.KEYS), "nothing is left untried"


def added(place, argument):
    """A call that afterwards adds 1 to a place in one of its arrays, if it is given."""

    def call(right, *arguments):
        done = right(*arguments)
        if len(arguments) > argument and arguments[argument].size:
            arguments[argument][place] += 1
        return done

    return call


def given(place, value):
    """A call with another argument."""

    def call(right, *arguments):
        changed = value(arguments[place])
        return right(*arguments[:place], changed, *arguments[place + 1 :])

    return call


FAULTS = {
    **{
        name: added(place, DIGITS)
        for name, place in {
            "samples": SAMPLES,
            "zeros": ZEROS,
            "negatives": NEGATIVES,
            "unweighted": UNWEIGHTED,
            "the first digit": COUNTERS,
            "the last digit": -1,
        }.items()
    },
    "the first loss": added((0, 0), WRITTEN),
    "the last loss": added((-1, -1), WRITTEN),
    "no weights": given(WEIGHT, lambda weight: weight[:0]),
    "not squared": given(SQUARED, lambda squared: False),
    "always squared": given(SQUARED, lambda squared: True),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("key", LOSSES, ids=lambda key: f"{key[0]}-{key[1]}")
def test_wrong_losses(finds, key, fault):
    assert finds(key, FAULTS[fault])


@pytest.mark.parametrize(
    ("form", "argument", "place"),
    [
        ("moments", 4, (0, 0)),
        ("moments", 4, (-1, 0)),
        ("groups", 7, (0, 0)),
        ("groups", 7, (-1, -1)),
    ],
)
def test_wrong_sums(finds, form, argument, place):
    (key,) = (key for key in machine_code.KEYS if key[0] == form)
    assert finds(key, added(place, argument))


def test_a_target_that_this_processor_lacks(trial, monkeypatch, capsys):
    """It is said, and not tried."""
    monkeypatch.setattr(targets, "of_processor", lambda: (BEST,))
    trial.main(machine_code.LIBRARY, "x86-64-v9", BEST, "another")
    assert capsys.readouterr().out == "x86-64-v9 another\n"
